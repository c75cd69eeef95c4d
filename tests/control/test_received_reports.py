"""DMARC and TLS reports of others, read in the mailbox where they lie, in all their wrappings; hostile ones cost little."""

import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hubs import running, send

from mailhub.control import report_sums, report_words, words
from mailhub.control.errors import ControlError
from mailhub.control.report_sums import OTHERS, DmarcSums, Sums, TlsSums
from mailhub.hub import Hub
from mailhub.message import dmarc_report, tls_report
from mailhub.model.clock import VirtualClock

T = TypeVar("T", bound=Sums)
ANN = "reports@mailhub.test"
NOW = 1_800_000_000
RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}</disposition>
<dkim>{dkim}</dkim><spf>{spf}</spf><reason><type>mailing_list</type></reason></policy_evaluated></row>
<identifiers><header_from>{domain}</header_from><envelope_from>x.test</envelope_from></identifiers>
<auth_results><dkim><domain>d.test</domain><result>pass</result></dkim><spf><domain>s.test</domain><result>fail</result></spf></auth_results></record>"""
DMARC = """<?xml version="1.0" encoding="UTF-8" ?>
<feedback{namespace}><version>1.0</version><report_metadata><org_name>{organization}</org_name><email>noreply@far.test</email>
<report_id>{id}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><adkim>r</adkim><p>reject</p><sp>reject</sp><pct>100</pct></policy_published>{records}</feedback>"""


def dmarc(
    id: str = "1",
    *rows: tuple[str, int, str, str, str],
    organization: str = "Far & Co",
    namespace: str = "",
    end: int = NOW,
) -> bytes:
    records = "".join(
        RECORD.format(ip=ip, count=count, disposition=disposition, dkim=dkim, spf=spf, domain="a.test")
        for ip, count, disposition, dkim, spf in rows
    )
    organization = organization.replace("&", "&amp;")
    return DMARC.format(
        namespace=namespace, organization=organization, id=id, begin=end - 86_400, end=end, domain="a.test", records=records
    ).encode()  # fmt: skip


def letter(content: bytes, kind: str, name: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "noreply@far.test", "Report Domain: a.test"
    message.set_content("see attachment")
    main, _, sub = kind.partition("/")
    message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


def zipped(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in enumerate(contents):
            archive.writestr(f"{n}.xml", content)
    return file.getvalue()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path / "var", ANN, clock=VirtualClock(NOW + 3_600)) as made:
        yield made


async def test_dmarc_reports_in_all_wrappings(hub: Hub) -> None:
    good, bad = ("192.0.2.1", 10, "none", "pass", "pass"), ("198.51.100.9", 7, "reject", "fail", "fail")
    half = ("192.0.2.1", 5, "none", "fail", "pass")
    new = ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'
    for content, kind, name in (
        (zipped(dmarc("1", good, bad)), "application/zip", "far.test!a.test!1!2.zip"),
        (gzip.compress(dmarc("2", half, namespace=new)), "application/gzip", "far.test!a.test!1!2.xml.gz"),
        (gzip.compress(dmarc("2", half, namespace=new)), "application/octet-stream", "again.xml.gz"),
        (dmarc("3", good, organization="Other"), "text/xml", "plain.xml"),
        (gzip.compress(dmarc("4", bad, end=NOW - 30 * 86_400)), "application/gzip", "old.xml.gz"),
        (b"no xml at all", "text/xml", "broken.xml"),
    ):
        await send(hub, "noreply@far.test", ANN, letter(content, kind, name))
    await send(hub, "x@far.test", ANN, b"Subject: no report\r\n\r\ntext\r\n")
    await hub.queue.idle()
    found = await hub.control.perform(words.ReportsDmarc(account=ANN))
    assert (found.reports, found.unread, found.organizations) == (3, 1, ("Far & Co", "Other"))
    first, second = found.sources
    assert (first.domain, first.source, first.messages, first.aligned, first.dkim, first.spf) == (
        "a.test", "192.0.2.1", 25, 25, 20, 25,
    )  # fmt: skip
    assert (second.source, second.messages, second.aligned, second.refused) == ("198.51.100.9", 7, 0, 7)
    assert (await hub.control.perform(words.ReportsDmarc(account=ANN, days=60))).reports == 4
    assert (await hub.control.perform(words.ReportsDmarc(account=ANN, domain="b.test"))).reports == 0
    with pytest.raises(ControlError, match="no account"):
        await hub.control.perform(words.ReportsDmarc(account="nobody@mailhub.test"))


@pytest.mark.parametrize(("use", "told"), [("\\Junk", 0), ("\\Trash", 0), ("\\Archive", 1)])
async def test_what_was_put_aside_is_left_out(hub: Hub, use: str, told: int) -> None:
    await send(hub, "noreply@far.test", ANN, letter(dmarc("1"), "text/xml", "a.xml"))
    await hub.queue.idle()
    store = hub.store.mailboxes
    (inbox, *others) = await store.folders(ANN)
    assert (await hub.control.perform(words.ReportsDmarc(account=ANN))).reports == 1
    there = [folder for folder in others if folder.special_use == use]
    target = there[0] if there else await store.create(ANN, "There", use)
    await store.move(inbox.id, (await store.view(inbox.id)).uids, target.id)
    assert (await hub.control.perform(words.ReportsDmarc(account=ANN))).reports == told


async def test_tls_reports_as_we_send_them(hub: Hub) -> None:
    failures = (
        tls_report.Failure("certificate-expired", 3, "192.0.2.1", "mx.a.test"),
        tls_report.Failure("starttls-not-supported", 9),
    )
    policies = (tls_report.Judged("sts", ("version: STSv1",), ("mx.a.test",), 100, failures),)
    report = tls_report.TlsReport("a.test", "far.test", "Far", "tls@far.test", NOW // 86_400 - 1, policies)
    for _ in range(2):
        await send(hub, "tls@far.test", ANN, tls_report.mail(report, ANN, "<1@far.test>", NOW))
    await hub.queue.idle()
    found = await hub.control.perform(words.ReportsTls(account=ANN))
    assert (found.reports, found.organizations) == (1, ("Far",))
    (one,) = found.destinations
    assert (one.domain, one.policy, one.successes, one.failed) == ("a.test", "sts", 100, 12)
    assert one.failures == (("starttls-not-supported", 9), ("certificate-expired", 3))
    assert (await hub.control.perform(words.ReportsDmarc(account=ANN))).reports == 0


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><feedback>&b;</feedback>'
)


@pytest.mark.parametrize(
    "content",
    [
        ENTITIES,
        b'<!DOCTYPE x SYSTEM "http://far.test/x"><feedback/>',
        b"<a>" * 100_000,
        dmarc("1", ("x", 1, "none", "pass", "pass")).replace(
            b"<count>1</count>", b"<count>" + b"9" * 5_000 + b"</count>"
        ),
        dmarc("1").replace(b"</feedback>", b"<record/>" * 100_001 + b"</feedback>"),
        b"",
        b"\0" * 1_000,
    ],
)
def test_hostile_ones_are_no_reports(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        dmarc_report.read(content)
    for packed, name in ((gzip.compress(content), "a.xml.gz"), (zipped(content), "a.zip"), (content, "a.xml")):
        sums = taken(DmarcSums(0, ""), letter(packed or b" ", "application/octet-stream", name))
        assert (len(sums.seen), sums.lines, sums.unread) == (0, {}, 1)


def taken(sums: T, *messages: bytes) -> T:
    for message in messages:
        sums.take(message)
    return sums


def test_bombs() -> None:
    """Each message is given up at the first thing that does not fit, and all of them when enough was read."""
    zeros = b"\0" * 60_000_000
    gz, archive = gzip.compress(zeros), zipped(*[b"\0" * 20_000_000] * 6)
    assert len(gz) + len(archive) < 500_000
    sums = taken(DmarcSums(0, ""), letter(gz, "application/gzip", "a.xml.gz"))
    assert (sums.unread, sums.left) == (1, report_sums._WORK - report_sums._UNPACKED)
    sums = taken(DmarcSums(0, ""), letter(archive, "application/zip", "a.zip"))
    assert sums.unread == 3, "two that are no XML, and the one that no longer fits"
    sums = taken(DmarcSums(0, ""), *[letter(gz, "application/gzip", "a.xml.gz")] * 4)
    good = letter(dmarc("1", ("192.0.2.1", 1, "none", "pass", "pass")), "text/xml", "a.xml")
    assert (taken(sums, good).unread, len(sums.seen)) == (5, 0), "no more is read in this answer"
    sums = taken(TlsSums(0, ""), letter(gzip.compress(b" " * 11_000_000 + b"{}"), "application/gzip", "a.json.gz"))
    assert sums.unread == 1


def test_a_report_of_many_lines_is_told_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_sums, "_LINES", 1_000)
    rows = [(f"2001:db8::{n:x}", 10**15 - 1, "none", "pass", "fail") for n in range(3_000)]
    answer = taken(DmarcSums(0, ""), letter(gzip.compress(dmarc("1", *rows)), "application/gzip", "a.gz")).answer()
    assert answer.sources[0] == report_words.DmarcSource(
        domain="", source=OTHERS, messages=2**53 - 1, aligned=2**53 - 1, dkim=2**53 - 1, spf=0, refused=0, quarantined=0
    )
    assert len(answer.sources) == 500
    assert msgspec.json.decode(msgspec.json.encode(answer), type=report_words.DmarcReports) == answer


def test_a_report_of_a_million_lines_is_refused() -> None:
    content = gzip.compress(dmarc("1").replace(b"</feedback>", b"<record></record>" * 1_000_000 + b"</feedback>"))
    sums = taken(DmarcSums(0, ""), letter(content, "application/gzip", "a.gz"))
    assert (sums.unread, sums.lines) == (1, {})


def test_kinds_of_failures_are_bounded() -> None:
    failures = [{"result-type": f"odd-{n}", "failed-session-count": 1} for n in range(1_000)]
    part = {
        "policy": {"policy-type": "sts", "policy-domain": "A.test"},
        "summary": {"total-failure-session-count": 1_000},
        "failure-details": failures,
    }
    times = {"start-datetime": "2027-01-01T00:00:00Z", "end-datetime": "2027-01-01T23:59:59Z"}
    report = {"organization-name": "x", "date-range": times, "report-id": "1", "policies": [part]}
    sums = taken(TlsSums(0, "a.test"), letter(json.dumps(report).encode(), "application/tlsrpt+json", "a.json"))
    (one,) = sums.answer().destinations
    assert (one.failed, one.failures[0], len(one.failures)) == (1_000, (OTHERS, 900), 20)
    assert (
        taken(TlsSums(0, "b.test"), letter(json.dumps(report).encode(), "application/json", "a.json")).answer().reports
        == 0
    )


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2_000), st.binary(max_size=20))
def test_nothing_is_raised(noise: bytes, at: int, change: bytes) -> None:
    good = dmarc("1", ("192.0.2.1", 1, "none", "pass", "pass"))
    spoilt = json.dumps({"organization-name": "x", "date-range": {}, "report-id": "1", "policies": []}).encode()
    for content in (noise, good[:at] + change + good[at + len(change) :], spoilt[:at] + change + spoilt[at:]):
        messages = (
            content,
            letter(content or b" ", "text/xml", "a.xml"),
            letter(b"PK\x03\x04" + content, "application/zip", "a.zip"),
            letter(b"\x1f\x8b" + content, "application/gzip", "a.gz"),
            letter(gzip.compress(content), "application/gzip", "a.gz"),
        )
        msgspec.json.encode(taken(DmarcSums(0, ""), *messages).answer())
        msgspec.json.encode(taken(TlsSums(0, ""), *messages).answer())
