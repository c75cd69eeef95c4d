"""The milter protocol, version 6, as the mail server speaks it (Sendmail's libmilter, Postfix's MILTER_README): packets and their meaning.

A packet is a length of four octets, a letter, and what belongs to it; texts end with NUL. The server sends commands (`command`), the filter answers
each with responses (`response`), of which the last decides. No RFC has it.

Comes from: scanners.milter. Gives to: nobody. May import: model. Invariant: whatever a filter sends is a value or Malformed.
"""

import re
import struct
from collections.abc import Iterable, Mapping
from enum import IntFlag

from msgspec import Struct, field

VERSION = 6
PACKET_LIMIT = 1_048_640  # octets: SMFIP_MDS_1M and a little
CHUNK = 65_535  # octets of body in a packet

_REPLY = re.compile(r"([45][0-9]{2})(?:[ -]+([45]\.[0-9]{1,3}\.[0-9]{1,3})(?=[ \r\n]|\Z))?[ -]?(.*)", re.DOTALL)
_TOKEN = re.compile(r"[!-9;-~]{1,500}")
_LINES = 100  # of a reply


class Malformed(Exception):
    """What a filter sent that means nothing."""


class Actions(IntFlag):
    """What a filter may do with a message (SMFIF_*)."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENTS = 0x04
    DELETE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    ADD_RECIPIENTS_WITH_PARAMETERS = 0x80
    CHOOSE_MACROS = 0x100


class Steps(IntFlag):
    """What a filter does not want to be told, or does not answer, and what else it understands (SMFIP_*)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADERS = 0x40
    NO_REPLY_HEADERS = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    REJECTED_RECIPIENTS = 0x800
    NO_REPLY_CONNECT = 0x1000
    NO_REPLY_HELO = 0x2000
    NO_REPLY_MAIL = 0x4000
    NO_REPLY_RCPT = 0x8000
    NO_REPLY_DATA = 0x10000
    NO_REPLY_UNKNOWN = 0x20000
    NO_REPLY_END_OF_HEADERS = 0x40000
    NO_REPLY_BODY = 0x80000
    LEADING_SPACE = 0x100000  # header values with the blank behind the colon


ALL_ACTIONS = Actions(0x1FF)
# All but REJECTED_RECIPIENTS: filters are not told of recipients that are refused.
ALL_STEPS = Steps(0x1FFFFF) & ~Steps.REJECTED_RECIPIENTS


class Event(Struct, frozen=True):
    """A command that tells of something: its letter, and the steps that say that it is not wanted or not answered."""

    letter: bytes
    unwanted: Steps = Steps(0)
    unanswered: Steps = Steps(0)


EVENTS: Mapping[str, Event] = {
    "connect": Event(b"C", Steps.NO_CONNECT, Steps.NO_REPLY_CONNECT),
    "helo": Event(b"H", Steps.NO_HELO, Steps.NO_REPLY_HELO),
    "mail": Event(b"M", Steps.NO_MAIL, Steps.NO_REPLY_MAIL),
    "rcpt": Event(b"R", Steps.NO_RCPT, Steps.NO_REPLY_RCPT),
    "data": Event(b"T", Steps.NO_DATA, Steps.NO_REPLY_DATA),
    "header": Event(b"L", Steps.NO_HEADERS, Steps.NO_REPLY_HEADERS),
    "end_of_header": Event(b"N", Steps.NO_END_OF_HEADERS, Steps.NO_REPLY_END_OF_HEADERS),
    "body": Event(b"B", Steps.NO_BODY, Steps.NO_REPLY_BODY),
    "end_of_data": Event(b"E"),
}
# Where macros are sent, as a filter numbers the places (SMFIM_*).
_PLACES = ("connect", "helo", "mail", "rcpt", "data", "end_of_data", "end_of_header")
_SINCE = {"data": 4}  # commands that older versions do not know


