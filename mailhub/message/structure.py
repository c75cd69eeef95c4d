"""A message's parts by offsets, and what IMAP says of them: ENVELOPE, BODY, BODYSTRUCTURE (RFC 9051 section 7.5.2).

`parse` walks the boundaries with bytes.find: no line loop and no regular expression over a body. Beyond MAX_DEPTH or
MAX_PARTS what is left is a leaf.
"""

import re
from dataclasses import dataclass, field

from .address_list import parse as parse_addresses
from .headers import fields, header_end, unfold

MAX_DEPTH, MAX_PARTS = 100, 10_000
_TOKEN = re.compile(rb"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f-\xff]+")
_PLAIN = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_PARAMETERS = 100  # of one field


@dataclass(slots=True)
class Part:
    """A part of a message. Offsets are into the whole: header [start, body), body [body, end)."""

    start: int
    body: int
    end: int
    type: bytes = b"text"
    subtype: bytes = b"plain"
    params: tuple[tuple[bytes, bytes], ...] = ()
    fields: dict[bytes, bytes] = field(default_factory=dict)  # first of each name, lower case, raw
    parts: "list[Part]" = field(default_factory=list)  # of a multipart; of message/rfc822: the one message inside
    lines: int = 0

    @property
    def multipart(self) -> bool:
        return self.type == b"multipart" and bool(self.parts)

    @property
    def message(self) -> bool:
        return self.type == b"message" and self.subtype in (b"rfc822", b"global") and bool(self.parts)


def parse(data: bytes) -> Part:
    """The part tree of a message. Never raises."""
    return _parse(data, 0, len(data), 0, [MAX_PARTS], default=(b"text", b"plain"))


def _parse(data: bytes, start: int, end: int, depth: int, left: list[int], default: tuple[bytes, bytes]) -> Part:
    left[0] -= 1
    # a header is looked for in a bounded window first: a big body is not copied to find its blank line
    window = data[start : min(end, start + 65_536)]
    size = header_end(window)
    if size == len(window) and start + size < end:
        window = data[start:end]
        size = header_end(window)
    part = Part(start, start + size, end)
    for name, value in fields(window[:size]):
        part.fields.setdefault(name.lower(), value)
    part.type, part.subtype, part.params = _content_type(part.fields.get(b"content-type"), default)
    if depth < MAX_DEPTH and left[0] > 0:
        if part.type == b"multipart":
            boundary = dict(part.params).get(b"boundary")
            if boundary:
                _children(data, part, boundary, depth, left)
        elif part.type == b"message" and part.subtype in (b"rfc822", b"global"):
            part.parts.append(_parse(data, part.body, end, depth + 1, left, (b"text", b"plain")))
    if part.type == b"text" or part.message:
        part.lines = data.count(b"\n", part.body, end)
    return part


def _children(data: bytes, part: Part, boundary: bytes, depth: int, left: list[int]) -> None:
    default = (b"message", b"rfc822") if part.subtype == b"digest" else (b"text", b"plain")
    mark = b"--" + boundary
    at = _delimiter(data, mark, part.body, part.end)
    while at >= 0 and left[0] > 0:
        if data[at + len(mark) : at + len(mark) + 2] == b"--":
            return
        begin = data.find(b"\n", at, part.end) + 1
        if not begin:
            return
        following = _delimiter(data, mark, begin, part.end)
        stop = part.end if following < 0 else following
        if following >= 0 and stop > begin:  # the line end before a delimiter belongs to it
            stop -= 2 if data[stop - 2 : stop] == b"\r\n" else 1
        part.parts.append(_parse(data, begin, max(begin, stop), depth + 1, left, default))
        at = following


def _delimiter(data: bytes, mark: bytes, start: int, end: int) -> int:
    """The next line that begins with `mark` and goes on with "--", white space or its end."""
    at = data.find(mark, start, end)
    while at >= 0:
        after = data[at + len(mark) : at + len(mark) + 1]
        if (at == 0 or data[at - 1] == 0x0A) and (after in (b"", b"\r", b"\n", b" ", b"\t") or _closes(data, at, mark)):
            return at
        at = data.find(mark, at + 1, end)
    return -1


def _closes(data: bytes, at: int, mark: bytes) -> bool:
    return data[at + len(mark) : at + len(mark) + 2] == b"--"


def _content_type(
    value: bytes | None, default: tuple[bytes, bytes]
) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    if value is None:
        return *default, ((b"charset", b"us-ascii"),) if default[0] == b"text" else ()
    head, params = parameters(value)
    kind, _, sub = head.partition(b"/")
    kind, sub = kind.strip().lower(), sub.strip().lower()
    if not _TOKEN.fullmatch(kind) or not _TOKEN.fullmatch(sub):
        return b"text", b"plain", ((b"charset", b"us-ascii"),)
    return kind, sub, params


