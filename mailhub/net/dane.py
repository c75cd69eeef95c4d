"""TLSA records and what a server showed (RFC 6698, with what RFC 7671 and RFC 7672 make of it for mail). Pure.

Usage 3 (DANE-EE) is the server's own certificate or key: no names, no dates. Usage 2 (DANE-TA) is an authority whose
certificate the server sends along: names and dates count. Usages 0 and 1 are of no use to mail (RFC 7672 section 3.1.3).
"""

import hashlib
import itertools
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from . import peers

_LENGTHS = {1: 32, 2: 64}  # octets of a digest, by matching type
_WEAK = frozenset(("md5", "sha1"))


class Tlsa(Struct, frozen=True):
    """One record (RFC 6698 section 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    @property
    def usable(self) -> bool:
        known = self.usage in (2, 3) and self.selector in (0, 1) and self.matching in (0, 1, 2)
        return known and len(self.data) == _LENGTHS.get(self.matching, len(self.data)) and bool(self.data)


class Mismatch(Exception):
    """The server is not the one that its records tell of. `result`: RFC 8460's word for that."""

    def __init__(self, result: str, cause: str) -> None:
        super().__init__(cause)
        self.result = result


def check(records: Iterable[Tlsa], chain: Sequence[x509.Certificate], wanted: Sequence[str], now: float) -> None:
    """Mismatch unless a usable record fits the chain. `wanted`: names that the certificate must have one of, for usage 2."""
    usable = [record for record in records if record.usable]
    if not chain:
        raise Mismatch("validation-failure", "the server has shown no certificate")
    if any(record.usage == 3 and _fits(record, chain[0]) for record in usable):
        return
    anchors = [record for record in usable if record.usage == 2]
    depth = next((n for n, one in enumerate(chain[: peers.DEPTH]) if n and any(_fits(r, one) for r in anchors)), 0)
    if not depth or not _issued(chain[: depth + 1]):
        raise Mismatch("validation-failure", "no TLSA record matches the server's certificate")
    if late := peers.dates(chain[: depth + 1], now):
        raise Mismatch("certificate-expired", late)
    if not peers.is_named(chain[0], wanted):
        raise Mismatch("certificate-host-mismatch", f"the certificate is for {', '.join(peers.names(chain[0]))[:200]}")


def _fits(record: Tlsa, certificate: x509.Certificate) -> bool:
    if record.selector:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        octets = certificate.public_bytes(Encoding.DER)
    if record.matching:
        octets = (hashlib.sha256 if record.matching == 1 else hashlib.sha512)(octets).digest()
    return octets == record.data


def _issued(chain: Sequence[x509.Certificate]) -> bool:
    """Whether each is signed by the next, which may do so, up to the one that DNS vouches for."""
    for below, (certificate, issuer) in enumerate(itertools.pairwise(chain)):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return False
        algorithm = certificate.signature_hash_algorithm
        if (algorithm is not None and algorithm.name in _WEAK) or not _may_sign(issuer, below):
            return False
        if not _understood(certificate):
            return False
    return True


def _may_sign(issuer: x509.Certificate, below: int) -> bool:
    """`below`: authorities between it and the server's own certificate."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = [e.value for e in issuer.extensions if isinstance(e.value, x509.KeyUsage)]
    except (x509.ExtensionNotFound, ValueError):
        return False
    return (
        basic.ca and (basic.path_length is None or basic.path_length >= below) and all(u.key_cert_sign for u in usage)
    )


def _understood(certificate: x509.Certificate) -> bool:
    """No critical extension that we do not obey (RFC 5280 section 4.2): those with constraints on names are of no use."""
    obeyed = (x509.SubjectAlternativeName, x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
    try:
        return all(isinstance(e.value, obeyed) for e in certificate.extensions if e.critical)
    except ValueError:
        return False
