"""A day's TLS report to another domain: JSON, and the message that carries it (RFC 8460 sections 4 and 5)."""

import base64
import datetime
import gzip
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from .stamps import date_time

KIND = "application/tlsrpt+gzip"
_DAY = 86_400
_URIS = 4  # of one domain that are obeyed
_RECORD = re.compile(rb"v=TLSRPTv1[ \t]*;(.*)", re.DOTALL)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_WEB = re.compile(r"https://[!-~]+")


class Failure(Struct, frozen=True):
    """Sessions that failed alike (section 4.3)."""

    result: str
    sessions: int
    source: str = ""
    host: str = ""
    address: str = ""
    detail: str = ""


class Judged(Struct, frozen=True):
    """What became of sessions under one policy (section 4.2). `kind`: tlsa, sts or no-policy-found."""

    kind: str
    lines: tuple[str, ...]
    mx: tuple[str, ...]
    successes: int
    failures: tuple[Failure, ...]


class TlsReport(Struct, frozen=True):
    """To `domain`, from `submitter`, on `day` (days since 1970, UTC)."""

    domain: str
    submitter: str
    organization: str
    contact: str
    day: int
    policies: tuple[Judged, ...]

    @property
    def id(self) -> str:
        """The same for each try to send it."""
        return f"{_moment(self.day * _DAY)}_{self.domain}@{self.submitter}"

    @property
    def file(self) -> str:
        """Its name as an attachment (section 5.1)."""
        begin, end = self.day * _DAY, (self.day + 1) * _DAY - 1
        return f"{self.submitter}!{self.domain}!{begin}!{end}.json.gz"


def rua(records: Sequence[bytes]) -> tuple[str, ...]:
    """Where a domain wants its reports (section 3): "mailto:address" and "https://..."; none where it has no record, or two."""
    found = [match[1] for record in records if (match := _RECORD.fullmatch(record))]
    if len(found) != 1:
        return ()
    for field in found[0].decode("ascii", "replace").split(";"):
        key, _, value = field.partition("=")
        if key.strip() == "rua":
            return tuple(uri for text in value.split(",")[:_URIS] if (uri := _uri(text.strip())))
    return ()


def _uri(text: str) -> str:
    if text[:7].lower() == "mailto:":
        address = unquote(text[7:].partition("?")[0])
        return f"mailto:{address}" if _ADDRESS.fullmatch(address) else ""
    return text if _WEB.fullmatch(text) else ""


def compressed(report: TlsReport) -> bytes:
    """The report as JSON in UTF-8, gzipped."""
    begin, end = report.day * _DAY, (report.day + 1) * _DAY - 1
    body = {
        "organization-name": report.organization,
        "date-range": {"start-datetime": _moment(begin), "end-datetime": _moment(end)},
        "contact-info": report.contact,
        "report-id": report.id,
        "policies": [_policy(report.domain, policy) for policy in report.policies],
    }
    return gzip.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), mtime=0)


def _policy(domain: str, judged: Judged) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": judged.kind, "policy-domain": domain}
    if judged.lines:
        policy["policy-string"] = list(judged.lines)
    if judged.mx:
        policy["mx-host"] = list(judged.mx)
    return {
        "policy": policy,
        "summary": {
            "total-successful-session-count": judged.successes,
            "total-failure-session-count": sum(failure.sessions for failure in judged.failures),
        },
        "failure-details": [_failure(failure) for failure in judged.failures],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    named = {
        "sending-mta-ip": failure.source,
        "receiving-mx-hostname": failure.host,
        "receiving-ip": failure.address,
        "failure-reason-code": failure.detail,
    }
    known = {key: value for key, value in named.items() if value}
    return {"result-type": failure.result, "failed-session-count": failure.sessions, **known}


def mail(report: TlsReport, to: str, message_id: str, now: float) -> bytes:
    """The message that carries it (section 5.3). It says that TLS is not required: a report that tells why mail can not be sent
    must not fail for the same reason (RFC 8689 section 5)."""
    boundary = f"=_{report.day}_tlsrpt"
    text = f"This is the report of {report.submitter} on TLS with the mail hosts of {report.domain}."
    head = [
        f"From: <{report.contact}>",
        f"To: <{to}>",
        f"Subject: Report Domain: {report.domain} Submitter: {report.submitter}",
        f" Report-ID: <{report.id}>",
        f"Date: {date_time(now)}",
        f"Message-ID: {message_id}",
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {report.submitter}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        text,
        "",
        f"--{boundary}",
        f"Content-Type: {KIND}",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.file}"',
        "",
        base64.encodebytes(compressed(report)).decode().replace("\n", "\r\n") + f"--{boundary}--",
        "",
    ]
    return "\r\n".join(head).encode()


def _moment(when: int) -> str:
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
