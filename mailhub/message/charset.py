"""Octets of any charset to text: never raising, and never asking Python for a codec that a stranger named (model.charsets)."""

import codecs
import re
from encodings import utf_7

from mailhub.model.charsets import known

_HALVES = "utf_7"  # the only codec that decodes half a surrogate pair
_HALF = re.compile("[\ud800-\udfff]")


def codec(charset: str) -> str:
    """The Python codec for a charset's name; "utf_8" for one that is not known."""
    return known(charset) or "utf_8"


def decode(data: bytes, charset: str) -> str:
    """Text; octets that make no sense become U+FFFD."""
    name = codec(charset)
    try:
        text = data.decode(name, "replace")
    except UnicodeError:  # a few codecs raise whatever the error handler says
        return data.decode("latin-1")
    return _whole(text) if name == _HALVES else text


def _whole(text: str) -> str:
    """Without halves of characters, which are no text: no UTF-8 can be made of them, nor JSON."""
    return _HALF.sub("\ufffd", text)


def decoder(charset: str, beginning: bytes) -> codecs.IncrementalDecoder:
    """A decoder to be fed in blocks of the text that has this beginning."""
    name = codec(charset)
    if name == "utf_16" and beginning[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        name = "utf_16_le"  # what senders mean who leave out the mark, whatever RFC 2781 section 4.3 says
    if name == _HALVES:
        return _Whole("replace")
    try:
        return codecs.getincrementaldecoder(name)("replace")
    except LookupError:
        return codecs.getincrementaldecoder("latin-1")("replace")


class _Whole(utf_7.IncrementalDecoder):
    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]
        return _whole(super().decode(data, final))
