"""A day's DMARC report to another domain: XML, and the message that carries it (RFC 9990). Pure."""

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from html import escape
from urllib.parse import unquote

from msgspec import Struct

from .stamps import date_time

_DAY = 86_400
_URIS = 4  # of one domain that are obeyed
_ADDRESS = re.compile(r"[A-Za-z0-9.#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")  # no "!" (section 3.1)
_SIZE = re.compile(r"([0-9]{1,12})([kmgt]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Published(Struct, frozen=True):
    """A record as it was found. "" for what does not stand there."""

    policy: str
    subdomains: str
    nonexistent: str
    adkim: str
    aspf: str
    testing: bool


class Method(Struct, frozen=True):
    """`detail`: the selector of DKIM, or which identity of SPF ("helo" for a null sender's)."""

    method: str
    domain: str
    result: str
    detail: str = ""


class Finding(Struct, frozen=True):
    """What was found of messages that are counted together. `disposition`: none, pass, quarantine, reject; `dkim`, `spf`: pass or fail;
    `override`: why less was done than asked for, as "kind" or "kind: comment"."""

    published: Published
    source: str
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str
    methods: tuple[Method, ...]
    override: str = ""


class Report(Struct, frozen=True):
    """To the domain, of `day` (days since 1970, UTC)."""

    domain: str
    submitter: str
    organization: str
    contact: str
    day: int
    findings: Sequence[tuple[Finding, int]]

    @property
    def id(self) -> str:
        """The same for each try to send it."""
        return f"{self.day * _DAY}.{hashlib.sha256(self.domain.encode()).hexdigest()[:16]}@{self.submitter}"

    @property
    def file(self) -> str:
        """Its name as an attachment (section 3.6)."""
        begin, end = self.day * _DAY, (self.day + 1) * _DAY - 1
        return f"{self.submitter}!{self.domain}!{begin}!{end}!{self.id.partition('@')[0]}.xml.gz"


class Place(Struct, frozen=True):
    """Where a report goes. `limit`: octets of it that are taken there, 0 for no limit."""

    address: str
    limit: int = 0

    @property
    def host(self) -> str:
        return self.address.rpartition("@")[2].lower()


def is_ours(record: str) -> bool:
    """Whether that TXT record is one of DMARC."""
    return record.partition(";")[0].replace(" ", "").lower() == "v=dmarc1"


def rua(record: str) -> tuple[Place, ...]:
    """Where the domain of that DMARC record wants its reports: mailboxes alone (section 3.1), each once."""
    for piece in record.split(";"):
        key, _, value = piece.partition("=")
        if key.strip().lower() == "rua":
            found: dict[str, Place] = {}
            for text in value.split(",")[:_URIS]:
                if (place := _place(text.strip())) is not None:
                    found.setdefault(place.address, place)
            return tuple(found.values())
    return ()


def _place(text: str) -> Place | None:
    if text[:7].lower() != "mailto:":
        return None
    address, bang, size = text[7:].partition("!")
    address = unquote(address.partition("?")[0])
    if not _ADDRESS.fullmatch(address):
        return None
    found = _SIZE.fullmatch(size.strip().lower()) if bang else None
    return Place(address, int(found[1]) * _UNITS[found[2]] if found else 0)


def xml(report: Report) -> bytes:
    published = report.findings[-1][0].published
    begin, end = report.day * _DAY, (report.day + 1) * _DAY - 1
    tags = [
        ("domain", report.domain), ("p", published.policy), ("sp", published.subdomains), ("np", published.nonexistent),
        ("adkim", published.adkim), ("aspf", published.aspf), ("discovery_method", "treewalk"),
        ("testing", "y" if published.testing else "n"),
    ]  # fmt: skip
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">',
        "<version>1.0</version>",
        "<report_metadata>",
        _element("org_name", report.organization)
        + _element("email", report.contact)
        + _element("report_id", report.id),
        f"<date_range><begin>{begin}</begin><end>{end}</end></date_range>",
        _element("generator", "mailhub"),
        "</report_metadata>",
        f"<policy_published>{''.join(_element(name, value) for name, value in tags if value)}</policy_published>",
        *(_record(finding, count) for finding, count in report.findings),
        "</feedback>",
        "",
    ]
    return "\n".join(lines).encode()


def _record(finding: Finding, count: int) -> str:
    kind, _, comment = finding.override.partition(": ")
    told = _element("comment", comment) if comment else ""
    reason = f"<reason>{_element('type', kind)}{told}</reason>" if kind else ""
    results = [
        f"<dkim>{_element('domain', one.domain)}{_element('selector', one.detail)}{_element('result', one.result)}</dkim>"
        for one in finding.methods
        if one.method == "dkim"
    ]
    results += [  # one at most; the name in HELO is that of a null sender (RFC 7208 section 2.4)
        f"<spf>{_element('domain', one.domain)}<scope>mfrom</scope>{_element('result', one.result)}</spf>"
        for one in [one for one in finding.methods if one.method == "spf"][:1]
    ]
    return (
        f"<record><row>{_element('source_ip', finding.source)}<count>{count}</count><policy_evaluated>"
        f"{_element('disposition', finding.disposition)}{_element('dkim', finding.dkim)}{_element('spf', finding.spf)}{reason}"
        f"</policy_evaluated></row><identifiers>{_element('header_from', finding.header_from)}"
        f"{_element('envelope_from', finding.envelope_from)}</identifiers><auth_results>{''.join(results)}</auth_results></record>"
    )


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_NO_XML.sub('?', text), quote=False)}</{name}>"


def packed(report: Report) -> bytes:
    return gzip.compress(xml(report), mtime=0)


def mail(report: Report, content: bytes, to: str, message_id: str, now: float) -> bytes:
    """The message that carries it (section 3.6). `content`: as `packed` made it."""
    boundary = f"=_{report.day}_dmarc"
    encoded = base64.encodebytes(content).decode("ascii").rstrip("\n").split("\n")
    lines = [
        f"From: <{report.contact}>",
        f"To: <{to}>",
        f"Subject: Report Domain: {report.domain} Submitter: {report.submitter}",
        f" Report-ID: <{report.id}>",
        f"Date: {date_time(now)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the DMARC report of {report.submitter} on mail with {report.domain} in From.",
        "",
        f"--{boundary}",
        "Content-Type: application/gzip",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.file}"',
        "",
        *encoded,
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace")
