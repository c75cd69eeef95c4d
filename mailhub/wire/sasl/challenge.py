"""Mechanisms in which the password is proved and never sent: CRAM-MD5 (RFC 2195), SCRAM (RFC 5802, RFC 7677), and APOP."""

import base64
import hashlib
import hmac

from . import md5
from .mechanisms import Challenge, Context, Disproved, NeedSecret, Proved, SaslError, Step, _Simple, saslname, text
from .scram import HASHES, parse_secret

FIELD_LIMIT = 2_048  # octets of a client's message


class CramMd5(_Simple):
    """The server's challenge, and HMAC-MD5 of it under the password, in hex, behind the name."""

    def __init__(self, context: Context) -> None:
        self._challenge = f"<{context.nonce}@{context.hostname}>".encode()
        self._name, self._digest = "", ""
        self._asked = False

    def step(self, response: bytes | None) -> Step:
        if response is None:
            self._asked = True
            return Challenge(self._challenge)
        if not self._asked:
            raise SaslError("CRAM-MD5 takes no initial response")
        name, _, digest = text(response).rpartition(" ")
        if not name or len(digest) != 32:
            raise SaslError("CRAM-MD5 needs a name and a digest")
        self._name, self._digest = name, digest.lower()
        return NeedSecret("", name, ("CRAM-MD5", "PLAIN", "CLEARTEXT", "CLEAR"))

    def secret(self, stored: str | None, scheme: str) -> Step:
        made = md5.cram_secret((stored or "\0").encode())  # always: nobody's name takes as long as everybody's
        kept = stored if stored is not None and scheme == "CRAM-MD5" else made
        try:
            right = hmac.compare_digest(md5.cram_digest(kept, self._challenge), self._digest) and stored is not None
        except (ValueError, TypeError):  # a stored secret that is none; a digest that is not ASCII
            right = False
        return Proved("", self._name) if right else Disproved(self._name)


class Apop(_Simple):
    """POP3's APOP (RFC 1939 section 7), led like a mechanism: MD5 of the greeting's timestamp and the password, in hex."""

    def __init__(self, timestamp: str) -> None:
        self._timestamp = timestamp.encode()
        self._name, self._digest = "", b""

    def step(self, response: bytes | None) -> Step:
        """`response`: name and digest, as they stand in the command."""
        name, _, digest = text(response or b"").rpartition(" ")
        self._name, self._digest = name, digest.lower().encode()
        return NeedSecret("", name, ("PLAIN", "CLEARTEXT", "CLEAR"))

    def secret(self, stored: str | None, scheme: str) -> Step:
        made = hashlib.md5(self._timestamp + (stored or "\0").encode(), usedforsecurity=False).hexdigest().encode()
        right = hmac.compare_digest(made, self._digest) and stored is not None
        return Proved("", self._name) if right else Disproved(self._name)


class Scram(_Simple):
    """RFC 5802 section 5. An unknown name is asked on like a known one: `secret` gets a made-up secret for it."""

    def __init__(self, scheme: str, plus: bool, context: Context) -> None:
        self._scheme, self._plus, self._context = scheme, plus, context
        self._header = self._bare = self._first = self._binding = b""
        self._nonce = ""
        self._authzid = self._authcid = ""
        self._secret: str | None = None

    def step(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        if len(response) > FIELD_LIMIT:
            raise SaslError("too long")
        return self._last_message(response) if self._first else self._first_message(response)

    def _first_message(self, message: bytes) -> Step:
        """client-first-message = gs2-header client-first-message-bare"""
        flag, _, rest = message.partition(b",")
        authzid, comma, bare = rest.partition(b",")
        if not comma or (authzid and not authzid.startswith(b"a=")):
            raise SaslError("no gs2 header")
        self._bind(flag)
        self._header, self._bare = message[: len(message) - len(bare)], bare
        parts = bare.split(b",")
        if len(parts) < 2 or not parts[0].startswith(b"n=") or not parts[1].startswith(b"r="):
            raise SaslError("no name and nonce, or a mandatory extension")
        self._authcid = saslname(parts[0][2:])
        nonce = text(parts[1][2:])
        if not self._authcid or not nonce or not nonce.isascii() or not nonce.isprintable():
            raise SaslError("no name or no nonce")
        self._nonce = nonce + self._context.nonce
        self._authzid = saslname(authzid[2:])
        if self._authzid == self._authcid:
            self._authzid = ""
        return NeedSecret(self._authzid, self._authcid, (self._scheme, "PLAIN", "CLEARTEXT", "CLEAR"))

    def _bind(self, flag: bytes) -> None:
        """RFC 5802 section 6: what the client says of channel binding must fit what we offered."""
        if self._plus:
            kind = flag.removeprefix(b"p=").decode("ascii", "replace")
            if not flag.startswith(b"p=") or kind not in self._context.bindings:
                raise SaslError("channel binding of a kind that there is not")
            self._binding = self._context.bindings[kind]
        elif flag == b"y" and self._context.plus_offered:
            raise SaslError("somebody took the channel binding out of the list of mechanisms")
        elif flag not in (b"n", b"y"):
            raise SaslError("channel binding with a mechanism that has none")

    def secret(self, stored: str | None, scheme: str) -> Step:
        """`stored` is text of `scram.ScramSecret`; the caller makes one of a clear password, and up for nobody."""
        if stored is None:
            raise SaslError("a secret is needed")
        try:
            kept = parse_secret(self._scheme, stored)
        except ValueError:
            return Disproved(self._authcid)
        self._secret = stored
        self._first = f"r={self._nonce},s={base64.b64encode(kept.salt).decode()},i={kept.iterations}".encode()
        return Challenge(self._first)

    def _last_message(self, message: bytes) -> Step:
        """client-final-message = channel-binding "," nonce ["," extensions] "," proof"""
        without, comma, proof = message.rpartition(b",p=")
        parts = without.split(b",")
        if not comma or len(parts) < 2 or not parts[0].startswith(b"c="):
            raise SaslError("no proof")
        assert self._secret is not None
        try:
            bound, given = base64.b64decode(parts[0][2:], validate=True), base64.b64decode(proof, validate=True)
        except ValueError:
            raise SaslError("not base64") from None
        if bound != self._header + self._binding or parts[1] != b"r=" + self._nonce.encode():
            return Disproved(self._authcid)
        kept, name = parse_secret(self._scheme, self._secret), HASHES[self._scheme]
        auth_message = b",".join((self._bare, self._first, without))
        signature = hmac.digest(kept.stored_key, auth_message, name)
        if len(given) != len(signature):
            return Disproved(self._authcid)
        client_key = bytes(a ^ b for a, b in zip(given, signature, strict=True))
        if not hmac.compare_digest(hashlib.new(name, client_key).digest(), kept.stored_key):
            return Disproved(self._authcid)
        final = b"v=" + base64.b64encode(hmac.digest(kept.server_key, auth_message, name))
        return Proved(self._authzid, self._authcid, final)
