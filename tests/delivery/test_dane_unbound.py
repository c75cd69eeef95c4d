"""DANE where Debian's unbound validates: a signed zone, one that was tampered with, and one that nobody signed."""

import re

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from support.far_hosts import World, world
from support.server import free_port
from support.unbound import Signed, unbound

from mailhub.config.schema import Resolver
from mailhub.delivery.relay.dane import Dane
from mailhub.delivery.relay.tls_policy import TlsServices
from mailhub.net.dane import Tlsa
from mailhub.net.dnssec import ValidatingResolver
from mailhub.store.api import Fate

CASES = {
    "signed": (Fate.RELAYED, "Verified TLSv1.3"),
    "other key": (Fate.DEFERRED, "no TLSA record matches the server's certificate"),
    "tampered": (Fate.DEFERRED, "TLSA lookup error: TLSA of "),
    "unsigned": (Fate.RELAYED, "Untrusted TLSv1.3"),
}


@pytest.mark.parametrize("case", list(CASES))
async def test_what_unbound_says(case: str) -> None:
    port = free_port()

    def services(far: World) -> TlsServices:
        config = Resolver(validating=(f"127.0.0.1:{port}",), tries=1)
        return TlsServices(vouching=Dane(ValidatingResolver(config, far.clock)))

    async with world(services=services, tls="dane") as far:
        leaf = trustme.CA().issue_cert("mx1.far.test")
        far.hosts[0].present(leaf)
        digest = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).fingerprint(SHA256())
        record = Tlsa(3, 0, 1, bytes(32) if case == "other key" else digest)
        owner = f"_{far.port}._tcp.mx1.far.test"
        zone = Signed(
            "far.test",
            {
                ("far.test", "MX"): ["10 mx1.far.test."],
                ("mx1.far.test", "A"): ["127.0.0.21"],
                (owner, "TLSA"): [str(record)],
            },
        )
        anchors = [] if case == "unsigned" else [zone.sign()]
        text = zone.text()
        if case == "tampered":
            text, changed = re.subn(r"( TLSA 3 0 1 )(\S\S)", lambda m: m[1] + ("ff" if m[2] == "00" else "00"), text)
            assert changed == 1
        with unbound(port, {"far.test": text}, anchors):
            (result,) = await far.deliver("b@far.test")
        fate, words = CASES[case]
        assert result.fate == fate
        assert words in (result.tls or result.reply.text)
