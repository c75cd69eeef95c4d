"""Certificates that are chosen by the name a client asks for (SNI, RFC 6066 section 3), each read again when its file changes."""

import contextlib
import logging
import os
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from msgspec import Struct, field

from mailhub.config.tls import Tls
from mailhub.model.errors import Permanent

log = logging.getLogger("mailhub.net")

ACME = "tls/acme/certificates"  # below the data folder: NAME.pem, each with its key
OWN = ("tls/certificate.pem", "tls/key.pem")  # below the data folder: those that sign themselves

Mark = tuple[tuple[int, int, int], ...]  # what changes when a file does


class Pair(Struct):
    """A certificate and its key in PEM files. `names` empty: those that stand in the certificate."""

    certificate: str
    key: str
    names: tuple[str, ...] = ()
    context: ssl.SSLContext | None = None
    known_as: tuple[str, ...] = ()
    mark: Mark = ()
    until: float = 0.0  # wall time
    warned: float = 0.0  # wall time at which its end was told of
    trouble: str = field(default="")

    def days(self, now: float) -> float:
        """Until it ends."""
        return (self.until - now) / 86_400

    def changed(self) -> bool:
        return _mark(self.certificate, self.key) != self.mark

    def load(self, make: Callable[[str, str], ssl.SSLContext]) -> None:
        """Read the files; in a thread where the loop runs. Where they can not be used what was read before stays, and `trouble`
        says why."""
        mark = _mark(self.certificate, self.key)
        try:
            self.context = make(self.certificate, self.key)
            text = Path(self.certificate).read_bytes()
            self.known_as = tuple(name.lower() for name in self.names or names_in(text))
            self.until = x509.load_pem_x509_certificate(text).not_valid_after_utc.timestamp()
            self.trouble = ""
        except (Permanent, OSError, ValueError) as error:
            if str(error) != self.trouble:
                kept = "; the one read before stays in force" if self.context is not None else ""
                log.error("certificate %s: %s%s", self.certificate, error, kept)
            self.trouble = str(error)
        else:
            if self.mark:
                log.info("certificate %s was read again", self.certificate)
        self.mark = mark


def _mark(*paths: str) -> Mark:
    found = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def names_in(certificate: bytes) -> tuple[str, ...]:
    """The DNS names of the first certificate in PEM. ValueError where there is none."""
    found = x509.load_pem_x509_certificate(certificate)
    try:
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(alternatives.get_values_for_type(x509.DNSName))


def chosen(pairs: Iterable[Pair], name: str) -> Pair | None:
    """Whose name that is: the very name before a wildcard, which stands for one label (RFC 6125 section 6.4.3)."""
    name = name.lower().rstrip(".")
    wildcard = "*." + name.partition(".")[2]
    usable = [pair for pair in pairs if pair.context is not None]
    for wanted in (name, wildcard):
        for pair in usable:
            if wanted in pair.known_as:
                return pair
    return None


def files(config: Tls, data: Path, hostname: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(certificate, key, names) of all there are; the first is for who names no name: the operator's own, else that of ACME for the
    host's name, else the one that signs itself."""
    acme = sorted((data / ACME).glob("*.pem")) if config.acme.directory else []
    own = (
        (config.certificate, config.key or config.certificate)
        if config.certificate
        else (str(data / OWN[0]), str(data / OWN[1]))
    )
    found = [
        (*own, ()),
        *((more.certificate, more.key or more.certificate, more.names) for more in config.certificates),
    ]
    for path in acme:
        first = not config.certificate and path.name == f"{hostname.lower()}.pem"
        found.insert(0 if first else len(found), (str(path), str(path), ()))
    return found


def kept(file: Path) -> bytes:
    """What is in it; b"" where it is not there."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def keep(file: Path, text: bytes) -> None:
    """Written whole or not at all, for this user alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    partial.rename(file)


def shown(config: Tls, data: Path, hostname: str, name: str) -> list[x509.Certificate]:
    """The chain in the file that a client is shown who asks for that name, read from disk; [] where it can not be read."""
    found = []
    for file, _, names in files(config, data, hostname):
        with contextlib.suppress(OSError, ValueError):
            text = Path(file).read_bytes()
            chain = x509.load_pem_x509_certificates(text)
            found.append(({known.lower() for known in names or names_in(text)}, chain))
    for wanted in (name.lower(), "*." + name.lower().partition(".")[2]):
        for known, chain in found:
            if wanted in known:
                return chain
    return found[0][1] if found else []
