"""Whether the TLS that was negotiated is what was demanded, and Postfix's words for it.

Anonymous   the peer showed no certificate        Trusted    an authority vouches for it, no name was asked for
Untrusted   nobody vouches for the certificate    Verified   it is whom the policy names
"""

import asyncio
import contextlib
import hashlib
import ssl

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailhub.model.clock import Clock
from mailhub.net import dane, peers, tls

from .demand import PKIX, Demand, Form, algorithm

NOT_OFFERED = "starttls-not-supported"  # these five: RFC 8460 section 4.3.1
HOST_MISMATCH = "certificate-host-mismatch"
EXPIRED = "certificate-expired"
NOT_TRUSTED = "certificate-not-trusted"
FAILURE = "validation-failure"
_LIMIT = 200  # characters of names that a text repeats


class NotWhom(Exception):
    """The peer is not whom the policy demands. `result`: RFC 8460's word for it."""

    def __init__(self, result: str, cause: str) -> None:
        super().__init__(cause)
        self.result = result


class Checker:
    """The contexts of a relay, made when first needed. `authorities`: a PEM file, "" for the system's."""

    def __init__(self, authorities: str, clock: Clock) -> None:
        self._authorities, self._clock = authorities, clock
        self._contexts: dict[tuple[bool, Form], ssl.SSLContext] = {}
        self._known: list[x509.Certificate] | None = None

    async def context(self, demand: Demand) -> ssl.SSLContext:
        """What the handshake is made with. OSError where the authorities or ciphers can not be used."""
        key = (demand.level in PKIX, demand.form)
        if key not in self._contexts:
            self._contexts[key] = await asyncio.to_thread(self._made, *key)
        return self._contexts[key]

    def _made(self, chains: bool, form: Form) -> ssl.SSLContext:
        if self._known is None:
            self._known = self._read()
        context = peers.verifying(self._authorities) if chains else tls.opportunistic()
        if form.minimum:
            context.minimum_version = ssl.TLSVersion(form.minimum)
            context.maximum_version = ssl.TLSVersion(form.maximum)
        if form.ciphers:
            context.set_ciphers(form.ciphers)
        return context

    def _read(self) -> list[x509.Certificate]:
        """Where they can not be read, nobody is Trusted; a level that needs them will say what is wrong."""
        with contextlib.suppress(OSError, ValueError):
            return peers.authorities(self._authorities) if self._authorities else []
        return []

    def check(self, demand: Demand, host: str, session: ssl.SSLObject) -> str:
        """Postfix's word for the peer. NotWhom where it is not good enough."""
        try:
            chain = peers.verified(session) if demand.level in PKIX else peers.presented(session)
            return self._judged(demand, host, chain)
        except dane.Mismatch as error:
            raise NotWhom(error.result, str(error)) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if demand.level in ("may", "encrypt"):
                return "Untrusted"  # whatever it is: nobody asked
            raise NotWhom(FAILURE, f"a certificate that can not be read: {error}") from error

    def _judged(self, demand: Demand, host: str, chain: list[x509.Certificate]) -> str:
        if demand.level == "dane":
            dane.check(demand.tlsa, chain, demand.names or (host,), self._clock.now())
            return "Verified"
        if demand.level == "fingerprint":
            if not chain or not any(digest in _digests(chain[0], digest) for digest in demand.fingerprints):
                raise NotWhom(NOT_TRUSTED, "Server certificate fingerprint not verified")
            return "Verified"
        if demand.level not in PKIX:
            return self._word(chain)
        if not chain:
            raise NotWhom(NOT_TRUSTED, "Server certificate not trusted: there is none")
        if late := peers.dates(chain, self._clock.now()):
            raise NotWhom(EXPIRED, f"Server certificate not trusted: {late}")
        if not peers.is_named(chain[0], demand.names):
            known = ", ".join(peers.names(chain[0]))[:_LIMIT] or "nobody"
            wanted = ", ".join(demand.names) or "any mail host of the policy"
            raise NotWhom(HOST_MISMATCH, f"Server certificate not verified: it is for {known}, not for {wanted}")
        return "Verified"

    def _word(self, chain: list[x509.Certificate]) -> str:
        if not chain:
            return "Anonymous"
        trusted = self._known and peers.vouched(chain, self._known, self._clock.now())
        return "Trusted" if trusted else "Untrusted"


def _digests(certificate: x509.Certificate, like: str) -> set[str]:
    """Of the certificate and of its key, as Postfix takes either."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        hashlib.new(algorithm(like), octets).hexdigest() for octets in (certificate.public_bytes(Encoding.DER), key)
    }


def handshake_result(error: BaseException, host: str) -> tuple[str, str]:
    """(RFC 8460's word, the text) for what stopped a handshake with that host."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NOT_TRUSTED, f"Server certificate not trusted: {cause.verify_message or cause}"
        cause = cause.__cause__
    return FAILURE, f"Cannot start TLS: {str(error).removeprefix(f'{host}: ')}"
