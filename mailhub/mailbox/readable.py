"""A message as a search sees it: its text, decoded and folded. The same function makes what a scan looks at and what the
full-text index keeps, so the two can not differ.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from mailhub.message import headers, parts, search_text
from mailhub.message.collation import casemap
from mailhub.message.threads import thread_id
from mailhub.store.api import MessageFile

from .heavy import HeavyLane

_FIRST = 16_384  # octets in which most headers end
_HEADER = 1_048_576  # octets of a header that are looked through
_LINE_ENDS = str.maketrans({"\n": " ", "\r": " ", "\0": "\ufffd"})


class Readable(Struct, frozen=True):
    """`head`: a line "NAME: VALUE" for each field. `body` is empty where only the header was asked for. `references`: the
    message ids of References, or of In-Reply-To, as they were written (RFC 5256 section 3, THREAD)."""

    head: str
    body: str
    references: bytes
    thread: str = ""  # THREADID, "" where it has none


def folded(text: str) -> str:
    """Text as it is compared (RFC 5051), without what no database keeps: NUL, halves of surrogate pairs."""
    text = casemap(text)
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def read_header(header: bytes) -> Readable:
    """The searchable text of a header. Never raises."""
    fields = [(name.decode("latin-1"), value) for name, value in headers.fields(header)]
    head = "\n".join([f"{name}: {headers.decode(value).translate(_LINE_ENDS)}" for name, value in fields])
    references = headers.first(header, b"references") or headers.first(header, b"in-reply-to") or b""
    return Readable(folded(head), "", references, thread_id(header) or "")


def read_whole(data: bytes) -> Readable:
    """The searchable text of a message. Never raises."""
    root = parts.parse(data)
    head = read_header(data[root.start : root.body])
    return replace(head, body=folded("".join(search_text.body(data, root))))


async def read(lane: HeavyLane, file: MessageFile, *, whole: bool) -> Readable:
    """The message, or its header alone; off the loop."""
    work: Callable[[bytes], Readable] = read_whole if whole else read_header
    async with lane.room(file.size if whole else 0):
        return await lane.call(work, await (file.read(0, file.size) if whole else _header(file)))


async def _header(file: MessageFile) -> bytes:
    """The header and its blank line; all there is where no blank line is."""
    size = _FIRST
    while True:
        data = await file.read(0, size)
        end = headers.header_end(data)
        if end < len(data) or len(data) < size or size >= _HEADER:
            return data[:end]
        size *= 8
