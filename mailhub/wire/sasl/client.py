"""The client's side of PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195) and SCRAM (RFC 5802, RFC 7677), without I/O.

`begin` is the initial response, None where there is none; `answer` takes each challenge. `Derive` asks for a key, which takes
its time to compute: `keyed` goes on with it. `proved` tells whether the server has shown that it knows the password, where
the mechanism has it do so.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .mechanisms import SaslError, text
from .scram import HASHES, saslprep

ITERATIONS_LIMIT = 1_000_000  # that a server may make us compute
_FIELD_LIMIT = 2_048  # octets of a server's message


@dataclass(frozen=True, slots=True)
class Login:
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Derive:
    """PBKDF2 with that hash."""

    hash: str
    password: bytes = field(repr=False)
    salt: bytes
    iterations: int


class ClientMechanism(Protocol):
    proved: bool

    def begin(self) -> bytes | None: ...

    def answer(self, challenge: bytes) -> bytes | Derive:
        """SaslError for a challenge that is none."""
        ...

    def keyed(self, key: bytes) -> bytes: ...


class _Simple:
    proved = True

    def __init__(self, login: Login, nonce: str) -> None:
        self._login = login

    def keyed(self, key: bytes) -> bytes:
        raise SaslError("no key was asked for")


class Plain(_Simple):
    def begin(self) -> bytes | None:
        if "\0" in self._login.name + self._login.password:
            raise SaslError("a NUL in the name or the password")
        return f"\0{self._login.name}\0{self._login.password}".encode()

    def answer(self, challenge: bytes) -> bytes | Derive:
        raise SaslError("a challenge where there is none in PLAIN")


class LoginMechanism(_Simple):
    """Name, then password, whatever is asked."""

    def __init__(self, login: Login, nonce: str) -> None:
        super().__init__(login, nonce)
        self._left = [login.name, login.password]

    def begin(self) -> bytes | None:
        return None

    def answer(self, challenge: bytes) -> bytes | Derive:
        if not self._left:
            raise SaslError("a third challenge in LOGIN")
        return self._left.pop(0).encode()


class CramMd5(_Simple):
    def begin(self) -> bytes | None:
        return None

    def answer(self, challenge: bytes) -> bytes | Derive:
        digest = hmac.new(self._login.password.encode(), challenge, "md5").hexdigest()
        return f"{self._login.name} {digest}".encode()


class Scram:
    """RFC 5802 section 3, without channel binding."""

    def __init__(self, scheme: str, login: Login, nonce: str) -> None:
        self._hash, self._nonce = HASHES[scheme], nonce
        name = _prepared(login.name).replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce}".encode()
        self._password = _prepared(login.password).encode()
        self._first = self._without = b""
        self._expected = b""
        self.proved = False

    def begin(self) -> bytes | None:
        return b"n,," + self._bare

    def answer(self, challenge: bytes) -> bytes | Derive:
        if len(challenge) > _FIELD_LIMIT:
            raise SaslError("too long")
        if not self._first:
            return self._first_message(challenge)
        if not self._expected or not hmac.compare_digest(challenge.split(b",")[0], self._expected):
            raise SaslError("the server does not know the password either")
        self.proved = True
        return b""

    def _first_message(self, message: bytes) -> Derive:
        """server-first-message = nonce "," salt "," iteration-count ["," extensions]"""
        parts = message.split(b",")
        if len(parts) < 3 or [part[:2] for part in parts[:3]] != [b"r=", b"s=", b"i="]:
            raise SaslError("no nonce, salt and iteration count")
        nonce = text(parts[0][2:])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise SaslError("not an answer to our nonce")
        try:
            salt = base64.b64decode(parts[1][2:], validate=True)
        except ValueError:
            raise SaslError("a salt that is not base64") from None
        count = parts[2][2:]
        iterations = int(count) if count.isdigit() and len(count) <= 9 else 0
        if not salt or not 0 < iterations <= ITERATIONS_LIMIT:
            raise SaslError(f"no salt, or an iteration count not between 1 and {ITERATIONS_LIMIT}")
        self._first, self._without = message, b"c=biws,r=" + nonce.encode()
        return Derive(self._hash, self._password, salt, iterations)

    def keyed(self, key: bytes) -> bytes:
        auth_message = b",".join((self._bare, self._first, self._without))
        client_key, server_key = (hmac.digest(key, word, self._hash) for word in (b"Client Key", b"Server Key"))
        signature = hmac.digest(hashlib.new(self._hash, client_key).digest(), auth_message, self._hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._expected = b"v=" + base64.b64encode(hmac.digest(server_key, auth_message, self._hash))
        return self._without + b",p=" + base64.b64encode(proof)


def _prepared(word: str) -> str:
    """As servers do that keep passwords SASLprep does not allow."""
    try:
        return saslprep(word)
    except ValueError:
        return word


# Strongest first.
CLIENT_MECHANISMS: Mapping[str, Callable[[Login, str], ClientMechanism]] = {
    "SCRAM-SHA-256": lambda login, nonce: Scram("SCRAM-SHA-256", login, nonce),
    "SCRAM-SHA-1": lambda login, nonce: Scram("SCRAM-SHA-1", login, nonce),
    "CRAM-MD5": CramMd5,
    "PLAIN": Plain,
    "LOGIN": LoginMechanism,
}
