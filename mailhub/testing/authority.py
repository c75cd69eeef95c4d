"""A certificate authority of a test's own, and the web server of MTA-STS policies that it vouches for."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_YEARS = 20 * 366
_REQUEST_LIMIT = 8_192
_SIGNS = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
    key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


class Authority:
    """`file`: its certificate, for `relay.tls_ca`. Certificates are good from ten years before `now` to ten years after."""

    def __init__(self, folder: Path, now: float) -> None:
        self._folder = folder
        self._start = datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(days=_YEARS // 2)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the test's own authority")])
        certificate = self._builder(self._name, self._key).issuer_name(self._name)
        signed = certificate.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        signed = signed.add_extension(_SIGNS, critical=True)
        signed = signed.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.file = folder / "authority.pem"
        self.file.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str, *addresses: str) -> Path:
        """A PEM file with certificate and key for that host."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        builder = builder.issuer_name(self._name).add_extension(x509.SubjectAlternativeName(names), critical=False)
        whose = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(whose, critical=False)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self._folder / f"{name}.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(pem) + private)
        return path

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._start)
            .not_valid_after(self._start + datetime.timedelta(days=_YEARS))
        )


class PolicySite:
    """Answers `/.well-known/mta-sts.txt` for each host in `texts` (RFC 8461 section 3.3); nothing else."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.texts: dict[str, str] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def start(self, address: str) -> None:
        context = self._context("policies.test")
        context.sni_callback = self._named
        self._server = await asyncio.start_server(self._met, address, 0, ssl=context, limit=_REQUEST_LIMIT)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    def publish(self, host: str, text: str) -> None:
        self.texts[host] = text
        self._contexts[host] = self._context(host)

    def _context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._authority.certificate(host))
        return context

    def _named(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        tls.context = self._contexts.get(name or "", context)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            hosts = [
                line.partition(":")[2].strip().partition(":")[0] for line in head if line.lower().startswith("host:")
            ]
            text = self.texts.get(hosts[0] if hosts else "")
            status, body = ("200 OK", text) if text else ("404 Not Found", "")
            answer = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
            writer.write(answer.encode())
            await writer.drain()
        writer.close()