# --- what the server says --------------------------------------------------------------------------------------------------


def packet(letter: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content) + 1) + letter + content


def texts(*values: str) -> bytes:
    """Each with its NUL; what stands in them does not end one."""
    return b"".join(value.replace("\0", "").encode("utf-8", "surrogateescape") + b"\0" for value in values)


ABORT, QUIT = packet(b"A"), packet(b"Q")


def offer(version: int = VERSION, actions: Actions = ALL_ACTIONS, steps: Steps = ALL_STEPS) -> bytes:
    return packet(b"O", struct.pack(">III", version, actions, steps))


def macros(event: str, values: Iterable[tuple[str, str]]) -> bytes:
    """Those of a command, before it."""
    return packet(b"D", EVENTS[event].letter + b"".join(texts(name, value) for name, value in values))


def connection(hostname: str, address: str, port: int) -> bytes:
    """The content of `connect`. `address`: "" unknown, a path, or of IPv4 or IPv6."""
    if not address:
        return texts(hostname) + b"U"
    family = b"L" if address.startswith("/") else b"6" if ":" in address else b"4"
    return texts(hostname) + family + struct.pack(">H", port) + texts(address)


# --- what the filter says --------------------------------------------------------------------------------------------------


class Agreed(Struct, frozen=True):
    """What both sides do. `macros`: those that the filter wants at a place, where it says so."""

    version: int
    actions: Actions
    steps: Steps
    macros: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def wants(self, event: str) -> bool:
        return not self.steps & EVENTS[event].unwanted and self.version >= _SINCE.get(event, 2)

    def answers(self, event: str) -> bool:
        return not self.steps & EVENTS[event].unanswered


def agreed(content: bytes, version: int = VERSION) -> Agreed:
    """The filter's answer to `offer`. Malformed also where it wants what was not offered."""
    if len(content) < 12:
        raise Malformed("an answer to the offer that is too short")
    theirs, actions, steps = struct.unpack_from(">III", content)
    if not 2 <= theirs <= version:
        raise Malformed(f"protocol version {theirs}")
    if actions & ~int(ALL_ACTIONS) or steps & ~int(ALL_STEPS):
        raise Malformed(f"wants what was not offered: actions {actions:#x}, steps {steps:#x}")
    return Agreed(theirs, Actions(actions), Steps(steps), _chosen(content[12:]))


