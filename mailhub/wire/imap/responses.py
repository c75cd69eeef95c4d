"""Answers: values to the octets of RFC 3501 section 7. Lines come with their CRLF."""

import re
from collections.abc import Iterable, Sequence

from mailhub.model.mailbox import KEYWORD_SHIFT, SEPARATOR, SYSTEM_FLAGS

from . import names

_PLAIN = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]{0,1000}\Z")  # fits between quotes as it is
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}\Z")
_ASTRING = re.compile(rb"[!#$&'+\-,./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_UNSAFE = re.compile(r"[^\x20-\x7e]")


def string(value: bytes) -> bytes:
    """quoted where possible, else a literal"""
    if _PLAIN.match(value):
        return b'"' + value + b'"'
    if _QUOTABLE.match(value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n%b" % (len(value), value)


def astring(value: bytes) -> bytes:
    """an atom where possible: some clients look at identifiers without their quotes"""
    return value if _ASTRING.fullmatch(value) else string(value)


def nstring8(value: bytes | None) -> bytes:
    """NIL, a string, or where there is NUL in it a literal8 (RFC 5464 section 5)"""
    if value is None:
        return b"NIL"
    return b"~{%d}\r\n%b" % (len(value), value) if b"\0" in value else string(value)


def mailbox(name: str) -> bytes:
    """A mailbox name in modified UTF-7, quoted."""
    return string(names.encode(name))


def utf8_mailbox(name: str) -> bytes:
    """A mailbox name for who has enabled UTF-8 (RFC 9755 section 3, RFC 9051 section 5.1)."""
    return utf8_string(name)


def utf8_string(text: str) -> bytes:
    """quoted, with UTF-8 in it, where possible; else a literal"""
    raw = text.encode("utf-8", "replace")
    if len(raw) > 1_000 or any(octet in raw for octet in b"\r\n\0"):
        return b"{%d}\r\n%b" % (len(raw), raw)
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def untagged(text: str) -> bytes:
    """A line of printable ASCII; anything else in `text` becomes "?"."""
    return b"* " + _safe(text) + b"\r\n"


def tagged(tag: bytes, status: str, text: str, code: str = "") -> bytes:
    """resp-cond-state: `status` OK, NO or BAD; `code` is the response code without its brackets."""
    return tag + b" " + state(status, text, code)


def state(status: str, text: str, code: str = "") -> bytes:
    """The same without a tag: after "* " or a tag."""
    return _safe(f"{status} [{code}] {text}" if code else f"{status} {text}") + b"\r\n"


def _safe(text: str) -> bytes:
    return _UNSAFE.sub("?", text).encode("ascii")


def continuation(text: bytes = b"") -> bytes:
    """continue-req; `text` is base 64 or words for people."""
    return b"+ " + text + b"\r\n"


def flag_list(flags: Iterable[str]) -> bytes:
    """ "(" [flag *(SP flag)] ")" """
    return b"(" + " ".join(flags).encode("ascii", "replace") + b")"


def flag_names(number: int, keywords: Sequence[str]) -> list[str]:
    """The names in a flags number (model.mailbox): system flags, then keywords."""
    out = [name for name, bit in SYSTEM_FLAGS.items() if number & bit]
    number >>= KEYWORD_SHIFT
    out += [keyword for n, keyword in enumerate(keywords) if number >> n & 1]
    return out


def listing(kind: bytes, attributes: Iterable[str], name: bytes, extra: bytes = b"") -> bytes:
    """LIST and LSUB (RFC 3501 section 7.2.2); `name` as it is to be written; `extra`: extended data items of RFC 5258 with their space."""
    return b'* %b %b "%b" %b%b\r\n' % (kind, flag_list(attributes), SEPARATOR.encode(), name, extra)


def status(name: bytes, items: Iterable[tuple[str, int | str]]) -> bytes:
    """STATUS (RFC 3501 section 7.2.4); `name` as it is to be written"""
    pairs = " ".join(f"{item} {value}" for item, value in items).encode("ascii")
    return b"* STATUS %b (%b)\r\n" % (name, pairs)


def numbers(name: bytes, found: Iterable[int], modseq: int = 0) -> bytes:
    """SEARCH (RFC 3501 section 7.2.5) and SORT (RFC 5256 section 4); `modseq`: the highest of what was found, where it is asked
    for (RFC 7162 section 3.1.5)"""
    highest = b" (MODSEQ %d)" % modseq if modseq else b""
    return b"".join([b"* ", name, *(b" %d" % number for number in found), highest, b"\r\n"])


def vanished(uids: bytes) -> bytes:
    """VANISHED (RFC 7162 section 3.2.10)"""
    return b"* VANISHED %b\r\n" % uids


def vanished_earlier(uids: bytes) -> bytes:
    """VANISHED of what went while the client was away"""
    return b"* VANISHED (EARLIER) %b\r\n" % uids
