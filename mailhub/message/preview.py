"""PREVIEW (RFC 8970): the first words that a reader of a message would see."""

import re
from collections.abc import Iterator

from . import charset
from .decoding import Decoder
from .html_text import unescape
from .parts import TEXT, Part, parse

READ = 65_536  # octets of a message that are looked at
LENGTH = 200  # characters; RFC 8970 section 3.2 wants no more than 256
_SHOWN = 16_384  # octets of a part
_HIDDEN = ("script", "style", "head", "title")  # elements whose content nobody sees
_NAME = re.compile(r"/?([A-Za-z0-9]{1,20})")


def preview(beginning: bytes) -> str | None:
    """From the first READ octets of a message; None where it shows no text. Never raises."""
    for kind in (b"plain", b"html"):
        for part in _texts(parse(beginning)):
            if part.subtype == kind:
                text = _decoded(beginning, part)
                words = " ".join((text if kind == b"plain" else "".join(_visible(text))).split())
                if words:
                    return words[:LENGTH]
    return None


def _texts(root: Part) -> Iterator[Part]:
    """The text parts that are shown in the message: no files, and no messages inside."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        attached = part.fields.get(b"content-disposition", b"").lower().startswith(b"attachment")
        if part.type == TEXT and not attached:
            yield part
        if part.multipart:
            waiting += reversed(part.parts)


def _decoded(data: bytes, part: Part) -> str:
    decoder = Decoder(part.encoding)
    octets = decoder.feed(data[part.body : min(part.end, part.body + _SHOWN)]) + decoder.finish()
    return charset.decode(octets, dict(part.params).get(b"charset", b"utf-8").decode("ascii", "ignore"))


def _visible(text: str) -> Iterator[str]:
    """The text between tags, a space for each tag."""
    at, hidden = 0, ""
    while at < len(text):
        start = text.find("<", at)
        start = len(text) if start < 0 else start
        if not hidden:
            yield unescape(text[at:start])
            yield " "
        comment = text.startswith("<!--", start)
        end = text.find("-->" if comment else ">", start)
        found = _NAME.match(text, start + 1)
        name = found[1].lower() if found else ""
        if hidden:
            hidden = "" if name == hidden and text[start + 1 : start + 2] == "/" else hidden
        elif name in _HIDDEN and text[start + 1 : start + 2] != "/":
            hidden = name
        at = len(text) if end < 0 else end + (3 if comment else 1)
