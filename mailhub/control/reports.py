"""Reports that others sent us on mail with our domains in From (DMARC) and on TLS with our hosts: read where they lie, in a mailbox, and summed up.

The mailbox keeps them: nothing is stored beside it, and what its owner deletes is gone. Hostile ones cost bounded time and memory.
"""

import asyncio
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from mailhub.directory import Directory
from mailhub.message import dmarc_report, tls_report_reading
from mailhub.message.reading import Message
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import MailboxStore

from . import report_words as words
from .errors import ControlError

T = TypeVar("T")
_DAY = 86_400
_MESSAGES = 2_000  # of a mailbox that are looked at, the newest of each folder
_SIZE = 5_242_880  # octets of a message
_UNPACKED = 52_428_800  # octets of a report
_SHOWN = 500  # lines of an answer
_FILES = 4  # of an archive


class Reports:
    def __init__(self, directory: Directory, mailboxes: MailboxStore, clock: Clock) -> None:
        self._directory, self._mailboxes, self._clock = directory, mailboxes, clock

    async def dmarc(self, request: words.ReportsDmarc) -> words.DmarcReports:
        seen: set[tuple[str, str]] = set()
        unread, organizations = 0, Counter[str]()
        sums: dict[tuple[str, str], Counter[str]] = {}
        async for report in self._read(request.account, request.days, dmarc_report.read, lambda report: report.end):
            if report is None:
                unread += 1
                continue
            if (report.organization, report.id) in seen or request.domain.lower() not in ("", report.domain.lower()):
                continue
            seen.add((report.organization, report.id))
            organizations[report.organization] += 1
            for row in report.rows:
                found = sums.setdefault((report.domain.lower(), row.source), Counter())
                found["messages"] += row.count
                for word, true in (
                    ("dkim", row.dkim == "pass"),
                    ("spf", row.spf == "pass"),
                    ("aligned", "pass" in (row.dkim, row.spf)),
                    ("refused", row.disposition == "reject"),
                    ("quarantined", row.disposition == "quarantine"),
                ):
                    found[word] += row.count * true
        lines = sorted(sums.items(), key=lambda item: (-item[1]["messages"], item[0]))
        return words.DmarcReports(
            reports=len(seen),
            unread=unread,
            organizations=tuple(name for name, _ in organizations.most_common(_SHOWN)),
            sources=tuple(
                words.DmarcSource(
                    domain=domain,
                    source=source,
                    messages=found["messages"],
                    aligned=found["aligned"],
                    dkim=found["dkim"],
                    spf=found["spf"],
                    refused=found["refused"],
                    quarantined=found["quarantined"],
                )
                for (domain, source), found in lines[:_SHOWN]
            ),
        )

    async def tls(self, request: words.ReportsTls) -> words.TlsReports:
        seen: set[tuple[str, str]] = set()
        unread, organizations = 0, Counter[str]()
        sums: dict[tuple[str, str], Counter[str]] = {}
        failures: dict[tuple[str, str], Counter[str]] = {}
        async for report in self._read(
            request.account, request.days, tls_report_reading.read, tls_report_reading.ended
        ):
            if report is None:
                unread += 1
                continue
            if (report.organization_name, report.report_id) in seen:
                continue
            seen.add((report.organization_name, report.report_id))
            organizations[report.organization_name] += 1
            for part in report.policies:
                where = (part.policy.policy_domain.lower(), part.policy.policy_type)
                if request.domain.lower() not in ("", where[0]):
                    continue
                found = sums.setdefault(where, Counter())
                found["successes"] += part.summary.total_successful_session_count
                found["failed"] += part.summary.total_failure_session_count
                for one in part.failure_details:
                    failures.setdefault(where, Counter())[one.result_type[:100]] += one.failed_session_count
        return words.TlsReports(
            reports=len(seen),
            unread=unread,
            organizations=tuple(name for name, _ in organizations.most_common(_SHOWN)),
            destinations=tuple(
                words.TlsDestination(
                    domain=domain,
                    policy=policy,
                    successes=found["successes"],
                    failed=found["failed"],
                    failures=tuple(failures.get((domain, policy), Counter[str]()).most_common(20)),
                )
                for (domain, policy), found in sorted(sums.items())[:_SHOWN]
            ),
        )

    async def _read(
        self, account: str, days: int, read: Callable[[bytes], T], ended: Callable[[T], float]
    ) -> AsyncIterator[T | None]:
        """The reports in the newest messages of all folders; None for a message that looks as if it carried one, and does not."""
        if await self._directory.account(account) is None:
            raise ControlError("not_found", f"no account {account}")
        since, left = self._clock.now() - days * _DAY, _MESSAGES
        for folder in await self._mailboxes.folders(key(account)):
            view = await self._mailboxes.view(folder.id)
            newest = list(view.uids)[-left:] if left else []
            left -= len(newest)
            for uid in reversed(newest):
                try:
                    async with await self._mailboxes.open(folder.id, uid) as file:
                        raw = await file.read(0, file.size) if file.size <= _SIZE else b""
                except MailError:
                    continue
                found = await asyncio.to_thread(_all, raw, read)
                for report in found:
                    if report is None or ended(report) >= since:
                        yield report


def _all(raw: bytes, read: Callable[[bytes], T]) -> list[T | None]:
    return list(_reports(raw, read))


def _reports(raw: bytes, read: Callable[[bytes], T]) -> Iterator[T | None]:
    try:
        attachments = Message("", "", 0, raw).attachments
    except Exception:  # it is no business of ours why
        return
    for one in attachments[:_FILES]:
        for octets in _unpacked(one.name.lower(), one.type, one.content):
            try:
                yield None if octets is None else read(octets)
            except ValueError:
                yield None


def _unpacked(name: str, kind: str, content: bytes) -> Iterator[bytes | None]:
    """What may be a report, whatever it is packed in; None where it can not be unpacked within bounds."""
    if content[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            found = unpacker.decompress(content, _UNPACKED)
        except zlib.error:
            found = b""
        yield found if found and unpacker.eof else None
    elif content[:4] == b"PK\x03\x04":
        yield from _unzipped(content)
    elif name.endswith((".xml", ".json")) or kind in ("text/xml", "application/xml", "application/tlsrpt+json"):
        yield content


def _unzipped(content: bytes) -> Iterator[bytes | None]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist()[:_FILES]:
                with archive.open(entry) as file:
                    octets = file.read(_UNPACKED + 1)
                yield octets if len(octets) <= _UNPACKED else None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error, ValueError):
        yield None
