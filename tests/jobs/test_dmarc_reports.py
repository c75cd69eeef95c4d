"""Daily DMARC reports between whole servers: what was found is told to the domain, where it asks for it, once; and read by mailhub itself."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiosmtplib
import pytest

from mailhub.config.schema import DmarcReports
from mailhub.control import words
from mailhub.message import dmarc_report, dmarc_reporting
from mailhub.message.dmarc_reporting import Finding, Method, Place, Published, Report
from mailhub.testing import AsyncInternet, AsyncMailHub

TEXT = "From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: x\r\n\r\nHello\r\n"
SENDS = DmarcReports(send=True, spread=0.0, organization="B & Sons", contact="dmarc@b.test")


@pytest.fixture
async def net() -> AsyncIterator[AsyncInternet]:
    async with AsyncInternet() as net:
        yield net


async def post(hub: AsyncMailHub, sender: str = "ann@a.test", text: str = TEXT) -> None:
    await aiosmtplib.send(
        text, sender=sender, recipients=["bob@b.test"], hostname=hub.host, port=hub.port("smtp"), start_tls=False
    )


async def servers(net: AsyncInternet, record: str, **options: Any) -> tuple[AsyncMailHub, AsyncMailHub, AsyncMailHub]:
    """Ann's, Bob's that sends reports, and a stranger's that writes in her name."""
    a, b = await net.hub("a.test"), await net.hub("b.test", dmarc_reports=SENDS, **options)
    stranger = await net.hub("c.test")
    await a.add_account("reports@a.test")
    await b.add_account("bob@b.test")
    net.dns.zone["a.test", "TXT"] = [f'"v=spf1 ip4:{a.host} -all"']
    if record:
        net.dns.zone["_dmarc.a.test", "TXT"] = [f'"{record}"']
    return a, b, stranger


async def test_a_day_is_told_once(net: AsyncInternet) -> None:
    a, b, stranger = await servers(net, "v=DMARC1; p=quarantine; rua=mailto:reports@a.test")
    for _ in range(3):
        await post(a)
    await post(stranger)
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    (message,) = await a.inbox("reports@a.test")
    assert message.subject.startswith("Report Domain: a.test Submitter: mx.b.test")
    (attachment,) = message.attachments
    assert attachment.name.startswith("mx.b.test!a.test!")
    report = dmarc_report.read(gzip.decompress(attachment.content))
    assert (report.organization, report.email, report.domain, report.policy) == (
        "B & Sons",
        "dmarc@b.test",
        "a.test",
        "quarantine",
    )
    assert (report.end - report.begin, report.begin % 86_400) == (86_399, 0)
    rows = {row.source: row for row in report.rows}
    assert (rows[a.host].count, rows[a.host].disposition, rows[a.host].spf, rows[a.host].dkim) == (
        3,
        "pass",
        "pass",
        "fail",
    )
    assert (rows[stranger.host].count, rows[stranger.host].disposition, rows[stranger.host].spf) == (
        1,
        "quarantine",
        "fail",
    )
    summed = await a.hub.control.perform(words.ReportsDmarc(account="reports@a.test", days=30))
    assert {(one.source, one.messages, one.aligned) for one in summed.sources} == {
        (a.host, 3, 3),
        (stranger.host, 1, 0),
    }
    await net.clock.advance(hours=49)
    await net.settled()
    assert len(await a.inbox("reports@a.test")) == 1
    assert await b.hub.store.dmarc.reportable(1 << 30, (0, ""), 10) == []


async def test_nobody_is_told_who_did_not_ask(net: AsyncInternet) -> None:
    a, b, _ = await servers(net, "v=DMARC1; p=none")
    await post(a)
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    assert list(await a.inbox("reports@a.test")) == []
    assert await b.hub.store.dmarc.reportable(1 << 30, (0, ""), 10) == []


async def test_another_organization_s_mailbox_has_to_want_it(net: AsyncInternet) -> None:
    a, _, collector = await servers(
        net, "v=DMARC1; p=none; rua=mailto:box@c.test!1k,mailto:reports@a.test,https://x.test/"
    )
    await collector.add_account("box@c.test")
    await post(a)
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    assert list(await collector.inbox("box@c.test")) == []
    assert len(await a.inbox("reports@a.test")) == 1
    net.dns.zone["a.test._report._dmarc.c.test", "TXT"] = ['"v=DMARC1"']
    await net.clock.advance(hours=2)
    await post(a)
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    assert len(await collector.inbox("box@c.test")) == 1


async def test_counts_live_through_a_stop_and_reports_wait_for_dns(net: AsyncInternet) -> None:
    a, b, _ = await servers(net, "v=DMARC1; p=none; rua=mailto:reports@a.test")
    await post(a)
    await net.settled()
    counts = b.hub.dmarc_counts
    assert counts is not None
    await counts.flush()
    ((day, domain),) = await b.hub.store.dmarc.reportable(1 << 30, (0, ""), 10)
    assert domain == "a.test"
    ((_, messages),) = await b.hub.store.dmarc.counts(day, domain)
    assert messages == 1


def finding(**change: Any) -> Finding:
    made: dict[str, Any] = {
        "published": Published("reject", "reject", "reject", "r", "s", False), "source": "2001:db8::1", "disposition": "none", "dkim": "fail",
        "spf": "fail", "header_from": "a.test", "envelope_from": "<&>\x01\ud800'\"]]>", "methods": (Method("dkim", "d.test", "fail", "s&l"),
        Method("spf", "e.test", "softfail", "mfrom")), "override": "trusted_forwarder: arc of <x>",
    }  # fmt: skip
    return Finding(**(made | change))


def test_what_strangers_wrote_is_text_in_it() -> None:
    report = Report("a.test", "mx.b.test", "B", "dmarc@b.test", 20_000, [(finding(), 5)])
    text = dmarc_reporting.xml(report)
    (row,) = dmarc_report.read(text).rows
    assert (row.source, row.count, row.envelope_from, row.reasons) == (
        "2001:db8::1",
        5,
        "<&>??'\"]]>",
        ["trusted_forwarder"],
    )
    assert b"<selector>s&amp;l</selector>" in text
    assert b"<scope>mfrom</scope>" in text


@pytest.mark.parametrize(
    ("record", "places"),
    [
        ("v=DMARC1; p=none; rua=mailto:a@b.test", (Place("a@b.test"),)),
        (
            "v=DMARC1; rua = MAILTO:a@b.test!10m , mailto:c%40d.test!5",
            (Place("a@b.test", 10 << 20), Place("c@d.test", 5)),
        ),
        ("v=DMARC1; rua=https://a.test/,mailto:<a>@b.test,mailto:a b@c.test,mailto:", ()),
        ("v=DMARC1; p=none", ()),
        (
            "v=DMARC1; rua=" + ",".join(f"mailto:{n}@b.test" for n in range(100)),
            tuple(Place(f"{n}@b.test") for n in range(4)),
        ),
    ],
)
def test_places(record: str, places: tuple[Place, ...]) -> None:
    assert dmarc_reporting.rua(record) == places
