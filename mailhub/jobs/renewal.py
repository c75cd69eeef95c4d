"""Certificates of ours by ACME: got where there is none, renewed before they end. Each name has its own, so that one that cannot be had
keeps no other from being renewed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from mailhub.config.schema import Acme as Config
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.net import certificates
from mailhub.net.acme import Acme, AcmeError
from mailhub.net.challenges import Solver
from mailhub.net.https import Https

from .daily import Repeated

log = logging.getLogger("mailhub.jobs")

_DAY = 86_400.0
_LOOK = 3_600.0  # seconds between two looks
_AGAIN = (3_600.0, _DAY)  # seconds after a failure: the first time, and at most (each time twice as long)

Key = ec.EllipticCurvePrivateKey


class Renewal:
    """`names`: those wanted now; `folder`: where certificates are kept; `renewed`: called after one was written. `job` looks
    again and again; `troubles`: why there is no new certificate, by name."""

    def __init__(
        self,
        config: Config,
        names: Callable[[], Awaitable[Sequence[str]]],
        folder: Path,
        https: Https,
        solver: Solver,
        clock: Clock,
        renewed: Callable[[], object],
    ) -> None:
        self._config, self._names, self._folder, self._clock, self._renewed = config, names, folder, clock, renewed
        self._https, self._solver = https, solver
        self._authority: Acme | None = None
        self._failed: dict[str, tuple[float, float]] = {}  # by name: until when it is left alone, and for how long
        self.troubles: dict[str, str] = {}
        self.job = Repeated("certificates by ACME", self.work, clock, lambda now: now + _LOOK)

    async def work(self) -> None:
        """One look at all names."""
        try:
            names = await self._names()
        except MailError as error:
            log.warning("whose certificates are wanted cannot be told now: %s", error)
            return
        for gone in self.troubles.keys() - set(names):
            del self.troubles[gone]
        for name in names:
            now = self._clock.now()
            until, pause = self._failed.get(name, (0.0, 0.0))
            if until > now or await self._good(name):
                continue
            try:
                await self._get(name)
                self._renewed()
            except (AcmeError, MailError, OSError, ValueError) as error:
                pause = min(max(2 * pause, _AGAIN[0]), _AGAIN[1])
                self._failed[name], self.troubles[name] = (now + pause, pause), str(error)
                log.error("no certificate for %s: %s; the next attempt in %.0f hours", name, error, pause / 3_600)
            else:
                self._failed.pop(name, None)
                self.troubles.pop(name, None)
                log.info("a certificate for %s has come", name)

    async def _good(self, name: str) -> bool:
        """Whether there is one that need not be renewed."""
        found = await asyncio.to_thread(certificates.kept, self._file(name))
        try:
            until = x509.load_pem_x509_certificate(found).not_valid_after_utc.timestamp()
        except ValueError:
            return False
        return until - self._clock.now() >= self._config.renew_days * _DAY

    async def _get(self, name: str) -> None:
        if self._authority is None:
            account = await self._key(self._folder.parent / "account.pem")
            self._authority = Acme(self._https, self._clock, self._config, account, self._solver)
        key = await self._key(
            self._folder.parent / "keys" / f"{name}.pem"
        )  # the same as before: TLSA records stay true
        pem = await self._authority.certificate(name, _request(name, key))
        chain = x509.load_pem_x509_certificates(pem)
        if chain[0].public_key() != key.public_key() or name not in certificates.names_in(pem):
            raise AcmeError("the authority sent a certificate of somebody else")
        await asyncio.to_thread(certificates.keep, self._file(name), b"".join([*map(_pem, chain), _private(key)]))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name.replace('*', '_')}.pem"

    async def _key(self, file: Path) -> Key:
        """That in the file; where there is none a new one, which is kept from now on."""
        found = await asyncio.to_thread(certificates.kept, file)
        if b"PRIVATE KEY" in found:
            key = serialization.load_pem_private_key(found, None)
            if isinstance(key, Key):
                return key
        made = ec.generate_private_key(ec.SECP256R1())
        await asyncio.to_thread(certificates.keep, file, _private(made))
        return made


def _request(name: str, key: Key) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    wanted = x509.SubjectAlternativeName([x509.DNSName(name)])
    return builder.add_extension(wanted, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _private(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
