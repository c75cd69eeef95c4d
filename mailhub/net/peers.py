"""What a TLS peer showed: its certificates, their names and dates. Chains of authorities are OpenSSL's to check.

Dates are compared with our clock, not with OpenSSL's: `verifying` contexts leave them to `dates`.
"""

import datetime
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, which Python has no name for
DEPTH = 10  # certificates of a chain that are looked at
_DER = 2  # _ssl.ENCODING_DER


def verifying(authorities: str) -> ssl.SSLContext:
    """A client's context that takes only chains up to an authority of that PEM file, or where it is "" of the system. Names and
    dates are left to the caller. OSError where the file can not be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_COMPRESSION
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    if authorities:
        context.load_verify_locations(authorities)
    else:
        context.load_default_certs()
    return context


def presented(tls: ssl.SSLObject) -> list[x509.Certificate]:
    """The certificates that the peer sent, its own first; checked by nobody. ValueError where one is malformed."""
    return _chain(tls, "get_unverified_chain")


def verified(tls: ssl.SSLObject) -> list[x509.Certificate]:
    """From the peer's own to the authority's, where the context checks chains."""
    return _chain(tls, "get_verified_chain")


def vouched(chain: Sequence[x509.Certificate], known: Sequence[x509.Certificate], now: float) -> bool:
    """Whether one of the known authorities vouches for the first of them, whoever it is for: a word for people, nothing depends on it."""
    own = names(chain[0])
    if not own:
        return False
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    named = verification.ExtensionPolicy.permit_all().require_present(
        x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
    )
    try:
        builder = verification.PolicyBuilder().store(verification.Store(list(known))).time(when)
        builder = builder.extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=named
        )
        builder.build_server_verifier(x509.DNSName(own[0].replace("*.", "x.", 1))).verify(
            chain[0], list(chain[1:DEPTH])
        )
    except (verification.VerificationError, ValueError):
        return False
    return True


def authorities(file: str) -> list[x509.Certificate]:
    """Those of a PEM file. OSError or ValueError where it can not be used."""
    return x509.load_pem_x509_certificates(Path(file).read_bytes())


def _chain(tls: Any, which: str) -> list[x509.Certificate]:
    """Python 3.13 has these methods in public, earlier ones in the object behind it."""
    found = getattr(tls, which, None) or getattr(tls._sslobj, which)
    coded = (one if isinstance(one, bytes) else one.public_bytes(_DER) for one in found() or ())
    return [x509.load_der_x509_certificate(one) for one in coded]


def names(certificate: x509.Certificate) -> list[str]:
    """Its DNS names in lower case; where it has none of those the common name (RFC 6125 section 6.4.4)."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = []
    if not found:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        found = [str(one.value) for one in common]
    return [name.lower().removesuffix(".") for name in found]


def is_named(certificate: x509.Certificate, wanted: Iterable[str]) -> bool:
    """Whether one of its names is one of those. A wanted ".example.org" stands for all names below example.org; a wildcard in the
    certificate is the whole first label and stands for one (RFC 6125 section 6.4.3)."""
    known = names(certificate)
    return any(_agree(name, pattern.lower()) for pattern in wanted for name in known)


def _agree(name: str, wanted: str) -> bool:
    if wanted.startswith("."):
        return name.endswith(wanted) and len(name) > len(wanted)
    if name.startswith("*."):
        label, dot, rest = wanted.partition(".")
        return bool(label and dot) and rest == name[2:] and "." in rest
    return name == wanted


def dates(chain: Sequence[x509.Certificate], now: float) -> str:
    """What is wrong with the time of validity of one of them, at wall time `now`; "" if nothing."""
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    for certificate in chain:
        if when > certificate.not_valid_after_utc:
            return f"certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if when < certificate.not_valid_before_utc:
            return f"certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return ""
