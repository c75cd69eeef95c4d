"""TLS reports in virtual time: a hub that counts, and another that is told."""

import base64
import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
import trustme
from support.dns import DnsServer
from support.https import website
from support.hubs import messages
from support.server import free_port

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Config, History, Listener, Queue, Relay, Resolver, Smtp, TlsReports
from mailhub.control import words
from mailhub.delivery.relay.demand import Basis
from mailhub.delivery.relay.tlsrpt import Session, TlsSessions
from mailhub.hub import Hub
from mailhub.message.tls_report import rua
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.errors import Temporary
from mailhub.store.api import Body, TlsCount

A, B = "127.0.0.31", "127.0.0.32"
DAY = 86_400
MIDNIGHT = 1_800_057_600.0  # 2027-01-16
AUTHORITY = trustme.CA()


class World:
    """a.test on A counts and reports, b.test on B wants reports by mail to tls@b.test."""

    def __init__(self, folder: Path, names: DnsServer) -> None:
        self.folder, self.dns, self.clock, self.port = folder, names, VirtualClock(MIDNIGHT - DAY + 3_600), free_port()
        for name, address in (("a", A), ("b", B)):
            names.zone[f"{name}.test", "MX"] = [f"10 mx.{name}.test."]
            names.zone[f"mx.{name}.test", "A"] = [address]
        names.zone["_smtp._tls.b.test", "TXT"] = ['"v=TLSRPTv1; rua=mailto:tls@b.test"']
        AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")

    @asynccontextmanager
    async def hub(self, name: str, address: str, **more: Any) -> AsyncIterator[Hub]:
        config = Config(
            history=History(enabled=False),
            hostname=f"mx.{name}.test",
            domains=(f"{name}.test",),
            data=str(self.folder / name),
            listener=(Listener(protocol="smtp", address=address, port=self.port),),
            smtp=Smtp(mynetworks=(f"{A}/32", "127.0.0.1/32"), greet_pause=0.0),
            resolver=Resolver(nameservers=(self.dns.address,)),
            queue=Queue(jitter=0.0),
            **{"relay": self.relay(), **more},
        )
        async with Hub(config, clock=self.clock) as hub:
            if await hub.directory.account(f"tls@{name}.test") is None:
                await hub.directory.add_account(f"tls@{name}.test", "not used")
            yield hub

    def relay(self, **more: Any) -> Relay:
        ca = str(self.folder / "ca.pem")
        return Relay(port=self.port, ipv6=False, source_ipv4=A, tls_ca=ca, mta_sts=False, **more)

    @asynccontextmanager
    async def both(self, **relay: Any) -> AsyncIterator[tuple[Hub, Hub]]:
        async with (
            self.hub("a", A, tls_reports=TlsReports(send=True, spread=0.0), relay=self.relay(**relay)) as a,
            self.hub("b", B) as b,
        ):
            yield a, b

    async def post(self, hub: Hub) -> None:
        """A letter from a.test to b.test."""
        text = b"Subject: hello\r\n\r\nyes\r\n"
        envelope = Envelope("tls@a.test", (Recipient("tls@b.test"),))
        await hub.spool.put(hub.spool.new_id(), envelope, Body(len(text), text), b"", Origin())
        await hub.queue.idle()


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with DnsServer() as names:
        yield World(tmp_path, names)


async def reports(hub: Hub) -> list[bytes]:
    """The TLS reports in the inbox of tls@."""
    return [text for text in await messages(hub, f"tls@{hub.config.domains[0]}") if b"TLS-Report-Domain" in text]


def opened(message: bytes) -> Any:
    """The JSON in a report's message."""
    body = message.partition(b"filename=")[2].partition(b"\r\n\r\n")[2].partition(b"--=_")[0]
    return json.loads(gzip.decompress(base64.b64decode(body)))


async def test_a_day_s_report_comes_by_mail_and_calls_for_no_other(w: World) -> None:
    async with w.both() as (a, b):
        for _ in range(3):
            await w.post(a)
            await w.clock.advance(60)
        assert await reports(b) == []
        await w.clock.advance(DAY + 14_400)
        (message,) = await reports(b)
        head = message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
        report_id = "2027-01-15T00:00:00Z_b.test@mx.a.test"
        for line in (
            f"Subject: Report Domain: b.test Submitter: mx.a.test Report-ID: <{report_id}>",
            "TLS-Report-Domain: b.test", "TLS-Report-Submitter: mx.a.test", "TLS-Required: No", "Return-Path: <>",
            "From: <postmaster@mx.a.test>",
        ):  # fmt: skip
            assert line.encode() in head
        assert b'filename="mx.a.test!b.test!1799971200!1800057599.json.gz"' in message
        assert opened(message) == {
            "organization-name": "mx.a.test",
            "date-range": {"start-datetime": "2027-01-15T00:00:00Z", "end-datetime": "2027-01-15T23:59:59Z"},
            "contact-info": "postmaster@mx.a.test",
            "report-id": report_id,
            "policies": [
                {
                    "policy": {"policy-type": "no-policy-found", "policy-domain": "b.test"},
                    "summary": {"total-successful-session-count": 3, "total-failure-session-count": 0},
                    "failure-details": [],
                }
            ],
        }
        await w.clock.advance(3 * DAY)
        assert len(await reports(b)) == 1, "a report's own session is not reported"


