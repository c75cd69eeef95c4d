"""Octets of any charset to text: never raising, and never asking Python for a codec that a stranger named (model.charsets)."""

import codecs

from mailhub.model.charsets import known


def codec(charset: str) -> str:
    """The Python codec for a charset's name; "utf_8" for one that is not known."""
    return known(charset) or "utf_8"


def decode(data: bytes, charset: str) -> str:
    """Text; octets that make no sense become U+FFFD."""
    try:
        return data.decode(codec(charset), "replace")
    except UnicodeError:  # a few codecs raise whatever the error handler says
        return data.decode("latin-1")


def decoder(charset: str, beginning: bytes) -> codecs.IncrementalDecoder:
    """A decoder to be fed in blocks of the text that has this beginning."""
    name = codec(charset)
    if name == "utf_16" and beginning[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        name = "utf_16_le"  # what senders mean who leave out the mark, whatever RFC 2781 section 4.3 says
    try:
        return codecs.getincrementaldecoder(name)("replace")
    except LookupError:
        return codecs.getincrementaldecoder("latin-1")("replace")
