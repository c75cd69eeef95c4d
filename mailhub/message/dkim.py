"""DKIM signatures: read, canonicalized, hashed, compared (RFC 6376, RFC 8301, RFC 8463). No look-ups here: keys are handed in as
their TXT records have them. ValueError says what is wrong with a signature or a key."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from msgspec import Struct

from .headers import FIELD

FIELD_NAME = b"dkim-signature"
RSA_LEAST = 1_024  # bits (RFC 8301 section 3.2)
ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_NAMES = 200  # header fields of one signature
_VALUE = 16_384  # octets of one signature field
_NEEDED = ("a", "b", "bh", "d", "h", "s", "v")
_WSP = b" \t"


class Signature(Struct, frozen=True):
    """One DKIM-Signature field. `field`: as it stands, name and all, without its last line end; `length`: of the body that is signed,
    None for all of it. Times are seconds since 1970."""

    field: bytes
    algorithm: str
    domain: str
    selector: str
    identity: str
    names: tuple[bytes, ...]
    header_canon: str
    body_canon: str
    body_hash: bytes
    value: bytes
    length: int | None = None
    time: int | None = None
    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Where its key stands in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


class Key(Struct, frozen=True):
    """A public key of DNS. `strict`: the identity's domain has to be the signature's own (t=s); `testing`: t=y."""

    kind: str
    public: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    strict: bool = False
    testing: bool = False


def fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """(name in lower case, the field as it stands with its folding, without the last line end), from top to bottom."""
    return [(found[1].lower(), found[0].rstrip(b"\r\n")) for found in FIELD.finditer(header)]


def read(field: bytes) -> Signature:
    """A DKIM-Signature field (RFC 6376 section 3.5)."""
    if len(field) > _VALUE:
        raise ValueError("the signature is longer than any that is taken")
    tags = _tags(field.partition(b":")[2].decode("ascii", "replace"))
    if missing := [name for name in _NEEDED if not tags.get(name)]:
        raise ValueError(f"the signature has no {missing[0]}=")
    if tags["v"] != "1":
        raise ValueError("the signature is of another version")
    algorithm, domain = tags["a"].lower(), tags["d"].lower().rstrip(".")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"the algorithm {algorithm[:40]} is not taken")
    identity = tags.get("i", f"@{domain}")
    if not f".{identity.rpartition('@')[2].lower()}".endswith(f".{domain}"):
        raise ValueError("i= is not below d=")
    names = tuple(name.strip().lower().encode() for name in tags["h"].split(":"))
    if b"from" not in names or len(names) > _NAMES:
        raise ValueError("h= does not name From" if b"from" not in names else "h= names too many fields")
    if "dns/txt" not in [way.strip().lower() for way in tags.get("q", "dns/txt").split(":")]:
        raise ValueError("the key is to be asked for in another way than by DNS")
    header, _, body = tags.get("c", "simple/simple").lower().partition("/")
    body = body or "simple"
    if {header, body} - {"simple", "relaxed"}:
        raise ValueError("c= is none that is known")
    return Signature(
        field, algorithm, domain, tags["s"].lower(), identity, names, header, body, decoded(tags["bh"]), decoded(tags["b"]),
        number(tags, "l"), number(tags, "t"), number(tags, "x"),
    )  # fmt: skip


def read_key(record: str) -> Key:
    """A key record (RFC 6376 section 3.6.1)."""
    tags = _tags(record)
    if tags.get("v", "DKIM1") != "DKIM1":
        raise ValueError("the key is of another version")
    kind, flags = tags.get("k", "rsa").lower(), tags.get("t", "").lower().split(":")
    if "h" in tags and "sha256" not in tags["h"].lower().split(":"):
        raise ValueError("the key is for other hashes")
    if not {"*", "email"} & set(tags.get("s", "*").lower().split(":")):
        raise ValueError("the key is not for mail")
    if not tags.get("p"):
        raise ValueError("the key was taken back" if "p" in tags else "the record holds no key")
    return Key(kind, _public(kind, decoded(tags["p"])), "s" in flags, "y" in flags)


def _public(kind: str, octets: bytes) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    if kind == "ed25519":
        if len(octets) != 32:
            raise ValueError("the key is no Ed25519 key")
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    if kind != "rsa":
        raise ValueError(f"the key is of the kind {kind[:20]}")
    key = serialization.load_der_public_key(octets)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the key is no RSA key")
    if not RSA_LEAST <= key.key_size <= 16_384:
        raise ValueError(f"the key has {key.key_size} bits")
    return key


def verified(signature: Signature, key: Key, header: Sequence[tuple[bytes, bytes]]) -> None:
    """ValueError where the header fields, of `fields`, are not those that were signed."""
    if key.strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
        raise ValueError("the key is for its own domain alone")
    fits(signature.algorithm, signature.value, key, signed(signature, header))


def fits(algorithm: str, value: bytes, key: Key, data: bytes) -> None:
    """ValueError where it is not what that key made of the data."""
    if key.kind != ALGORITHMS[algorithm]:
        raise ValueError("the key is for another algorithm")
    digest = hashlib.sha256(data).digest()
    try:
        if isinstance(key.public, rsa.RSAPublicKey):
            key.public.verify(value, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        else:
            key.public.verify(value, digest)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit the header") from error


def signed(signature: Signature, header: Sequence[tuple[bytes, bytes]]) -> bytes:
    """What was signed (section 3.7): the fields of h=, each name's from the bottom up, and the signature without its b=."""
    left: dict[bytes, list[bytes]] = {}
    for name, field in header:
        left.setdefault(name, []).append(field)
    canon = canonical_field if signature.header_canon == "relaxed" else _as_it_is
    chosen = [canon(left[name].pop()) + b"\r\n" for name in signature.names if left.get(name)]
    return b"".join(chosen) + canon(unsigned(signature.field))


