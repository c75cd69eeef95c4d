"""ENVELOPE read back from the index, where `structure` rendered it (RFC 9051 section 7.5.2): what SEARCH, SORT and THREAD ask of
a message's header without opening its file."""

import datetime
import re
from email.utils import parsedate_tz

from msgspec import Struct

from . import headers

_TOKEN = re.compile(rb' *(?:([()])|"((?:[^"\\]|\\.)*)"|\{([0-9]+)\}\r\n|(NIL))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_WORD = rb'(?:NIL|"[^"\\]*+(?:\\.[^"\\]*+)*")'
_MORE = re.compile(rb"(?: ?\(" + _WORD + rb"(?: " + _WORD + rb"){3}\))*", re.DOTALL)  # addresses, none with a literal
_NOT_PLAIN = (b"=?", b"\\", b"\r", b"\n")  # encoded words, escapes, literals
_FIELDS = 10
_LIST = 3  # how deep the addresses of a field lie: in the envelope, which is the first value
_Value = bytes | None | list["_Value"]


class Address(Struct, frozen=True):
    """As ENVELOPE has it: `domain` None begins a group of the name `local`, or ends one where that is None too."""

    name: bytes | None
    local: bytes | None
    domain: bytes | None


class Envelope(Struct, frozen=True):
    """Octets as written in the header, on one line."""

    date: bytes | None = None
    subject: bytes | None = None
    origin: tuple[Address, ...] = ()  # From
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


def parse(rendered: bytes, most: int = 0) -> Envelope:
    """Never raises: what is no ENVELOPE is an empty one. `most`: addresses of a field that are wanted, 0: all; 2,000 take a while."""
    values = _values(rendered, most)
    if len(values) != _FIELDS:
        return Envelope()
    date, subject, origin, _, _, to, cc, bcc, in_reply_to, message_id = values
    return Envelope(
        _text(date), _text(subject), _addresses(origin), _addresses(to), _addresses(cc), _addresses(bcc),
        _text(in_reply_to), _text(message_id),
    )  # fmt: skip


def _values(rendered: bytes, most: int) -> list[_Value]:
    """The fields of the outermost list."""
    outermost: list[_Value] = []
    stack = [outermost]
    at = 0
    while found := _TOKEN.match(rendered, at):
        at = found.end()
        bracket, quoted, size, _ = found.groups()
        if bracket == b"(":
            inner: list[_Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif bracket is not None:
            if len(stack) > 1:
                stack.pop()
            if most and len(stack) == _LIST and len(stack[-1]) >= most:
                del stack[-1][most:]
                if more := _MORE.match(rendered, at):
                    at = more.end()
        elif quoted is not None:
            stack[-1].append(_ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        elif size is not None:
            stack[-1].append(rendered[at : at + int(size)])
            at += int(size)
        else:
            stack[-1].append(None)
    first = outermost[0] if outermost else None
    return first if isinstance(first, list) else []


def _text(value: _Value) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _addresses(value: _Value) -> tuple[Address, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        Address(_text(one[0]), _text(one[2]), _text(one[3])) for one in value if isinstance(one, list) and len(one) == 4
    )


# --- for people and for comparing ------------------------------------------------------------------------------------


def text(value: bytes | None) -> str:
    """Decoded; "" for a field that is not there."""
    return "" if value is None else headers.decode(value)


def addresses_text(addresses: tuple[Address, ...]) -> str:
    """What SEARCH FROM, TO, CC and BCC look at: `Name <local@domain>, ...`, names decoded."""
    return ", ".join([_address_text(address) for address in addresses])


def _address_text(address: Address) -> str:
    if address.domain is None:
        return text(address.local)
    plain = f"{text(address.local)}@{text(address.domain)}"
    return f"{text(address.name)} <{plain}>" if address.name else plain


def first_mailbox(addresses: tuple[Address, ...]) -> str:
    """What SORT compares: addr-mailbox of the first address (RFC 5256 section 3); in a group that is its name."""
    return text(addresses[0].local) if addresses else ""


def display(addresses: tuple[Address, ...]) -> str:
    """The display form of the first address: its name, else the whole address (RFC 5957 section 3)."""
    if not addresses:
        return ""
    first = addresses[0]
    if first.domain is None:
        return text(first.local)
    return text(first.name) or f"{text(first.local)}@{text(first.domain)}"


# --- dates -----------------------------------------------------------------------------------------------------------


def sent_day(date: bytes | None) -> datetime.date | None:
    """The day of a Date: field as it is written, whatever its zone (RFC 3501 section 6.4.4); None where there is none."""
    parsed = parsedate_tz(date.decode("latin-1")) if date else None
    if parsed is None:
        return None
    try:
        return datetime.date(*parsed[:3])
    except (ValueError, OverflowError):
        return None


def sent_moment(date: bytes | None) -> int | None:
    """The moment of a Date: field, in seconds since 1970; a time that makes no sense is midnight (RFC 5256 section 2.2)."""
    parsed = parsedate_tz(date.decode("latin-1")) if date else None
    if parsed is None:
        return None
    year, month, day, hour, minute, second, *_, offset = parsed
    try:
        midnight = datetime.datetime(year, month, day, tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        return None
    seconds = int(midnight.timestamp())
    if 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60:
        seconds += hour * 3_600 + minute * 60 + second
    return seconds - (offset or 0)


def is_plain_word(text: str) -> bool:
    """Whether it is one word of ASCII, which stands as it is in an ENVELOPE that is plain."""
    return text.isascii() and text.isalnum()


def may_stand(word: str, rendered: bytes) -> bool:
    """False where a plain word stands nowhere in an ENVELOPE that is all plain ASCII: it need not be taken apart (1 us, not 30). True for
    what is no plain word."""
    if not is_plain_word(word) or not rendered.isascii() or any(sign in rendered for sign in _NOT_PLAIN):
        return True
    return word.lower().encode() in rendered.lower()