def parameters(value: bytes) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """`value; name=value; ...` of Content-Type and Content-Disposition (RFC 2045 section 5.1); names in lower case."""
    value = unfold(value)
    head, _, rest = value.partition(b";")
    out: list[tuple[bytes, bytes]] = []
    while rest and len(out) < _PARAMETERS:
        name, equals, rest = rest.partition(b"=")
        name = name.rpartition(b";")[2].strip().lower()
        if not equals:
            break
        rest = rest.lstrip(b" \t")
        if rest[:1] == b'"':
            text, rest = _quoted_value(rest)
            rest = rest.partition(b";")[2]
        else:
            text, _, rest = rest.partition(b";")
            text = text.split(b"(")[0].strip()
        if _TOKEN.fullmatch(name):
            out.append((name, text))
    return head.split(b"(")[0].strip(), tuple(out)


def _quoted_value(text: bytes) -> tuple[bytes, bytes]:
    out, position = bytearray(), 1
    while position < len(text):
        octet = text[position]
        if octet == 0x5C and position + 1 < len(text):
            position += 1
            octet = text[position]
        elif octet == 0x22:
            return bytes(out), text[position + 1 :]
        out.append(octet)
        position += 1
    return bytes(out), b""


def find(part: Part, path: tuple[int, ...]) -> Part | None:
    """The part that BODY[path] means (RFC 9051 section 6.4.5.1); None where there is none."""
    current = part
    for number in path:
        if current.message and current is not part:
            current = current.parts[0]
        if current.multipart:
            if not 1 <= number <= len(current.parts):
                return None
            current = current.parts[number - 1]
        elif number != 1:
            return None
    return current


# --- IMAP's words ----------------------------------------------------------------------------------------------------


def nstring(value: bytes | None) -> bytes:
    """NIL, a quoted string, or a literal where the octets need one (RFC 9051 section 4.3)."""
    if value is None:
        return b"NIL"
    if _PLAIN.fullmatch(value) and len(value) < 4096:
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    clean = value.replace(b"\0", b"")
    return b"{%d}\r\n%b" % (len(clean), clean)


def _text(value: bytes | None) -> bytes:
    return nstring(None if value is None else unfold(value))


def _addresses(value: bytes | None) -> bytes:
    found = parse_addresses(value) if value is not None else ()
    if not found:
        return b"NIL"
    return b"(" + b"".join(
        [b"(%b NIL %b %b)" % (_text(m.name), _text(m.local), _text(m.domain)) for m in found]
    ) + b")"  # fmt: skip


def envelope(part: Part) -> bytes:
    """ENVELOPE: Sender and Reply-To stand in for by From where they are missing or empty."""
    get = part.fields.get
    origin = _addresses(get(b"from"))
    sender, reply_to = _addresses(get(b"sender")), _addresses(get(b"reply-to"))
    return b"(%b)" % b" ".join((
        _text(get(b"date")), _text(get(b"subject")), origin, origin if sender == b"NIL" else sender,
        origin if reply_to == b"NIL" else reply_to, _addresses(get(b"to")), _addresses(get(b"cc")),
        _addresses(get(b"bcc")), _text(get(b"in-reply-to")), _text(get(b"message-id")),
    ))  # fmt: skip


def _params(params: tuple[tuple[bytes, bytes], ...]) -> bytes:
    if not params:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (nstring(name), nstring(value)) for name, value in params])


def bodystructure(part: Part, extended: bool = True) -> bytes:
    """BODYSTRUCTURE, or BODY without the extension data."""
    if part.multipart:
        out = b"".join([bodystructure(child, extended) for child in part.parts]) + b" " + nstring(part.subtype)
        if extended:
            out += b" %b %b" % (_params(part.params), _extension(part))
        return b"(%b)" % out
    get = part.fields.get
    encoding = get(b"content-transfer-encoding", b"7bit").split(b"(")[0].strip().lower() or b"7bit"
    kind, subtype = part.type, part.subtype
    if kind == b"multipart":  # one without parts is shown as what it is: text
        kind, subtype = b"text", b"plain"
    out = b"%b %b %b %b %b %b %d" % (
        nstring(kind), nstring(subtype), _params(part.params), _text(get(b"content-id")),
        _text(get(b"content-description")), nstring(encoding), part.end - part.body,
    )  # fmt: skip
    if part.message:
        inner = part.parts[0]
        out += b" %b %b %d" % (envelope(inner), bodystructure(inner, extended), part.lines)
    elif kind == b"text":
        out += b" %d" % part.lines
    if extended:
        out += b" %b %b" % (_text(get(b"content-md5")), _extension(part))
    return b"(%b)" % out


def _extension(part: Part) -> bytes:
    get = part.fields.get
    disposition = b"NIL"
    if (value := get(b"content-disposition")) is not None:
        head, params = parameters(value)
        if head:
            disposition = b"(%b %b)" % (nstring(head.lower()), _params(params))
    language = b"NIL"
    if (value := get(b"content-language")) is not None:
        tags = [nstring(tag.strip()) for tag in unfold(value).split(b",") if tag.strip()]
        language = b"NIL" if not tags else tags[0] if len(tags) == 1 else b"(%b)" % b" ".join(tags)
    return b"%b %b %b" % (disposition, language, _text(get(b"content-location")))


def render(data: bytes) -> tuple[bytes, bytes]:
    """ENVELOPE and BODYSTRUCTURE by one parse: what the index keeps of a message. Never raises."""
    part = parse(data)
    return envelope(part), bodystructure(part)