def canonical_field(field: bytes) -> bytes:
    """The relaxed form of a field (section 3.4.2), without a line end."""
    name, _, value = field.partition(b":")
    return name.strip(_WSP).lower() + b":" + b" ".join(value.replace(b"\r\n", b"").split())


def _as_it_is(field: bytes) -> bytes:
    return field


def unsigned(field: bytes) -> bytes:
    """The signature field with an empty b= (section 3.7)."""
    name, colon, value = field.partition(b":")
    tags = value.split(b";")
    for n, tag in enumerate(tags):
        key, equals, _ = tag.partition(b"=")
        if key.strip() == b"b":
            tags[n] = key + equals
    return name + colon + b";".join(tags)


class BodyHash:
    """The hash of a body that is fed in blocks (section 3.4.3, 3.4.4). `length`: octets of its canonical form that count."""

    def __init__(self, canon: str, length: int | None = None) -> None:
        self._relaxed, self._left, self._hash = canon == "relaxed", length, hashlib.sha256()
        self._rest = b""  # the beginning of a line
        self._blank = 0  # empty lines that count only if something follows
        self.cut = False  # there is more than `length`
        self._any = False

    def feed(self, block: bytes) -> None:
        data = self._rest + block
        end = data.rfind(b"\r\n") + 2
        if end < 2:
            self._rest = data
            return
        self._rest = data[end:]
        self._lines(data[:end])

    def _lines(self, lines: bytes) -> None:
        """Whole lines."""
        if self._relaxed and (b" " in lines or b"\t" in lines):
            lines = lines.replace(b"\t", b" ")
            while b"  " in lines:
                lines = lines.replace(b"  ", b" ")
            lines = lines.replace(b" \r\n", b"\r\n")
        body = lines.rstrip(b"\r\n")
        if not body:
            self._blank += lines.count(b"\r\n")
            return
        # what was stripped may hold a lone CR or LF, which is no line end: only CRLFs may go
        tail = lines[len(body) :]
        kept = len(tail)
        while tail[:kept].endswith(b"\r\n"):
            kept -= 2
        if kept:
            body, tail = lines[: len(body) + kept], lines[len(body) + kept :]
        self._take(b"\r\n" * self._blank + body + b"\r\n")
        self._blank = tail.count(b"\r\n") - 1

    def _take(self, octets: bytes) -> None:
        self._any = True
        if self._left is not None:
            self.cut = self.cut or len(octets) > self._left
            octets = octets[: self._left]
            self._left -= len(octets)
        self._hash.update(octets)

    def digest(self) -> bytes:
        """ValueError where the body is shorter than `length`."""
        if self._rest:
            self._lines(self._rest + b"\r\n")
            self._rest = b""
        if not self._any and not self._relaxed:
            self._take(b"\r\n")
        if self._left:
            raise ValueError("the body is shorter than what was signed")
        return self._hash.digest()


def _tags(text: str) -> Mapping[str, str]:
    """A tag-list (section 3.2); white space inside of values goes, as none of ours may hold any."""
    found: dict[str, str] = {}
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        name = name.strip()
        if not equals:
            if name:
                raise ValueError("a tag has no value")
            continue
        if name in found:
            raise ValueError(f"{name[:20]}= stands there twice")
        found[name] = "".join(value.split())
    return found


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("what should be base64 is none") from error


def number(tags: Mapping[str, str], name: str) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 76):
        raise ValueError(f"{name}= is no number")
    return int(text)
