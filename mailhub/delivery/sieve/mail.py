"""A message as scripts see it: its header, which they may change, its envelope's fields, its parts, its text."""

from collections.abc import Iterator

from msgspec import Struct

from mailhub.message import charset, headers, parameters
from mailhub.message.decoding import KNOWN, octets
from mailhub.message.html_text import unescape
from mailhub.message.parts import MULTIPART, TEXT, Part, parse
from mailhub.message.window import Window

XHTML = b"application/xhtml+xml"


class Field(Struct, frozen=True):
    """`name` as written; `value`: raw, with its folds, without the line end."""

    name: bytes
    value: bytes

    @property
    def text(self) -> str:
        """Encoded words decoded, no white space around it (RFC 5228 section 2.4.2.2)."""
        return headers.decode(self.value).strip(" \t")

    def named(self, name: str) -> bool:
        return self.name.lower() == name.lower().encode()


class Mail:
    """`changed`: whether a script has changed the header; `received`: its fields as they came."""

    def __init__(self, data: bytes | Window, text_limit: int = 1 << 20) -> None:
        self.data, self._limit = data, text_limit
        self.root = parse(data)
        self.fields = self._fields(self.root)
        self.received = tuple(self.fields)  # as they came
        self.changed = False

    @property
    def size(self) -> int:
        """Octets, as the header is now."""
        return len(self.header_section()) + len(self.data) - self.root.body if self.changed else len(self.data)

    def _fields(self, part: Part) -> list[Field]:
        section = self.data[part.start : min(part.body, part.start + (1 << 20))]
        return [Field(name, value) for name, value in headers.fields(section)]

    def header(self, name: str, part: Part | None = None) -> list[Field]:
        """All fields of that name, of the message or of one of its parts."""
        fields = self.fields if part is None or part is self.root else self._fields(part)
        return [field for field in fields if field.named(name)]

    def header_section(self) -> bytes:
        """The header as it is now, with the blank line behind it."""
        return b"".join(b"%b: %b\r\n" % (field.name, field.value) for field in self.fields) + b"\r\n"

    def parts(self, part: Part | None = None) -> Iterator[Part]:
        """Depth first, the part itself before its parts."""
        waiting = [part or self.root]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += reversed(one.parts)

    def octets(self, part: Part) -> bytes:
        """A part's body, its transfer encoding undone."""
        return octets(self.data[part.body : min(part.end, part.body + self._limit)], part.encoding)

    def decoded(self, part: Part) -> str:
        """A part's content in Unicode."""
        name = dict(part.params).get(b"charset", b"utf-8").decode("ascii", "ignore")
        return charset.decode(self.octets(part), name)

    def is_text(self, part: Part) -> bool:
        """Whether there is text in it to be searched: not under a transfer encoding that nobody knows, for what is in there is
        octets (RFC 2045 section 6.4)."""
        value = part.fields.get(b"content-transfer-encoding")
        known = not value or parameters.parse(value)[0].lower() in KNOWN
        return known and part.body < part.end and (part.type == TEXT or _kind(part) == XHTML)

    def text(self, part: Part) -> str:
        """A part's text; of HTML what is left without its tags."""
        decoded = self.decoded(part)
        if _kind(part) in (b"text/html", XHTML):
            return unescape(untagged(decoded))
        return decoded

    @property
    def has_body(self) -> bool:
        """Whether a blank line stands behind the header, which may be empty."""
        end = self.data[max(0, self.root.body - 3) : self.root.body]
        return end.endswith((b"\n\r\n", b"\n\n")) or end in (b"\r\n", b"\n")

    def raw_body(self) -> str:
        return self._raw(self.root.body, self.root.end)

    def _raw(self, start: int, end: int) -> str:
        return headers.text(self.data[start : min(end, start + self._limit)])

    def content(self, kinds: tuple[str, ...]) -> Iterator[str]:
        """The parts of these types (RFC 5173 section 5.2): of a multipart what stands before and behind its parts, of a message
        its header without the blank line, of all others what is in them."""
        for part in self.parts():
            if part.body >= part.end or not any(_is_of(_kind(part), wanted.lower().encode()) for wanted in kinds):
                continue
            if part.type == MULTIPART:
                if part.parts:
                    yield _before_boundary(self._raw(part.body, part.parts[0].start))
                    yield _behind_boundary(self._raw(part.parts[-1].end, part.end))
            elif part.message:
                header = self._raw(part.parts[0].start, part.parts[0].body)
                yield header.removesuffix("\r\n") if header.endswith("\n\r\n") else header
            else:
                yield self.decoded(part)

    def add(self, field: Field, *, last: bool) -> None:
        self.fields.insert(len(self.fields) if last else 0, field)
        self.changed = True

    def remove(self, gone: list[Field]) -> None:
        ids = {id(field) for field in gone}
        self.fields = [field for field in self.fields if id(field) not in ids]
        self.changed = self.changed or bool(gone)


def _kind(part: Part) -> bytes:
    return b"%b/%b" % (part.type, part.subtype)


def _is_of(kind: bytes, wanted: bytes) -> bool:
    """ "" all, "text" all its subtypes; what begins or ends in a slash or has two is nothing."""
    if not wanted:
        return True
    if wanted[-1:] == b"/":
        return False
    if b"/" not in wanted:
        return kind.partition(b"/")[0] == wanted
    return kind == wanted and wanted.count(b"/") == 1


def _before_boundary(text: str) -> str:
    """Without the last line, where that is a boundary."""
    start = text.rstrip("\r\n").rfind("\n") + 1
    return text[:start] if text.startswith("--", start) else text


def _behind_boundary(text: str) -> str:
    """Without the first line, where that is a boundary."""
    line, _, rest = text.lstrip("\r\n").partition("\n")
    return rest if line.startswith("--") else text


def untagged(text: str) -> str:
    """HTML without its tags, comments, scripts and styles: each character is looked at a few times, however it is nested."""
    lowered = text.lower()
    if len(lowered) != len(text):  # of a few letters
        lowered = text
    out: list[str] = []
    at = 0
    while (opening := text.find("<", at)) >= 0:
        out.append(text[at:opening])
        if text.startswith("<!--", opening):
            at = _behind(text, "-->", opening + 4)
            continue
        at = _behind(text, ">", opening)
        for word in ("script", "style"):
            if lowered.startswith(f"<{word}", opening):
                closing = lowered.find(f"</{word}", at)
                at = _behind(text, ">", closing) if closing >= 0 else len(text)
    return "".join(out) + text[at:]


def _behind(text: str, sign: str, start: int) -> int:
    found = text.find(sign, start)
    return found + len(sign) if found >= 0 else len(text)