async def test_it_is_signed_by_the_domain_above_our_name(w: World) -> None:
    async with w.both() as (a, b):
        await a.control.perform(words.DkimCreate(domain="a.test"))
        await a.control.perform(words.DkimActivate(domain="a.test"))
        await w.post(a)
        await w.clock.advance(DAY + 14_400)
        (message,) = await reports(b)
        assert b"From: <postmaster@mx.a.test>" in message
        assert message.count(b"-sha256; c=relaxed/relaxed; d=a.test;") == 2, message


async def test_it_is_sent_within_the_spread(w: World) -> None:
    async with (
        w.hub("a", A, tls_reports=TlsReports(send=True, spread=7_200.0)) as a,
        w.hub("b", B) as b,
    ):
        await w.post(a)
        await w.clock.advance(MIDNIGHT - w.clock.now() - 1)
        assert await reports(b) == []
        await w.clock.advance(7_201)
        assert len(await reports(b)) == 1


async def test_failures_are_told_though_they_would_keep_the_report_itself(w: World) -> None:
    """b.test shows a certificate of its own making, and the operator wants one of an authority."""
    table = Lookup(((("b.test", "verify"),),))
    async with w.both(tls_policy=table) as (a, b):
        await w.post(a)
        await w.clock.advance(DAY + 14_400)
        (message,) = await reports(b)
        (policy,) = opened(message)["policies"]
        assert policy["summary"]["total-successful-session-count"] == 0
        (failure,) = policy["failure-details"]
        assert failure["result-type"] == "certificate-not-trusted"
        assert (failure["receiving-mx-hostname"], failure["receiving-ip"]) == ("mx.b.test", B)
        assert failure["sending-mta-ip"] == A
        assert failure["failed-session-count"] == policy["summary"]["total-failure-session-count"] > 1
        assert "self-signed certificate" in failure["failure-reason-code"]


async def test_it_comes_by_https_too(w: World) -> None:
    async with website(AUTHORITY.issue_cert("reports.b.test")) as site:
        w.dns.zone["reports.b.test", "A"] = ["127.0.0.1"]
        uri = f"https://reports.b.test:{site.port}/v1/tlsrpt"
        w.dns.zone["_smtp._tls.b.test", "TXT"] = [f'"v=TLSRPTv1; rua={uri}"']
        async with w.both() as (a, b):
            await w.post(a)
            site.status = 503
            await w.clock.advance(DAY + 14_400)
            assert len(site.posted) == 1
            site.status = 201
            await w.clock.advance(DAY)
            kind, body = site.posted[-1]
            assert site.asked[-1] == "POST reports.b.test /v1/tlsrpt"
            assert kind == "application/tlsrpt+gzip"
            assert json.loads(gzip.decompress(body))["report-id"] == "2027-01-15T00:00:00Z_b.test@mx.a.test"
            await w.clock.advance(5 * DAY)
            assert len(site.posted) == 2
            assert await reports(b) == []


async def test_counts_outlive_a_restart(w: World) -> None:
    async with w.both() as (a, _):
        await w.post(a)
    async with w.both() as (a, b):
        await w.post(a)
        await w.clock.advance(DAY + 14_400)
        (message,) = await reports(b)
        assert opened(message)["policies"][0]["summary"]["total-successful-session-count"] == 2


async def test_what_was_due_while_the_hub_was_down_is_sent_at_its_start(w: World) -> None:
    async with w.both() as (a, _):
        await w.post(a)
    await w.clock.advance(DAY)
    async with w.both() as (a, b):
        await w.clock.advance(1)
        await a.queue.idle()
        assert len(await reports(b)) == 1


