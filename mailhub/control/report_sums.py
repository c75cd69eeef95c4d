"""What many reports of others say together. Made of anything: each sum is bounded in octets, lines and numbers.

A `Sums` is given one message after another, in a thread: a large report takes seconds to read.
"""

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from msgspec import Struct, field

from mailhub.message import dmarc_report, tls_report_reading
from mailhub.message.reading import Attachment, Message

from . import report_words as words

_UNPACKED = 52_428_800  # octets of the reports of one message
_WORK = 209_715_200  # octets of the reports of one answer
_FILES = 4  # of a message, and of an archive
_LINES = 50_000  # different ones that are told apart
_KINDS = 100  # of failures, of one line
_SHOWN = 500  # lines of an answer
_MOST = 2**53 - 1  # the largest number in an answer, so that each reader of JSON can have it
OTHERS = "others"


class Sums(Struct):
    """Of reports that ended `since`, on `domain` ("": all). `unread`: what looked like reports and could not be read."""

    since: float
    domain: str
    limit: ClassVar[int] = _UNPACKED
    other: ClassVar[bytes] = b"{"  # how reports of the other kind begin, which may lie in the same mailbox
    unread: int = 0
    left: int = _WORK
    seen: set[tuple[str, str]] = field(default_factory=set)
    organizations: Counter[str] = field(default_factory=Counter)
    lines: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    kinds: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def take(self, raw: bytes) -> None:
        """All reports that a message carries."""
        try:
            attachments = Message("", "", 0, raw).attachments
        except Exception:  # it is no business of ours why
            return
        room = self.limit
        for one in attachments[:_FILES]:
            for octets in unpacked(one, room):
                room -= 0 if octets is None else len(octets)
                self._read(octets)
                if octets is None or room <= 0:
                    return

    def _read(self, octets: bytes | None) -> None:
        self.left -= self.limit if octets is None else len(octets)
        if octets is None or self.left < 0:
            self.unread += 1
            return
        if octets[:100].lstrip()[:1] == self.other:
            return
        try:
            self.add(octets)
        except ValueError:
            self.unread += 1

    def add(self, octets: bytes) -> None:
        """ValueError for what is no report."""
        raise NotImplementedError

    def is_new(self, organization: str, id: str, ended: float) -> bool:
        """Whether that report counts, which it does once."""
        organization, id = organization[:100], id[:1_000]
        if ended < self.since or (organization, id) in self.seen:
            return False
        self.seen.add((organization, id))
        self.organizations[organization] += 1
        return True

    def concerns(self, domain: str) -> bool:
        return self.domain.lower() in ("", domain.lower())

    def line(self, domain: str, of: str) -> tuple[str, str]:
        """Its key in `lines`; that of all others where there are too many."""
        where = (domain.lower()[:255], of[:100])
        if where not in self.lines and len(self.lines) >= _LINES:
            where = ("", OTHERS)
        self.lines.setdefault(where, Counter())
        return where

    def shown(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.organizations.most_common(_SHOWN))


class DmarcSums(Sums):
    def add(self, octets: bytes) -> None:
        report = dmarc_report.read(octets)
        if not self.concerns(report.domain) or not self.is_new(report.organization, report.id, report.end):
            return
        for row in report.rows:
            found = self.lines[self.line(report.domain, row.source)]
            found["messages"] += row.count
            found["dkim"] += row.count * (row.dkim == "pass")
            found["spf"] += row.count * (row.spf == "pass")
            found["aligned"] += row.count * ("pass" in (row.dkim, row.spf))
            found["refused"] += row.count * (row.disposition == "reject")
            found["quarantined"] += row.count * (row.disposition == "quarantine")

    def answer(self) -> words.DmarcReports:
        lines = sorted(self.lines.items(), key=lambda item: (-item[1]["messages"], item[0]))
        return words.DmarcReports(
            reports=len(self.seen),
            unread=self.unread,
            organizations=self.shown(),
            sources=tuple(
                words.DmarcSource(
                    domain=domain,
                    source=source,
                    messages=min(found["messages"], _MOST),
                    aligned=min(found["aligned"], _MOST),
                    dkim=min(found["dkim"], _MOST),
                    spf=min(found["spf"], _MOST),
                    refused=min(found["refused"], _MOST),
                    quarantined=min(found["quarantined"], _MOST),
                )
                for (domain, source), found in lines[:_SHOWN]
            ),
        )


class TlsSums(Sums):
    other = b"<"
    limit = 10_485_760  # JSON becomes many times as large in memory

    def add(self, octets: bytes) -> None:
        report = tls_report_reading.read(octets)
        parts = [part for part in report.policies if self.concerns(part.policy.policy_domain)]
        ended = tls_report_reading.ended(report)
        if not parts or not self.is_new(report.organization_name, report.report_id, ended):
            return
        for part in parts:
            where = self.line(part.policy.policy_domain, part.policy.policy_type)
            self.lines[where]["successes"] += part.summary.total_successful_session_count
            self.lines[where]["failed"] += part.summary.total_failure_session_count
            kinds = self.kinds.setdefault(where, Counter())
            for one in part.failure_details:
                kind = one.result_type[:100]
                kinds[kind if kind in kinds or len(kinds) < _KINDS else OTHERS] += one.failed_session_count

    def answer(self) -> words.TlsReports:
        return words.TlsReports(
            reports=len(self.seen),
            unread=self.unread,
            organizations=self.shown(),
            destinations=tuple(
                words.TlsDestination(
                    domain=domain,
                    policy=policy,
                    successes=min(found["successes"], _MOST),
                    failed=min(found["failed"], _MOST),
                    failures=tuple(
                        (kind, min(times, _MOST))
                        for kind, times in self.kinds.get((domain, policy), Counter[str]()).most_common(20)
                    ),
                )
                for (domain, policy), found in sorted(self.lines.items())[:_SHOWN]
            ),
        )


def unpacked(one: Attachment, limit: int) -> Iterator[bytes | None]:
    """What may be a report, whatever it is packed in; None where it can not be unpacked into `limit` octets."""
    name, content = one.name.lower(), one.content
    if content[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            found = unpacker.decompress(content, limit)
        except zlib.error:
            found = b""
        yield found if found and unpacker.eof else None
    elif content[:4] == b"PK\x03\x04":
        yield from _unzipped(content, limit)
    elif name.endswith((".xml", ".json")) or one.type in ("text/xml", "application/xml", "application/tlsrpt+json"):
        yield content if len(content) <= limit else None


def _unzipped(content: bytes, limit: int) -> Iterator[bytes | None]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist()[:_FILES]:
                with archive.open(entry) as file:
                    octets = file.read(limit + 1)
                limit -= len(octets)
                yield octets if limit >= 0 else None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error, ValueError):
        yield None
