"""The mechanisms: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login, what Outlook still speaks).

Adding one: a class with `step`, a row in MECHANISMS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

LENGTH_LIMIT = 1_024  # octets of a login, and of a password


class SaslError(Exception):
    """The client's side of the dialogue is malformed; the text says how and holds no secret."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client is asked, before base64."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims. `authzid` is "" unless it wants to act for somebody other than `authcid`."""

    authzid: str
    authcid: str
    password: str = field(repr=False)


class Mechanism(Protocol):
    """One attempt to sign in."""

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """Take the client's answer (None: it has not said anything yet); SaslError ends the attempt."""
        ...


class Plain:
    """message = [authzid] NUL authcid NUL passwd"""

    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise SaslError("PLAIN needs two NULs")
        authzid, authcid, password = (_text(part) for part in parts)
        return _credentials(authzid, authcid, password)


class Login:
    """User name, then password, each asked for; the prompts are those that all clients know."""

    def __init__(self) -> None:
        self._name: str | None = None

    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"Username:")
        if self._name is None:
            self._name = _text(response)
            return Challenge(b"Password:")
        return _credentials("", self._name, _text(response))


MECHANISMS: Mapping[str, type[Plain] | type[Login]] = {"PLAIN": Plain, "LOGIN": Login}


def _text(octets: bytes) -> str:
    if len(octets) > LENGTH_LIMIT:
        raise SaslError("too long")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("not UTF-8") from None
    if "\0" in text:
        raise SaslError("NUL inside")
    return text


def _credentials(authzid: str, authcid: str, password: str) -> Credentials:
    if not authcid or not password:
        raise SaslError("empty login or password")
    return Credentials("" if authzid == authcid else authzid, authcid, password)