async def test_counts_that_the_store_can_not_take_are_given_again(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with w.both() as (a, _):
        taking, tried = a.store.tls.add_sessions, []

        async def full(counts: Mapping[TlsCount, int], limit: int) -> None:
            tried.append(w.clock.now())
            if len(tried) < 3:
                raise Temporary("the disk is full")
            await taking(counts, limit)

        monkeypatch.setattr(a.store.tls, "add_sessions", full)
        await w.post(a)
        await w.clock.advance(181)
        assert len(tried) == 3
        assert await a.store.tls.reportable(10**6, (0, ""), 10) == [(MIDNIGHT // DAY - 1, "b.test")]


async def test_dns_trouble_makes_it_wait_for_some_days(w: World) -> None:
    async with w.both() as (a, b):
        await w.post(a)
        w.dns.broken["_smtp._tls.b.test"] = dns.rcode.SERVFAIL
        await w.clock.advance(2 * DAY)
        assert await reports(b) == []
        del w.dns.broken["_smtp._tls.b.test"]
        await w.clock.advance(DAY)
        assert len(await reports(b)) == 1
        await w.post(a)
        w.dns.broken["_smtp._tls.b.test"] = dns.rcode.SERVFAIL
        await w.clock.advance(5 * DAY)
        assert await a.store.tls.reportable(10**6, (0, ""), 10) == []


async def test_who_asks_for_nothing_gets_nothing(w: World) -> None:
    del w.dns.zone["_smtp._tls.b.test", "TXT"]
    async with w.both() as (a, b):
        await w.post(a)
        await w.clock.advance(DAY + 14_400)
        assert await reports(b) == []
        assert await a.store.tls.reportable(10**6, (0, ""), 10) == []


async def test_switched_off_nothing_is_counted(w: World) -> None:
    async with w.hub("a", A) as a, w.hub("b", B) as b:
        await w.post(a)
        await w.clock.advance(DAY + 14_400)
        assert await reports(b) == []
        assert not w.dns.asked["_smtp._tls.b.test", "TXT"]


async def test_the_store_counts_so_much_in_a_day_and_no_more(w: World) -> None:
    async with w.hub("a", A) as a:
        sessions = TlsSessions(a.store.tls, w.clock, 5)
        for number in range(9):
            sessions.count(f"d{number}.test", Basis(), Session("mx", "192.0.2.1"))
        await sessions.flush()
        for number in range(9):
            sessions.count(f"d{number}.test", Basis(), Session("mx", "192.0.2.1"))
            await sessions.flush()
        found = await a.store.tls.reportable(10**6, (0, ""), 100)
        assert [domain for _, domain in found] == [f"d{number}.test" for number in range(5)]
        day = found[0][0]
        assert await a.store.tls.sessions(day, "d0.test") == {
            TlsCount(day, "d0.test", "no-policy-found", "[[], []]"): 2
        }
        assert [domain for _, domain in await a.store.tls.reportable(10**6, found[1], 2)] == ["d2.test", "d3.test"]


async def test_a_long_policy_is_not_repeated_in_each_row(w: World) -> None:
    """Whoever has mail sent to him has as many rows as he likes: each failure with another text."""
    basis = Basis("sts", ("version: STSv1", *(f"mx: {number:060}.test" for number in range(900))))
    async with w.hub("a", A) as a:
        sessions = TlsSessions(a.store.tls, w.clock, 5)
        sessions.count("b.test", basis, Session("mx", "192.0.2.1"))
        await sessions.flush()
        (row,) = await a.store.tls.sessions(int(w.clock.now() // DAY), "b.test")
        lines, _ = json.loads(row.policy)
        assert lines == list(basis.lines[: len(lines)])
        assert 3_900 < sum(map(len, lines)) <= 4_000


@pytest.mark.parametrize(
    ("records", "places"),
    [
        ([b"v=TLSRPTv1; rua=mailto:a@b.test,https://c.test/x;"], ("mailto:a@b.test", "https://c.test/x")),
        ([b"v=TLSRPTv1;rua=mailto:a%2Bx@b.test?subject=z"], ("mailto:a+x@b.test",)),
        ([b"v=TLSRPTv1; rua=mailto:a@b.test", b"v=TLSRPTv1; rua=mailto:c@d.test"], ()),
        ([b"v=TLSRPTv1; rua=http://c.test/, ftp://x.test, mailto:a%0d%0aBcc:x@b.test"], ()),
        ([b"v=TLSRPTv1; rua=" + b",".join(b"mailto:%d@b.test" % n for n in range(9))], tuple(f"mailto:{n}@b.test" for n in range(4))),
        ([b"v=spf1 -all"], ()),
        ([b"v=TLSRPTv1; rua=\xff"], ()),
    ],
)  # fmt: skip
def test_places(records: list[bytes], places: tuple[str, ...]) -> None:
    assert rua(records) == places
    assert not re.search(r"\s", "".join(places))
