"""What a server keeps for SCRAM (RFC 5802 section 3, RFC 7677): keys derived from a password, and not the password."""

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from dataclasses import dataclass, field

ITERATIONS_LIMIT = 10_000_000  # of a stored secret: more would be a mistake, or somebody's attack
SALT_LIMIT = 1_024  # octets
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}

_NOT_ALLOWED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
    stringprep.in_table_c9,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScramSecret:
    """`scheme`: "SCRAM-SHA-1" or "SCRAM-SHA-256"."""

    scheme: str
    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def text(self) -> str:
        """As Dovecot stores it behind {SCRAM-SHA-256}: iterations,salt,StoredKey,ServerKey."""
        keys = (self.salt, self.stored_key, self.server_key)
        return ",".join((str(self.iterations), *(base64.b64encode(key).decode() for key in keys)))


def parse_secret(scheme: str, text: str) -> ScramSecret:
    """The value behind `text()`. ValueError where it is none."""
    parts = text.split(",")
    if len(parts) != 4 or scheme not in HASHES or not (parts[0].isascii() and parts[0].isdigit()):
        raise ValueError(f"not a {scheme} secret")
    try:
        salt, stored, server = (base64.b64decode(part, validate=True) for part in parts[1:])
    except binascii.Error:
        raise ValueError(f"not a {scheme} secret") from None
    iterations, size = int(parts[0][:12]), hashlib.new(HASHES[scheme]).digest_size
    if not (0 < iterations <= ITERATIONS_LIMIT and 0 < len(salt) <= SALT_LIMIT and len(stored) == len(server) == size):
        raise ValueError(f"not a {scheme} secret")
    return ScramSecret(scheme, iterations, salt, stored, server)


def derive(scheme: str, password: bytes, salt: bytes, iterations: int) -> ScramSecret:
    """RFC 5802 section 3. Computes for a while: not for the event loop."""
    name = HASHES[scheme]
    salted = hashlib.pbkdf2_hmac(name, _prepared_octets(password), salt, iterations)
    client_key, server_key = (hmac.digest(salted, word, name) for word in (b"Client Key", b"Server Key"))
    return ScramSecret(scheme, iterations, salt, hashlib.new(name, client_key).digest(), server_key)


def _prepared_octets(password: bytes) -> bytes:
    """A password that SASLprep does not allow is taken as it is: it was set here, and most clients do the same."""
    try:
        return saslprep(password.decode("utf-8")).encode()
    except ValueError:  # UnicodeDecodeError is one
        return password


def saslprep(text: str) -> str:
    """RFC 4013, with RFC 3454's tables. ValueError where a character is not allowed."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    for char in prepared:
        if any(forbidden(char) for forbidden in _NOT_ALLOWED) or stringprep.in_table_a1(char):
            raise ValueError("a character that SASLprep does not allow")
    right = [stringprep.in_table_d1(char) for char in prepared]
    if any(right) and (any(stringprep.in_table_d2(char) for char in prepared) or not (right[0] and right[-1])):
        raise ValueError("text that SASLprep does not allow: right-to-left and left-to-right mixed")
    return prepared
