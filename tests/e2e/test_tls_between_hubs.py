"""Two hubs, one with certificates and policies of its own, the other with the options an operator sets: who gets mail, and how."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from support.dns import DnsServer
from support.https import Website, website
from support.hubs import messages
from support.server import free_port

from mailhub.config.schema import Config, History, Listener, Queue, Relay, Resolver, Smtp, Tls, TlsReports
from mailhub.control.words import Status
from mailhub.hub import Hub
from mailhub.hub_status import status_of
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, MailParameters, Origin, Recipient
from mailhub.net.dane import Tlsa
from mailhub.store.api import Body, QueueFilter

A, B = "127.0.0.35", "127.0.0.36"
DAY = 86_400
AUTHORITY = trustme.CA()
POLICY = b"version: STSv1\nmode: enforce\nmx: mx.b.test\nmax_age: 604800\n"


class World:
    """a.test on A sends; b.test on B has the certificate `leaf`."""

    def __init__(self, folder: Path, names: DnsServer) -> None:
        self.folder, self.dns, self.clock, self.port = folder, names, VirtualClock(), free_port()
        for name, address in (("a", A), ("b", B)):
            names.zone[f"{name}.test", "MX"] = [f"10 mx.{name}.test."]
            names.zone[f"mx.{name}.test", "A"] = [address]
        AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
        self.leaf = AUTHORITY.issue_cert("mx.b.test")

    @asynccontextmanager
    async def hub(self, name: str, address: str, **more: Any) -> AsyncIterator[Hub]:
        config = Config(
            history=History(enabled=False),
            hostname=f"mx.{name}.test",
            domains=(f"{name}.test",),
            data=str(self.folder / name),
            listener=(Listener(protocol="smtp", address=address, port=self.port),),
            smtp=Smtp(mynetworks=(f"{A}/32",), greet_pause=0.0),
            **{"resolver": Resolver(nameservers=(self.dns.address,)), "queue": Queue(jitter=0.0), **more},
        )
        async with Hub(config, clock=self.clock) as hub:
            if await hub.directory.account(f"user@{name}.test") is None:
                await hub.directory.add_account(f"user@{name}.test", "not used")
            yield hub

    def receiver(self, *, certified: bool) -> Any:
        """b.test with its certificate, or with one of its own making."""
        if not certified:
            return self.hub("b", B)
        self.leaf.cert_chain_pems[0].write_to_path(self.folder / "b.pem")
        self.leaf.private_key_pem.write_to_path(self.folder / "b.key")
        return self.hub("b", B, tls=Tls(certificate=str(self.folder / "b.pem"), key=str(self.folder / "b.key")))

    def relay(self, **more: Any) -> Relay:
        return Relay(port=self.port, ipv6=False, source_ipv4=A, tls_ca=str(self.folder / "ca.pem"), **more)

    @asynccontextmanager
    async def policy(self) -> AsyncIterator[Website]:
        async with website(AUTHORITY.issue_cert("mta-sts.b.test")) as site:
            site.text = POLICY
            self.dns.zone["mta-sts.b.test", "A"] = ["127.0.0.1"]
            self.dns.zone["_mta-sts.b.test", "TXT"] = ['"v=STSv1; id=1"']
            yield site


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with DnsServer() as names:
        yield World(tmp_path, names)


async def post(hub: Hub, text: bytes = b"Subject: hello\r\n\r\nyes\r\n", **asked: Any) -> None:
    envelope = Envelope("user@a.test", (Recipient("user@b.test"),), MailParameters(**asked))
    await hub.spool.put(hub.spool.new_id(), envelope, Body(len(text), text), b"", Origin())
    await hub.queue.idle()


async def inbox(hub: Hub) -> list[bytes]:
    return await messages(hub, f"user@{hub.config.domains[0]}")


async def waiting(hub: Hub) -> list[str]:
    """Why mail waits in the queue."""
    await hub.queue.idle()
    return [str(one.last) for item in await hub.store.queue.page(QueueFilter()) for one in item.recipients]


async def test_a_policy_of_the_domain_holds_mail_back_until_its_host_is_the_right_one(w: World) -> None:
    async with w.policy() as site, w.hub("a", A, relay=w.relay(mta_sts_port=site.port)) as a:
        async with w.receiver(certified=False) as b:
            await post(a)
            (why,) = await waiting(a)
            assert why.startswith(f"451 4.7.5 mx.b.test[{B}]: Server certificate not trusted: self-signed certificate")
            assert await inbox(b) == []
            await post(a, b"TLS-Required: No\r\nSubject: unimportant\r\n\r\n")
            (unimportant,) = await inbox(b)
            assert b"Subject: unimportant" in unimportant
        async with w.receiver(certified=True) as b:
            await w.clock.advance(301)
            assert await waiting(a) == []
            assert len(await inbox(b)) == 2
        assert site.asked == ["GET mta-sts.b.test /.well-known/mta-sts.txt"]


async def test_the_domain_is_told_of_it_with_its_policy(w: World) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(w.policy())
        relay, reports = w.relay(mta_sts_port=site.port), TlsReports(send=True, spread=0.0)
        a = await stack.enter_async_context(w.hub("a", A, relay=relay, tls_reports=reports))
        b = await stack.enter_async_context(w.receiver(certified=False))
        w.dns.zone["_smtp._tls.b.test", "TXT"] = ['"v=TLSRPTv1; rua=mailto:user@b.test"']
        await post(a)
        await w.clock.advance(DAY)
        (message,) = await inbox(b)
        body = message.partition(b"filename=")[2].partition(b"\r\n\r\n")[2].partition(b"--=_")[0]
        (policy,) = json.loads(gzip.decompress(base64.b64decode(body)))["policies"]
        assert policy["policy"] == {
            "policy-type": "sts",
            "policy-domain": "b.test",
            "policy-string": POLICY.decode().splitlines(),
            "mx-host": ["mx.b.test"],
        }
        assert [one["result-type"] for one in policy["failure-details"]] == ["certificate-not-trusted"]


async def test_tlsa_records_in_a_zone_that_the_resolver_vouches_for(w: World) -> None:
    w.dns.vouched = {"test"}
    digest = x509.load_pem_x509_certificate(w.leaf.cert_chain_pems[0].bytes()).fingerprint(SHA256())
    w.dns.zone[f"_{w.port}._tcp.mx.b.test", "TLSA"] = [str(Tlsa(3, 0, 1, digest))]
    async with w.hub("a", A, relay=w.relay(tls="dane")) as a:
        assert (await status_of(a, Status())).validating == (w.dns.address,)
        async with w.receiver(certified=False) as b:
            await post(a)
            (why,) = await waiting(a)
            assert why == f"451 4.7.5 mx.b.test[{B}]: no TLSA record matches the server's certificate"
        async with w.receiver(certified=True) as b:
            await w.clock.advance(301)
            assert len(await inbox(b)) == 1


async def test_mail_that_requires_tls_and_its_report(w: World) -> None:
    """b.test offers REQUIRETLS, as every hub does under TLS; nothing vouches for its mail host until it has a policy."""
    async with w.policy() as site, w.hub("a", A, relay=w.relay(mta_sts_port=site.port)) as a:
        async with w.receiver(certified=True) as b:
            await post(a, requiretls=True)
            assert len(await inbox(b)) == 1
            del w.dns.zone["_mta-sts.b.test", "TXT"]
        await a.store.tls.remove_sts("b.test")
        await w.clock.advance(301)
        async with w.receiver(certified=True) as b:
            await post(a, requiretls=True)
            (bounce,) = await inbox(a)
            assert b"Status: 5.7.10" in bounce
            assert b"neither DNSSEC nor MTA-STS" in bounce.replace(b"\r\n ", b" ").replace(b"\r\n", b" ")
            assert len(await inbox(b)) == 1
