"""Daily DMARC reports between whole servers: what was found is told to the domain, where it asks for it, once; and read by mailhub itself."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aiosmtplib
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dns import DnsServer
from support.hubs import config, messages

from mailhub.config.schema import DmarcReports, Resolver
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.message import dmarc_report, dmarc_reporting
from mailhub.message.dmarc_reporting import Finding, Method, Place, Published, Report
from mailhub.model.clock import VirtualClock
from mailhub.store.api import DmarcCount
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
    conforms(gzip.decompress(attachment.content))
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


def own(folder: Path, names: DnsServer, clock: VirtualClock) -> Hub:
    made = config(folder, dmarc_reports=SENDS, resolver=Resolver(nameservers=(names.address,)))
    return Hub(made, clock=clock)


async def test_what_was_counted_lives_through_a_stop_and_is_told_once(tmp_path: Path) -> None:
    clock, box = VirtualClock(1_800_000_000), "dmarc@mailhub.test"
    async with DnsServer() as names:
        names.zone["_dmarc.mailhub.test", "TXT"] = [f'"v=DMARC1; p=none; rua=mailto:{box}"']
        async with own(tmp_path, names, clock) as hub:
            await hub.directory.add_account(box, "not used")
            assert hub.dmarc_counts is not None
            for _ in range(3):
                hub.dmarc_counts.count("mailhub.test", finding(envelope_from="x.test"))
        await clock.advance(2 * 86_400)
        for _ in range(3):
            async with own(tmp_path, names, clock) as hub:
                await clock.advance(3_600)
                await hub.queue.idle()
                told = await messages(hub, box)
                assert len(told) == 1
        assert b"Report Domain: mailhub.test" in told[0]


async def test_one_domain_takes_no_room_of_others(tmp_path: Path) -> None:
    async with DnsServer() as names, own(tmp_path, names, VirtualClock(1_800_000_000)) as hub:
        store = hub.store.dmarc
        many = {DmarcCount(1, "a.test", str(n)): 1 for n in range(9)}
        await store.add(many, 12, 5)
        await store.add({**many, DmarcCount(2, "a.test", "0"): 2, DmarcCount(1, "b.test", "x"): 4}, 12, 5)
        assert await store.counts(1, "a.test") == [(str(n), 2) for n in range(5)]
        assert (await store.counts(1, "b.test"), await store.counts(2, "a.test")) == ([("x", 4)], [("0", 2)])
        await store.add({DmarcCount(1, f"{n}.test", "x"): 1 for n in range(20)}, 12, 5)
        assert len(await store.reportable(2, (0, ""), 100)) == 2 + 6


async def test_a_place_that_can_not_be_judged_keeps_no_other_waiting_for_ever(net: AsyncInternet) -> None:
    a, b, _ = await servers(net, "v=DMARC1; p=none; rua=mailto:box@c.test,mailto:reports@a.test")
    net.dns.broken["a.test._report._dmarc.c.test"] = dns.rcode.SERVFAIL
    await post(a)
    await net.settled()
    for told in (0, 0, 1, 1):
        await net.clock.advance(hours=24)
        await net.settled()
        assert len(await a.inbox("reports@a.test")) == told
    assert await b.hub.store.dmarc.reportable(1 << 30, (0, ""), 10) == []


async def test_who_collects_for_others_may_name_another_mailbox_of_the_same_host(net: AsyncInternet) -> None:
    a, _, collector = await servers(net, "v=DMARC1; p=none; rua=mailto:box@c.test")
    await collector.add_account("box@c.test")
    await collector.add_account("other@c.test")
    name = "a.test._report._dmarc.c.test", "TXT"
    for record, told in (
        ("v=DMARC1; rua=mailto:other@c.test", (0, 1)),
        ("v=DMARC1; rua=mailto:other@c.test,mailto:x@d.test", (0, 1)),
        ("v=DMARC1;", (1, 1)),
        ("v=spf1 -all", (1, 1)),
    ):
        net.dns.zone[name] = [f'"{record}"']
        await post(a)
        await net.settled()
        await net.clock.advance(hours=25)
        await net.settled()
        assert (len(await collector.inbox("box@c.test")), len(await collector.inbox("other@c.test"))) == told, record


async def test_a_subdomain_s_reports_go_to_its_organization_unasked(net: AsyncInternet) -> None:
    a, _, _ = await servers(net, "v=DMARC1; p=none")
    net.dns.zone["_dmarc.news.a.test", "TXT"] = ['"v=DMARC1; p=reject; t=y; rua=mailto:reports@a.test"']
    await post(a, text=TEXT.replace("ann@a.test", "ann@news.a.test"))
    stranger = net.hubs[-1]
    await post(stranger, sender="x@c.test", text=TEXT.replace("ann@a.test", "ann@news.a.test"))
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    (message,) = await a.inbox("reports@a.test")
    text = gzip.decompress(message.attachments[0].content)
    rows = {row.source: row for row in dmarc_report.read(text).rows}
    assert (rows[a.host].disposition, rows[a.host].reasons) == ("pass", [])
    assert (rows[stranger.host].disposition, rows[stranger.host].reasons) == ("quarantine", ["policy_test_mode"])
    conforms(text)


async def test_they_are_signed_where_there_is_a_key(net: AsyncInternet) -> None:
    a, b, _ = await servers(net, "v=DMARC1; p=none; rua=mailto:reports@a.test")
    for one in await b.hub.control.perform(words.DkimCreate(domain="b.test")):
        net.dns.zone[one.name, "TXT"] = [f'"{one.record[:200]}" "{one.record[200:]}"']
    await post(a)
    await net.settled()
    await net.clock.advance(hours=25)
    await net.settled()
    (message,) = await a.inbox("reports@a.test")
    assert message.headers.get("Authentication-Results").count("dkim=pass") == 2
    assert message.headers.get("Return-Path") == "<>"


# What the schema of RFC 9990 has in which order ("?": need not be there, "*": any number), and the words that it knows.
SCHEMA: dict[str, str] = {
    "feedback": "version? report_metadata policy_published extension? record*",
    "policy_evaluated": "disposition dkim spf reason*",
    "record": "row identifiers auth_results",
    "auth_results": "dkim* spf?",
}
ANY_ORDER: dict[str, str] = {
    "report_metadata": "org_name email extra_contact_info? report_id date_range error? generator?",
    "date_range": "begin end",
    "policy_published": "domain p sp? np? adkim? aspf? discovery_method? fo? testing?",
    "reason": "type comment?",
    "row": "source_ip count policy_evaluated",
    "identifiers": "header_from envelope_from? envelope_to?",
    "auth_results/dkim": "domain selector result human_result?",
    "auth_results/spf": "domain scope? result human_result?",
}
POLICY, DMARC_RESULT = "none|quarantine|reject", "pass|fail"
WORDS = {
    "p": POLICY, "sp": POLICY, "np": POLICY, "adkim": "r|s", "aspf": "r|s", "discovery_method": "psl|treewalk", "testing": "y|n",
    "disposition": f"{POLICY}|pass", "policy_evaluated/dkim": DMARC_RESULT, "policy_evaluated/spf": DMARC_RESULT,
    "type": "local_policy|mailing_list|other|policy_test_mode|trusted_forwarder", "scope": "mfrom", "count": "[0-9]+", "begin": "[0-9]+",
    "dkim/result": "none|pass|fail|policy|neutral|temperror|permerror",
    "spf/result": "none|pass|fail|softfail|policy|neutral|temperror|permerror", "version": "[0-9.]+",
}  # fmt: skip


def conforms(text: bytes) -> None:
    """To the schema: each element where it may stand, with what it may say."""
    root = ElementTree.fromstring(text)
    waiting = [("", root)]
    while waiting:
        above, element = waiting.pop()
        assert element.tag.startswith("{urn:ietf:params:xml:ns:dmarc-2.0}")
        name = element.tag.partition("}")[2]
        children = [child.tag.partition("}")[2] for child in element]
        both = f"{above}/{name}"
        if name in SCHEMA:
            pattern = "".join(re.sub(r"(\w+)(.?)", r"(?:\1 )\2", word) for word in SCHEMA[name].split())
            assert re.fullmatch(pattern, "".join(f"{child} " for child in children)), (name, children)
        elif children:
            allowed = ANY_ORDER[both if both in ANY_ORDER else name].split()
            assert {word for word in allowed if not word.endswith("?")} <= set(children), (name, children)
            assert set(children) <= {word.rstrip("?") for word in allowed}, (name, children)
            assert len(children) == len(set(children))
        elif pattern := WORDS.get(both, WORDS.get(name, "")):
            assert re.fullmatch(pattern, element.text or ""), (both, element.text)
        waiting += [(name, child) for child in element]


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["pass", "none", "temperror"]), st.booleans())
def test_any_finding_conforms_to_the_schema_and_can_be_read(
    name: str, comment: str, result: str, testing: bool
) -> None:
    methods = (
        Method("spf", name, result, "helo"),
        Method("dkim", name, result),
        Method("dkim", "d.test", "fail", name),
    )
    one = finding(
        published=Published("none", "none", "reject", "r", "s", testing),
        header_from=name,
        envelope_from=comment,
        methods=methods,
        override=f"local_policy: {comment}",
    )
    text = dmarc_reporting.xml(Report("a.test", "mx.b.test", name, "dmarc@b.test", 20_000, [(one, 5), (finding(), 1)]))
    conforms(text)
    assert [row.count for row in dmarc_report.read(text).rows] == [5, 1]


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
    conforms(text)


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
            "v=DMARC1; rua=mailto:a@b.test!1k,mailto:c@d.test,mailto:a@b.test",
            (Place("a@b.test", 1024), Place("c@d.test")),
        ),
        (
            "v=DMARC1; rua=" + ",".join(f"mailto:{n}@b.test" for n in range(100)),
            tuple(Place(f"{n}@b.test") for n in range(4)),
        ),
    ],
)
def test_places(record: str, places: tuple[Place, ...]) -> None:
    assert dmarc_reporting.rua(record) == places
