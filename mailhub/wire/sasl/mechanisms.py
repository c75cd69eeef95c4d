"""The mechanisms, each a small machine of its own: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login, what Outlook still
speaks), CRAM-MD5 (RFC 2195), SCRAM-* (RFC 5802, RFC 7677), OAUTHBEARER (RFC 7628), XOAUTH2 (Google's forerunner of it),
EXTERNAL (RFC 4422 appendix A).

`step` takes what the client said and tells what is needed next:

    Challenge      ask the client this
    Credentials    a password: whether it is right is for the directory to say
    NeedSecret     what is stored for that login, in one of those schemes: go on with `secret`
    Token          an OAuth token: whether it is good is for its issuer to say; `refused` tells the client why it is not
    Certificate    the client's certificate has to name the account
    Proved, Disproved    the end of a challenge-response

Adding one: a class, a row in MECHANISMS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

LENGTH_LIMIT = 1_024  # octets of a login, and of a password
TOKEN_LIMIT = 8_192  # octets of an OAuth token


class SaslError(Exception):
    """The client's side of the dialogue is malformed; the text says how and holds no secret."""


class Challenge(Struct, frozen=True):
    """What the client is asked, before base64."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims. `authzid` is "" unless it wants to act for somebody other than `authcid`."""

    authzid: str
    authcid: str
    password: str = field(repr=False)


class NeedSecret(Struct, frozen=True):
    """`schemes`: the best first."""

    authzid: str
    authcid: str
    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """`authzid` "": the one the token names."""

    authzid: str
    token: str = field(repr=False)


class Certificate(Struct, frozen=True):
    """`authzid` "": the one the certificate names."""

    authzid: str


class Proved(Struct, frozen=True):
    """`final`: what the client is still to be told, before base64; None: nothing."""

    authzid: str
    authcid: str
    final: bytes | None = None


class Disproved(Struct, frozen=True):
    authcid: str


Step = Challenge | Credentials | NeedSecret | Token | Certificate | Proved | Disproved


@dataclass(frozen=True, slots=True)
class Context:
    """What a mechanism may need to know. `nonce`: fresh and unguessable, printable, without a comma. `bindings`: channel-binding
    type to its data. `plus_offered`: the client saw SCRAM-...-PLUS in our list."""

    hostname: str = ""
    nonce: str = field(default="", repr=False)
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    plus_offered: bool = False


class Mechanism(Protocol):
    """One attempt to sign in."""

    def step(self, response: bytes | None) -> Step:
        """Take the client's answer (None: it has not said anything yet); SaslError ends the attempt."""
        ...

    def secret(self, stored: str | None, scheme: str) -> Step:
        """After NeedSecret: what is stored in that scheme; None where there is nothing, which must not be told."""
        ...

    def refused(self, why: str) -> Step:
        """After Token: it is not good."""
        ...


class _Simple:
    """For who asks for no secret and shows no token."""

    def secret(self, stored: str | None, scheme: str) -> Step:
        raise SaslError("no secret was asked for")

    def refused(self, why: str) -> Step:
        raise SaslError("no token was shown")


class Plain(_Simple):
    """message = [authzid] NUL authcid NUL passwd"""

    def __init__(self, context: Context) -> None:
        pass

    def step(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise SaslError("PLAIN needs two NULs")
        authzid, authcid, password = (text(part) for part in parts)
        return _credentials(authzid, authcid, password)


class Login(_Simple):
    """User name, then password, each asked for; the prompts are those that all clients know."""

    def __init__(self, context: Context) -> None:
        self._name: str | None = None

    def step(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"Username:")
        if self._name is None:
            self._name = text(response)
            return Challenge(b"Password:")
        return _credentials("", self._name, text(response))


class External(_Simple):
    """The authorization identity, or nothing."""

    def __init__(self, context: Context) -> None:
        pass

    def step(self, response: bytes | None) -> Step:
        return Challenge(b"") if response is None else Certificate(text(response))


class OAuthBearer:
    """client-resp = gs2-header kvsep *(key "=" value kvsep) kvsep; a failure is told in JSON, and answered with %x01."""

    def __init__(self, context: Context) -> None:
        self._failed = False

    def step(self, response: bytes | None) -> Step:
        if self._failed:
            return Disproved("")
        if response is None:
            return Challenge(b"")
        if len(response) > TOKEN_LIMIT + 2 * LENGTH_LIMIT:
            raise SaslError("too long")
        return self._read(response)

    def _read(self, response: bytes) -> Step:
        header, _, rest = response.partition(b"\1")
        flag, comma, authzid = header.partition(b",")
        if flag not in (b"n", b"y") or not comma or not authzid.endswith(b","):
            raise SaslError("no gs2 header")
        name = authzid[:-1]
        if name and not name.startswith(b"a="):
            raise SaslError("no gs2 header")
        return Token(saslname(name[2:]), _bearer(rest))

    def secret(self, stored: str | None, scheme: str) -> Step:
        raise SaslError("no secret was asked for")

    def refused(self, why: str) -> Step:
        self._failed = True
        return Challenge(b'{"status":"invalid_token","schemes":"bearer"}')


class XOAuth2(OAuthBearer):
    """ "user=" user ^A "auth=Bearer " token ^A ^A"""

    def _read(self, response: bytes) -> Step:
        user, _, rest = response.partition(b"\1")
        if not user.startswith(b"user="):
            raise SaslError("no user")
        return Token(text(user[5:]), _bearer(rest))

    def refused(self, why: str) -> Step:
        self._failed = True
        return Challenge(b'{"status":"400","schemes":"Bearer","scope":"mail"}')


def _bearer(rest: bytes) -> str:
    for pair in rest.split(b"\1")[:20]:
        key, _, value = pair.partition(b"=")
        kind, _, token = value.partition(b" ")
        if key.lower() == b"auth" and kind.lower() == b"bearer":
            token = token.strip()
            if not token or len(token) > TOKEN_LIMIT or not token.isascii():
                raise SaslError("no token")
            return token.decode()
    raise SaslError("no bearer token")


def text(octets: bytes) -> str:
    """A name or password. SaslError where it is too long, no UTF-8 or holds a NUL."""
    if len(octets) > LENGTH_LIMIT:
        raise SaslError("too long")
    try:
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("not UTF-8") from None
    if "\0" in decoded:
        raise SaslError("NUL inside")
    return decoded


def saslname(octets: bytes) -> str:
    """RFC 5802 section 5.1: "=2C" and "=3D" stand for comma and equals sign, and no other "=" may be there."""
    plain = octets.replace(b"=2C", b",").replace(b"=3D", b"\1")
    if b"=" in plain:
        raise SaslError("a name with a bare equals sign")
    return text(plain.replace(b"\1", b"="))


def _credentials(authzid: str, authcid: str, password: str) -> Credentials:
    if not authcid or not password:
        raise SaslError("empty login or password")
    return Credentials("" if authzid == authcid else authzid, authcid, password)


Maker = Callable[[Context], Mechanism]
