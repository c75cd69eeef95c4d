"""header_checks(5) and body_checks: what tables of the operator's say of each header field and body line, as Postfix's cleanup(8) does.

Actions are those of access(5) for the whole message (REJECT, DISCARD, HOLD, FILTER, REDIRECT, BCC, WARN, INFO, DUNNO) and some for the field
or line itself: PREPEND, REPLACE, STRIP, IGNORE.
"""

import asyncio
import logging
import re
from collections.abc import Iterator

from msgspec import Struct

from mailhub.config import schema
from mailhub.config.lookup import Lookup
from mailhub.message import headers, stamps
from mailhub.message.parts import MESSAGE, parse
from mailhub.message.window import Window
from mailhub.model.reply import Reply
from mailhub.queue.spool import Spool
from mailhub.store.api import Body, BodyWriter
from mailhub.tables import Tables

from .access import note
from .intake import BodyIntake
from .letter import Letter
from .orders import Orders

log = logging.getLogger("mailhub.policy")

REJECTED = Reply(550, "5.7.1", "message content rejected")
_KEY = 1_000  # characters of a field or line that are looked at; a longer line in pieces
_HEADER = 1 << 20  # octets of one header
_LINES = 20_000  # lines of one message that are looked at
_TURN = 64  # look-ups between two turns of the loop
_MIME = frozenset(
    b"mime-version content-type content-transfer-encoding content-disposition content-id content-description".split()
)
_ENHANCED = re.compile(r"([45])\.[0-9]{1,3}\.[0-9]{1,3}(?:\s+|\Z)")
_BLOCK = 262_144


class Edit(Struct, frozen=True):
    """Octets of the stored message that become other ones."""

    start: int
    end: int
    text: bytes


class ContentTables:
    """The tables of one configuration."""

    def __init__(self, config: schema.ContentChecks, tables: Tables) -> None:
        self._limit = config.body_checks_size_limit
        own = config.header_checks
        self._tables = {
            name: tables.open(lookup)
            for name, lookup in (
                ("header", own),
                ("mime_header", config.mime_header_checks or own),
                ("nested_header", config.nested_header_checks or own),
                ("body", config.body_checks),
            )
            if _given(lookup)
        }
        self.used = bool(self._tables)

    async def look(self, letter: Letter, orders: Orders) -> tuple[Reply | None, list[Edit]]:
        """A refusal, or what is to be changed, in the order of the message; `orders` gets what is for the whole. Temporary."""
        edits: list[Edit] = []
        turns = 0
        for part, kind, start, end in await letter.over(_places):
            if kind not in self._tables and kind != "header":
                continue
            length = min(end - start, _HEADER if kind != "body" else self._limit)
            data = await letter.read(start, length)
            for where, item in _lines(data) if kind == "body" else _fields(data):
                turns += 1
                if turns % _TURN == 0:
                    await asyncio.sleep(0)
                if turns > _LINES:
                    return None, edits
                refusal, edit = await self._item(kind, part, start + where, item, orders)
                if refusal is not None or orders.discarded:
                    return refusal, []
                if edit is not None:
                    edits.append(edit)
        return None, edits

    async def _item(
        self, kind: str, nested: bool, at: int, item: bytes, orders: Orders
    ) -> tuple[Reply | None, Edit | None]:
        if kind == "header" and item.partition(b":")[0].strip().lower() in _MIME:
            kind = "mime_header"
        table = self._tables.get(kind)
        if table is None:
            return None, None
        text = headers.text(item.rstrip(b"\r\n").replace(b"\r\n", b"\n"))
        for start in range(0, max(1, len(text)), _KEY) if kind == "body" else (0,):
            value = await table.lookup(text[start : start + _KEY])
            if value is not None:
                return _acted(value, kind, at, item, text, orders)
        return None, None


async def edited(letter: Letter, edits: list[Edit], intake: BodyIntake, spool: Spool) -> Body:
    """The message of `letter` with these changes, which takes the place of the body that came in by `intake`. Temporary."""
    writer, at = spool.body_writer(), 0
    try:
        for edit in edits:
            await _copy(letter, at, edit.start, writer)
            writer.feed(edit.text)
            at = edit.end
        await _copy(letter, at, letter.size, writer)
        body = await writer.finish()
    except BaseException:
        writer.abort()
        raise
    intake.replace(writer)
    return body


async def _copy(letter: Letter, start: int, end: int, writer: BodyWriter) -> None:
    for at in range(start, end, _BLOCK):
        writer.feed(await letter.read(at, min(_BLOCK, end - at)))
        await writer.drain()


def _given(lookup: Lookup) -> bool:
    return bool(lookup.sources)


def _places(window: Window) -> list[tuple[bool, str, int, int]]:
    """Headers and bodies in the order of the message: whether within another one, kind, where."""
    found = []
    waiting = [(parse(window), "header", False)]
    while waiting:
        part, kind, nested = waiting.pop()
        found.append((nested, kind, part.start, part.body))
        if not part.parts:
            found.append((nested, "body", part.body, _line_end(window, part.end)))
        inside = "nested_header" if part.type == MESSAGE else "mime_header"
        waiting += [(child, inside, True) for child in reversed(part.parts)]
    return found


def _line_end(window: Window, end: int) -> int:
    """Behind the line end that stands between a part and its boundary, and is the boundary's: for Postfix lines are lines."""
    after = window[end : end + 2]
    return end + (2 if after == b"\r\n" else after[:1] == b"\n")


def _fields(header: bytes) -> Iterator[tuple[int, bytes]]:
    """Each field with its folding and its line end, and where it begins."""
    at = 0
    while at < len(header):
        end = header.find(b"\n", at) + 1 or len(header)
        while header[end : end + 1] in (b" ", b"\t"):
            end = header.find(b"\n", end) + 1 or len(header)
        if header[at:end].strip():
            yield at, header[at:end]
        at = end


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        end = body.find(b"\n", at) + 1 or len(body)
        yield at, body[at:end]
        at = end


def _acted(value: str, kind: str, at: int, item: bytes, text: str, orders: Orders) -> tuple[Reply | None, Edit | None]:
    word, _, rest = value.strip().partition(" ")
    rest, end = rest.strip(), at + len(item)
    match word.upper():
        case "REJECT":
            return _refusal(rest), None
        case "DISCARD":
            orders.discarded = rest or "by content"
        case "PREPEND" if rest:
            return None, Edit(at, at, _line(rest, kind))
        case "REPLACE" if rest:
            return None, Edit(at, end, _line(rest, kind) or item)
        case "STRIP" | "IGNORE":
            if word.upper() == "STRIP":
                log.info("%s taken out: %.200r %s", kind, text, rest)
            return None, Edit(at, end, b"")
        case "WARN" | "INFO":
            log.log(logging.WARNING if word.upper() == "WARN" else logging.INFO, "%s: %.200r %s", kind, text, rest)
        case "HOLD" | "FILTER" | "REDIRECT" | "BCC":
            note(word.upper(), rest, orders)
        case "DUNNO" | "OK" | "PASS":
            pass
        case _:
            log.warning("%s_checks: not followed: %.200r", kind, value)
    return None, None


def _line(text: str, kind: str) -> bytes:
    """As a line of the message; of a header nothing that is no field."""
    if kind != "body":
        return stamps.prepended([text])
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace") + b"\r\n"


def _refusal(text: str) -> Reply:
    found = _ENHANCED.match(text)
    if found is None:
        return Reply(REJECTED.code, REJECTED.enhanced, text or REJECTED.text)
    rest = text[found.end() :] or REJECTED.text
    return Reply(550 if found[1] == "5" else 451, found[0].strip(), rest)
