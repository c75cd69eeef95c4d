"""The text of a message that SEARCH looks through (RFC 9051 section 6.4.4): headers and text parts, decoded.

It comes in pieces, made as they are asked for; joined, they are the text. What is not text (pictures, archives) is left out.
"""

from collections.abc import Iterator

from . import charset, headers, parameters
from .decoding import BLOCK, blocks
from .parts import TEXT, Part

LIMIT = 1 << 26  # octets of one message that are looked through


def header(data: bytes, part: Part) -> Iterator[str]:
    """A part's header: each field on a line, encoded words decoded; then as it was written, where that differs."""
    for start in range(part.start, part.body, BLOCK):  # nearly always once
        block = data[start : min(start + BLOCK, part.body)]
        lines = [b"%b: %b" % (name, headers.unfold(value)) for name, value in headers.fields(block)]
        plain = headers.text(b"\n".join(lines))
        if "=?" in plain:
            yield "\n".join([headers.decode(line) for line in lines]) + "\n"
        yield plain + "\n"
    for value in (part.fields.get(b"content-type"), part.fields.get(b"content-disposition")):
        if value and b"*" in value:  # names of files in the form of RFC 2231
            for name, text in parameters.parse(value)[1]:
                if name.endswith(b"*"):
                    encoding, octets = parameters.extended_value(text)
                    yield charset.decode(octets, encoding) + "\n"


def body(data: bytes, root: Part) -> Iterator[str]:
    """What is behind the header of `root`: text parts, and the headers of parts and of messages inside."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part is not root:
            yield from header(data, part)
        if part.type == TEXT:
            yield from _text(data, part)
        waiting += reversed(part.parts)


def _text(data: bytes, part: Part) -> Iterator[str]:
    name = dict(part.params).get(b"charset", b"utf-8").decode("ascii", "ignore")
    decoder = None
    for octets in blocks(data, part.body, min(part.end, LIMIT), part.encoding):
        decoder = decoder or charset.decoder(name, octets)
        try:
            yield decoder.decode(octets)
        except UnicodeError:  # a few codecs raise whatever the error handler says
            decoder.reset()
            yield charset.decode(octets, name)
    yield "\n"
