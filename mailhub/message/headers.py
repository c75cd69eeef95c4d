"""Header sections: where they end, their fields, and their text for people (RFC 5322 section 2.2, RFC 2047)."""

import re
from base64 import b64decode
from collections.abc import Iterator
from quopri import decodestring

from mailhub.model.address import key

from .charset import decode as decode_charset

# field = field-name ":" unstructured, CRLF before white space included; a space before the colon is obsolete syntax.
# Possessive throughout: each octet is looked at once.
FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:((?:[^\n]*+)(?:\n[ \t][^\n]*+)*)", re.MULTILINE)

# encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
_WORD = re.compile(rb"=\?([A-Za-z0-9!#$%&'+^_`{}~.:-]{1,80}+)(?:\*[^?\s]{0,40}+)?\?([bBqQ])\?([^?\r\n]*+)\?=")
# characters of GB2312, each two octets; Western texts have hardly ever four letters with accents in a row
_HIGH, _GB2312, _FEW = re.compile(rb"[\x80-\xff]++"), re.compile(rb"(?:[\xa1-\xa9\xb0-\xf7][\xa1-\xfe])+"), 4
_BASE64_REST = re.compile(rb"[^A-Za-z0-9+/]+")


def header_end(data: bytes) -> int:
    """The offset just behind the blank line; the length of `data` where there is none."""
    if data[:2] == b"\r\n":
        return 2
    if data[:1] == b"\n":
        return 1
    crlf = data.find(b"\n\r\n")
    lf = data.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(data))
    if lf >= 0:
        return lf + 2
    return crlf + 3 if crlf >= 0 else len(data)


def fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """`(name as written, raw value with its folding, without the last line end)`; lines that are no field are left out."""
    return [(name, value.strip(b" \t\r\n")) for name, value in FIELD.findall(header)]


def unfold(value: bytes) -> bytes:
    """A field's value on one line (RFC 5322 section 2.2.3)."""
    if b"\n" in value or b"\r" in value:
        return value.replace(b"\r", b"").replace(b"\n", b"")
    return value


def first(header: bytes, name: bytes) -> bytes | None:
    """The unfolded value of the first field of that name, None where there is none."""
    wanted = name.lower()
    for found in FIELD.finditer(header):
        if found[1].lower() == wanted:
            return unfold(found[2].strip(b" \t\r\n"))
    return None


def count(header: bytes, name: bytes) -> int:
    """How many fields of that name there are."""
    wanted = name.lower()
    return sum(found[1].lower() == wanted for found in FIELD.finditer(header))


def delivered_to(header: bytes) -> frozenset[str]:
    """The addresses (in key form) of its Delivered-To fields: where the message has been (RFC 9228)."""
    if b"delivered-to:" not in header.lower():
        return frozenset()
    values = (value for name, value in fields(header) if name.lower() == b"delivered-to")
    return frozenset(key(value.decode("utf-8", "replace").strip()) for value in values)


def text(value: bytes) -> str:
    """8-bit text of a header without decoding encoded words."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return decode_charset(value, _guessed(value))


def _guessed(value: bytes) -> str:
    """The charset of 8-bit text: UTF-8, or what can hardly be anything but Chinese, or else Windows-1252."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        runs = _HIGH.findall(value)
        chinese = max(map(len, runs)) >= _FEW and all(map(_GB2312.fullmatch, runs))
        return "gb18030" if chinese else "windows-1252"
    return "utf-8"


def decode(value: bytes) -> str:
    """The text of a header field for people: encoded words decoded, also those with raw 8-bit octets in their own charset; that of
    8-bit text elsewhere is guessed. Never raises."""
    plain = unfold(value)
    return "".join(_decoded(plain)) if b"=?" in plain else text(plain)


def _decoded(plain: bytes) -> Iterator[str]:
    """Runs of encoded words in one charset are joined before decoding: many senders cut a character in two."""
    guessed = _guessed(_WORD.sub(b" ", plain))
    at = 0
    run, charset = bytearray(), ""
    for word in _WORD.finditer(plain):
        between = plain[at : word.start()]
        blank = not between.strip(b" \t")
        name = word[1].decode("ascii").lower()
        if run and (name != charset or not blank):
            yield decode_charset(bytes(run), charset)
            run.clear()
            yield "" if blank else decode_charset(between, guessed)
        elif not run:
            yield "" if charset and blank else decode_charset(between, guessed)
        run += _octets(word[2], word[3])
        charset, at = name, word.end()
    if charset:
        yield decode_charset(bytes(run), charset)
    yield decode_charset(plain[at:], guessed)


def _octets(encoding: bytes, raw: bytes) -> bytes:
    if encoding in b"qQ":
        return decodestring(raw.replace(b" ", b"_"), header=True)
    raw = _BASE64_REST.sub(b"", raw)
    if len(raw) % 4 == 1:  # no octet ends there: the last sign is lost
        raw = raw[:-1]
    return b64decode(raw + b"=" * (-len(raw) % 4))
