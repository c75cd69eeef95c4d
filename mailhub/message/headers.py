"""Header sections: where they end, their fields, and their text for people (RFC 5322 section 2.2, RFC 2047)."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from quopri import decodestring

_WORD = re.compile(r"=\?([A-Za-z0-9!#$%&'+^_`{}~*-]{1,80})\?([bBqQ])\?([^?\s]*)\?=")
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?[A-Za-z0-9!#$%&'+^_`{}~*-]{1,80}\?[bBqQ]\?)")
_ALIASES = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "unicode-1-1-utf-7": "utf-7",
}


def header_end(data: bytes) -> int:
    """The offset just behind the blank line; the length of `data` where there is none."""
    if data[:2] == b"\r\n":
        return 2
    if data[:1] == b"\n":
        return 1
    crlf = data.find(b"\r\n\r\n")
    lf = data.find(b"\n\n", 0, crlf if crlf >= 0 else len(data))
    if lf >= 0:
        return lf + 2
    return crlf + 4 if crlf >= 0 else len(data)


def fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """`(name as written, raw value with its folding, without the last line end)`; lines that are no field are left out."""
    out: list[tuple[bytes, bytes]] = []
    for line in header.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if out and line.strip():
                name, value = out[-1]
                out[-1] = (name, value + b"\n" + line)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and name and b" " not in name:
            out.append((name, value))
    return [(name, value.strip(b" \t\r\n")) for name, value in out]


def unfold(value: bytes) -> bytes:
    """A field's value on one line (RFC 5322 section 2.2.3)."""
    return value.replace(b"\r\n", b"").replace(b"\n", b"") if b"\n" in value else value.replace(b"\r", b"")


def first(header: bytes, name: bytes) -> bytes | None:
    """The unfolded value of the first field of that name, None where there is none."""
    wanted = name.lower()
    for found, value in fields(header):
        if found.lower() == wanted:
            return unfold(value)
    return None


def count(header: bytes, name: bytes) -> int:
    """How many fields of that name there are."""
    wanted = name.lower()
    return sum(found.lower() == wanted for found, _ in fields(header))


def decode_charset(data: bytes, charset: str) -> str:
    """Text of any charset; octets that it does not know become U+FFFD, a charset nobody knows is read as UTF-8."""
    name = _ALIASES.get(charset.lower(), charset)
    try:
        return data.decode(name or "utf-8", "replace")
    except (LookupError, ValueError, UnicodeError):
        return data.decode("utf-8", "replace")


def _word(match: "re.Match[str]") -> str:
    charset, kind, text = match[1].partition("*")[0], match[2], match[3]
    raw = text.encode("ascii", "replace")
    if kind in "bB":
        try:
            octets = b64decode(raw + b"=" * (-len(raw) % 4))
        except (Base64Error, ValueError):
            return match[0]
    else:
        octets = decodestring(raw, header=True)
    return decode_charset(octets, charset)


def decode(value: bytes) -> str:
    """The text of a header field for people: encoded words decoded, 8-bit text read as UTF-8 or Latin-1. Never raises."""
    value = unfold(value)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if "=?" not in text:
        return text
    return _WORD.sub(_word, _BETWEEN.sub(r"\1", text))