def _chosen(content: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    while content:
        if len(content) < 5 or b"\0" not in content[4:]:
            raise Malformed("a list of macros that is cut off")
        place = int.from_bytes(content[:4], "big")
        names, _, content = content[4:].partition(b"\0")
        if place < len(_PLACES):
            found[_PLACES[place]] = tuple(names.decode("ascii", "replace").split())
    return found


class Decision(Struct, frozen=True):
    """The end of an answer. `word`: "continue", "accept", "reject", "tempfail", "discard", "shutdown", "fail" (the connection), "skip"
    (the rest of the body), or "reply" with a code and lines of its own."""

    word: str
    code: int = 0
    enhanced: str = ""
    text: str = ""

    @property
    def goes_on(self) -> bool:
        return self.word in ("continue", "skip")


CONTINUE = Decision("continue")


class Progress(Struct, frozen=True):
    """It is at work still: its time begins anew."""


class AddHeader(Struct, frozen=True):
    """At the end of the header."""

    name: str
    value: str


class InsertHeader(Struct, frozen=True):
    """Before the field at that place, from 0, which is our own Received."""

    index: int
    name: str
    value: str


class ChangeHeader(Struct, frozen=True):
    """The field that is the `index`th of that name, from 1; one that is not there is added. `value` "": it goes."""

    index: int
    name: str
    value: str


class ReplaceBody(Struct, frozen=True):
    """A piece of another body; the first one is its beginning."""

    content: bytes


class AddRecipient(Struct, frozen=True):
    """`parameters`: of RCPT."""

    address: str
    parameters: str = ""


class DeleteRecipient(Struct, frozen=True):
    address: str


class ChangeSender(Struct, frozen=True):
    """`parameters`: of MAIL."""

    address: str
    parameters: str = ""


class Quarantine(Struct, frozen=True):
    reason: str


Change = (
    AddHeader | InsertHeader | ChangeHeader | ReplaceBody | AddRecipient | DeleteRecipient | ChangeSender | Quarantine
)
Response = Decision | Progress | Change

_DECISIONS = {
    b"c": CONTINUE, b"a": Decision("accept"), b"r": Decision("reject"), b"t": Decision("tempfail"), b"d": Decision("discard"),
    b"4": Decision("shutdown"), b"f": Decision("fail"), b"s": Decision("skip"),
}  # fmt: skip
_NEEDS = {
    AddHeader: Actions.ADD_HEADERS, InsertHeader: Actions.ADD_HEADERS | Actions.CHANGE_HEADERS, ChangeHeader: Actions.CHANGE_HEADERS,
    ReplaceBody: Actions.CHANGE_BODY, DeleteRecipient: Actions.DELETE_RECIPIENTS, ChangeSender: Actions.CHANGE_SENDER,
    AddRecipient: Actions.ADD_RECIPIENTS | Actions.ADD_RECIPIENTS_WITH_PARAMETERS, Quarantine: Actions.QUARANTINE,
}  # fmt: skip


def permitted(change: Change, actions: Actions) -> bool:
    """Whether it was agreed on."""
    return bool(_NEEDS[type(change)] & actions)


def response(letter: bytes, content: bytes) -> Response:
    """One packet of an answer."""
    if letter in _DECISIONS:
        return _DECISIONS[letter]
    match letter:
        case b"p":
            return Progress()
        case b"y":
            return _reply(content)
        case b"h":
            return AddHeader(*_header(content))
        case b"i" | b"m":
            if len(content) < 4:
                raise Malformed("a header field without its place")
            kind = InsertHeader if letter == b"i" else ChangeHeader
            return kind(int.from_bytes(content[:4], "big"), *_header(content[4:]))
        case b"b":
            return ReplaceBody(content)
        case b"+":
            return AddRecipient(_address(_texts(content, 1)[0]))
        case b"2":
            return AddRecipient(_address(_texts(content, 1)[0]), *_texts(content, 1)[1:2])
        case b"-":
            return DeleteRecipient(_address(_texts(content, 1)[0]))
        case b"e":
            return ChangeSender(_address(_texts(content, 1)[0]), *_texts(content, 1)[1:2])
        case b"q":
            return Quarantine(_texts(content, 1)[0][:500])
    raise Malformed(f"a packet of kind {letter!r}")


def _texts(content: bytes, least: int) -> list[str]:
    found = [text.decode("utf-8", "surrogateescape") for text in content.split(b"\0")]
    if len(found) <= least:  # what follows the last NUL is empty
        raise Malformed("a text without its end")
    return found[:-1]


def _header(content: bytes) -> tuple[str, str]:
    name, value = _texts(content, 2)[:2]
    if not _TOKEN.fullmatch(name):
        raise Malformed(f"{name[:100]!r} is no name of a header field")
    return name, value


def _address(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _reply(content: bytes) -> Decision:
    """`550 5.7.1 text`, or lines of it; "%%" is a percent sign."""
    lines = _texts(content, 1)[0].replace("%%", "%").splitlines()[:_LINES]
    found = [_REPLY.fullmatch(line) for line in lines]
    first = found[0] if found else None
    if first is None:
        raise Malformed("a reply without a code of 4xx or 5xx")
    text = "\n".join(one[3] if one is not None else line for one, line in zip(found, lines, strict=True))
    enhanced = first[2] or ""
    return Decision("reply", int(first[1]), enhanced if enhanced[:1] == first[1][0] else "", text)
