"""TLS contexts from the config, a self-signed certificate where there is none, and words for what was negotiated."""

import asyncio
import datetime
import ipaddress
import logging
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailhub.config import schema
from mailhub.config.tls import EXPIRY
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent

from .certificates import OWN, Pair, chosen, files, keep

log = logging.getLogger("mailhub.net")

LOOK = 5.0  # seconds between two looks at whether certificates have changed

_DAYS = 3650
_TOLD = 86_400.0  # seconds until the end of a certificate is told of again
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class ServerContext(ssl.SSLContext):
    """A server's context that knows its certificate. `end_point`: tls-server-end-point (RFC 5929 section 4.1), b"" where the
    certificate's signature has no hash of its own."""

    end_point: bytes = b""


class ServerTls:
    """The server's certificates. `context` is asked at each handshake; `reload()` reads the files anew at once.

    Files that changed are read again by themselves, LOOK seconds later at most, in a thread, while handshakes go on with what
    is there. Each certificate fails alone.
    """

    def __init__(self, config: schema.Tls, data: Path, hostname: str, clock: Clock) -> None:
        self._config, self._data, self._hostname, self._clock = config, data, hostname, clock
        self._pairs: list[Pair] = []
        self._looked = 0.0
        self._looking: asyncio.Task[None] | None = None

    def context(self) -> ssl.SSLContext:
        """The context in force; made, with its certificate if need be, when first asked for. Permanent where that fails."""
        if not self._pairs:
            self._pairs = self._loaded(self._config)
            self._looked = self._clock.monotonic()
        elif self._clock.monotonic() - self._looked >= LOOK and self._looking is None:
            self._looked = self._clock.monotonic()
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="certificates")
            self._looking.add_done_callback(self._looked_at)
        return self._default(self._pairs)

    def reload(self, config: schema.Tls) -> None:
        """Read the files again. Where the first can not be used all stays as it was, and Permanent says why."""
        pairs = self._loaded(config)
        self._config, self._pairs = config, pairs

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The certificates in force."""
        return tuple(self._pairs)

    @property
    def troubles(self) -> dict[str, str]:
        """What is wrong with which certificate."""
        return {pair.certificate: pair.trouble for pair in self._pairs if pair.trouble}

    def _loaded(self, config: schema.Tls) -> list[Pair]:
        if not config.certificate:
            self._sign_self()
        pairs = [Pair(*one) for one in files(config, self._data, self._hostname)]
        for pair in pairs:
            pair.load(lambda certificate, key: self._make(config, certificate, key))
        self._default(pairs)
        for pair in pairs:
            if pair.context is not None:
                pair.context.sni_callback = self._named
        return pairs

    def _default(self, pairs: list[Pair]) -> ssl.SSLContext:
        """For who names no name, or none of ours: the first certificate that can be used."""
        for pair in pairs:
            if pair.context is not None:
                return pair.context
        raise Permanent(pairs[0].trouble)

    def _named(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        pair = chosen(self._pairs, name) if name else None
        if pair is not None and pair.context is not None:
            tls.context = pair.context

    async def _look(self) -> None:
        config, now = self._config, self._clock.now()
        for pair in self._pairs:
            if await asyncio.to_thread(pair.changed):
                await asyncio.to_thread(pair.load, lambda certificate, key: self._make(config, certificate, key))
                if pair.context is not None:
                    pair.context.sni_callback = self._named
            if pair.context is not None and pair.days(now) < EXPIRY and now - pair.warned >= _TOLD:
                pair.warned = now
                log.warning("certificate %s ends in %.0f days: renew it", pair.certificate, pair.days(now))

    def _looked_at(self, task: "asyncio.Task[None]") -> None:
        self._looking = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("certificates could not be looked at", exc_info=error)

    def _make(self, config: schema.Tls, certificate: str, key: str) -> ServerContext:
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[config.minimum]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        try:
            context.set_ciphers(config.ciphers)
        except ssl.SSLError as error:
            raise Permanent(f"tls.ciphers {config.ciphers}: {error}") from error
        try:
            context.load_cert_chain(certificate, key)
            context.end_point = end_point(Path(certificate).read_bytes())
        except (OSError, ssl.SSLError) as error:
            raise Permanent(f"tls.certificate {certificate}, tls.key {key}: {error}") from error
        if config.client_certificates != "none":
            context.verify_mode = ssl.CERT_REQUIRED if config.client_certificates == "require" else ssl.CERT_OPTIONAL
            try:
                context.load_verify_locations(config.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise Permanent(f"tls.client_ca {config.client_ca}: {error}") from error
        return context

    def _sign_self(self) -> None:
        """Where there is nothing else, once."""
        certificate, key = (self._data / name for name in OWN)
        if not (certificate.exists() and key.exists()):
            made, secret = self_signed(self._hostname, self._clock.now())
            keep(key, secret)
            keep(certificate, made)


def self_signed(hostname: str, now: float) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM for `hostname`, localhost and loopback, valid from `now` for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName(hostname.encode("idna").decode() if not hostname.isascii() else hostname)
    ]
    names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    names.append(x509.IPAddress(ipaddress.ip_address("::1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def opportunistic() -> ssl.SSLContext:
    """A client's context that takes any certificate: better than the clear, no proof of who is there (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_COMPRESSION
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def end_point(certificate: bytes) -> bytes:
    """The hash of the first certificate in PEM, by the algorithm of its signature; MD5 and SHA-1 give way to SHA-256."""
    found = x509.load_pem_x509_certificate(certificate)
    algorithm = found.signature_hash_algorithm
    if algorithm is None:
        return b""
    if algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    return found.fingerprint(algorithm)


def bindings(tls: ssl.SSLObject | None) -> dict[str, bytes]:
    """Channel bindings of a connection, by type (RFC 5929, RFC 9266).

    None at all where the one that clients expect can not be had: tls-unique up to TLS 1.2, tls-exporter from TLS 1.3 on, which
    this Python's ssl may not give. Programs built on GNU SASL (mutt) choose SCRAM-...-PLUS where they see it, and fail without.
    """
    if tls is None:
        return {}
    expected = "tls-unique" if tls.version() == "TLSv1.2" else "tls-exporter"
    if expected not in ssl.CHANNEL_BINDING_TYPES or not (binding := tls.get_channel_binding(expected)):
        return {}
    found = {expected: binding}
    if isinstance(tls.context, ServerContext) and tls.context.end_point:
        found["tls-server-end-point"] = tls.context.end_point
    return found


def certified_names(tls: ssl.SSLObject | None) -> tuple[str, ...]:
    """What the client's certificate calls it: its e-mail addresses, then its common name. Only a certificate that was verified
    is seen here."""
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return ()
    alternatives: Any = certificate.get("subjectAltName", ())
    subject: Any = certificate.get("subject", ())
    names = [value for kind, value in alternatives if kind == "email"]
    names += [value for part in subject for kind, value in part if kind in ("emailAddress", "commonName")]
    return tuple(dict.fromkeys(names))


def describe(tls: ssl.SSLObject | None) -> str:
    """What was negotiated, for Received and logs: "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"; "" in the clear."""
    cipher = None if tls is None else tls.cipher()
    return "" if tls is None or cipher is None else f"{tls.version()} with cipher {cipher[0]}"
