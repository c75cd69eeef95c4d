"""doveadm fetch: fields of messages."""

from collections.abc import Iterator
from datetime import datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from mailhub.control import mail_words as words
from mailhub.control.request import PAGE

from . import Fatal
from .doveadm_formats import Column, Row

if TYPE_CHECKING:
    from .doveadm import Doveadm
    from .doveadm_query import Query

FIELDS = (
    "user", "mailbox", "mailbox-guid", "seq", "uid", "guid", "flags", "modseq", "hdr", "body", "text", "size.virtual",
    "date.received", "date.sent", "date.saved", "date.received.unixtime", "date.sent.unixtime", "date.saved.unixtime",
    "imap.envelope", "imap.bodystructure",
)  # fmt: skip
_STREAMS = ("hdr", "body", "text")
_OF_TEXT = (*_STREAMS, "date.sent", "date.sent.unixtime")
_BLOCK = 1_048_576
_HEADER = 1_048_576  # octets of a header that are looked at


def columns(fields: list[str]) -> list[Column]:
    """Fatal where there is no such field."""
    for field in fields:
        if field not in FIELDS and not (field.startswith("hdr.") and len(field) > 4):
            raise Fatal(f"Unknown fetch field: {field}; available: hdr.<name> {' '.join(FIELDS)}", 75)
    return [Column(field, stream=field in _STREAMS) for field in fields]


def messages(run: "Doveadm", user: str, query: "Query", shown: list[Column]) -> Iterator[Row]:
    """A row a message, in pages."""
    from .doveadm import found

    for folder, uids in found(run, user, query):
        for start in range(0, len(uids), PAGE):
            page = uids[start : start + PAGE]
            for message in run.side.ask(words.MailShow(address=user, folder=folder.name, uids=page)):
                yield _row(run, user, folder, message, shown)


def _row(
    run: "Doveadm", user: str, folder: words.MailFolder, message: words.MailMessage, shown: list[Column]
) -> tuple[str, ...]:
    names = {column.name for column in shown}
    text = b""
    if names & {"body", "text"}:
        text = _read(run, user, folder.name, message, message.size)
    elif any(name.startswith("hdr") for name in names) or names & set(_OF_TEXT):
        text = _read(run, user, folder.name, message, _HEADER)
    end = text.find(b"\r\n\r\n")
    head = text if end < 0 else text[: end + 4]
    return tuple(_value(column.name, user, folder, message, text, head) for column in shown)


def _read(run: "Doveadm", user: str, folder: str, message: words.MailMessage, limit: int) -> bytes:
    """At most `limit` octets."""
    blocks, at = [], 0
    while at < min(limit, message.size):
        part = run.side.ask(words.MailRead(address=user, folder=folder, uid=message.uid, offset=at, limit=_BLOCK))
        if not part.data:
            break
        blocks.append(part.data)
        at += len(part.data)
    return b"".join(blocks)


def _value(name: str, user: str, folder: words.MailFolder, message: words.MailMessage, text: bytes, head: bytes) -> str:
    if name.startswith("hdr."):
        return _field(head, name[4:])
    sent = _sent(head) if name.startswith("date.sent") else None
    plain: dict[str, object] = {
        "user": user,
        "mailbox": folder.name,
        "mailbox-guid": folder.guid,
        "flags": " ".join(message.flags),
        "size.virtual": message.size,
        "date.received": _moment(message.received),
        "date.saved": _moment(message.saved),
        "date.received.unixtime": message.received,
        "date.saved.unixtime": message.saved,
        "date.sent": "" if sent is None else f"{_moment(sent.timestamp())} ({sent:%z})",
        "date.sent.unixtime": "" if sent is None else int(sent.timestamp()),
        "imap.envelope": message.envelope.removeprefix("(").removesuffix(")"),
        "imap.bodystructure": message.structure.removeprefix("(").removesuffix(")"),
        "hdr": _lines(head),
        "text": _lines(text),
        "body": _lines(text[len(head) :]),
    }
    return str(plain[name] if name in plain else getattr(message, name))


def _lines(text: bytes) -> str:
    return text.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _field(head: bytes, name: str) -> str:
    """As it is written, on one line, those of several fields one behind the other; with `.utf8` behind the name, decoded."""
    plain, dot, _ = name.partition(".utf8")
    fields = BytesHeaderParser().parsebytes(head).get_all(plain, [])
    texts = [" ".join(str(field).split()) for field in fields]
    return " ".join(map(_decoded, texts) if dot else texts)


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError):
        return text


def _sent(head: bytes) -> datetime | None:
    try:
        found = parsedate_to_datetime(_field(head, "date"))
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo is not None else found.astimezone()
