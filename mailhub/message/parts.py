"""A message's parts by offsets (RFC 2045, RFC 2046).

`parse` goes through the octets once with bytes.find, whatever the depth: blank lines and lines that begin with "--" are the
only places it looks at. No regular expression ever sees a body. Beyond MAX_DEPTH, MAX_PARTS or MAX_LINES what is left is a leaf.
A large message is looked at through a `Window`: its parts are found with a few blocks of it in memory.

A boundary is a whole line: "--", the boundary, "--" where it closes, white space. (Dovecot is content with the beginning of
one; then a boundary that begins like another cuts parts in the wrong place.)
"""

from msgspec import Struct, field

from . import parameters
from .headers import FIELD, unfold
from .parameters import Parameters
from .window import Window

MAX_DEPTH, MAX_PARTS = 100, 10_000
MAX_LINES = 1_000_000  # that begin with "--" and may be boundaries
HEADER_LIMIT = 1 << 20  # octets of one header section that are read for fields
VALUE_LIMIT = 1 << 16  # octets of one field that are shown
_LINE_LIMIT = 1_000  # octets of a boundary line

_WANTED = frozenset(
    b"date subject from sender reply-to to cc bcc in-reply-to message-id content-type content-transfer-encoding content-id "
    b"content-description content-md5 content-disposition content-language content-location".split()
)
_LISTS = frozenset(b"from sender reply-to to cc bcc".split())
_LAST = frozenset(b"date subject in-reply-to message-id".split())
# unfolded as RFC 5322 section 2.2.3 has it; in a subject and in lists white space is one space, for people
_EXACT = _WANTED - _LISTS - {b"subject"}
MULTIPART, TEXT, MESSAGE, RFC822 = b"multipart", b"text", b"message", b"rfc822"
TEXT_PLAIN = (TEXT, b"plain")
_TOKEN = bytes(n for n in range(33, 127) if n not in b'()<>@,;:\\"/[]?=')


class Part(Struct):
    """A part of a message. Offsets are into the whole: header [start, body), body [body, end).

    `parts`: of a multipart, its parts; of message/rfc822, the one message inside. A part whose content could not be entered
    (no boundary, too deep, too many) has none.
    """

    start: int
    body: int
    end: int
    type: bytes = TEXT
    subtype: bytes = b"plain"
    params: Parameters = ()
    fields: dict[bytes, bytes] = field(default_factory=dict)  # those that IMAP shows, first of each; lower-case names
    parts: "list[Part]" = field(default_factory=list)
    lines: int = 0  # line ends in the body of a text, multipart or message/rfc822

    @property
    def multipart(self) -> bool:
        return self.type == MULTIPART and bool(self.parts)

    @property
    def message(self) -> bool:
        return self.type == MESSAGE and bool(self.parts)

    @property
    def encoding(self) -> bytes:
        """Content-Transfer-Encoding in lower case, b"7bit" where there is none."""
        value = self.fields.get(b"content-transfer-encoding")
        word = parameters.parse(value)[0].lower() if value else b""
        return word if word and not word.translate(None, _TOKEN) else b"7bit"


def parse(data: bytes | Window) -> Part:
    """The part tree of a message. Raises nothing but what a window's `read` raises."""
    return _Scan(data).run()


class _Scan:
    """One walk over a message. What was found ahead is kept, so that nothing is searched twice."""

    def __init__(self, data: bytes | Window) -> None:
        self._data = data
        self._size = len(data)
        self._open: list[Part] = []  # the path to the part that is being read
        self._marks: dict[bytes, list[int]] = {}  # boundary -> depths of the multiparts that have it, innermost last
        self._boundaries: dict[int, bytes] = {}  # depth of a multipart that is not closed -> its boundary
        self._left, self._looks = MAX_PARTS, MAX_LINES
        self._lf = self._crlf = self._dash = -1  # where the next LF LF, LF CR LF, LF "--" begin
        self._counted: list[Part] = []  # parts whose lines are to be counted

    def run(self) -> Part:
        at = self._begin(0, TEXT_PLAIN)
        root = self._open[0]
        while self._marks and self._left > 0:
            found = self._delimiter(at, self._size)
            if found is None:
                break
            line, at, depth, closes = found
            self._close(depth + 1, _before_line_end(self._data, line))
            if closes:
                self._forget(depth)
            else:
                digest = self._open[depth].subtype == b"digest"
                at = self._begin(at, (MESSAGE, RFC822) if digest else TEXT_PLAIN)
        self._close(0, self._size)
        self._count_lines()
        return root

    def _begin(self, start: int, default: tuple[bytes, bytes]) -> int:
        """Open the part at `start`, and the messages inside it; return where the innermost body begins."""
        path = self._open
        while True:
            body, whole = self._header_end(start)
            part = Part(start, body, self._size)
            if body > start:
                part.fields = _fields(self._data, start, body)
            part.type, part.subtype, part.params = _content_type(part.fields.get(b"content-type"), default)
            depth = len(path)
            if path:
                path[-1].parts.append(part)
            path.append(part)
            self._left -= 1
            if part.type in (TEXT, MULTIPART):  # a multipart that turns out to have no parts is shown as text
                self._counted.append(part)
            if whole and depth < MAX_DEPTH and self._left > 0:
                if part.type == MULTIPART:
                    self._remember(depth, dict(part.params).get(b"boundary", b"").rstrip(b" \t"))
                elif part.type == MESSAGE and part.subtype == RFC822:
                    self._counted.append(part)
                    start, default = body, TEXT_PLAIN
                    continue
            return body

    def _header_end(self, start: int) -> tuple[int, bool]:
        """Where the body begins; False where a boundary or the end came before any blank line."""
        blank = self._blank(start)
        if self._marks:
            found = self._delimiter(start, self._size if blank is None else blank)
            if found is not None:
                return max(start, _before_line_end(self._data, found[0])), False
        return (self._size, False) if blank is None else (blank, True)

    def _blank(self, start: int) -> int | None:
        """The offset behind the next blank line; the line at `start` may be one."""
        data, size = self._data, self._size
        if start == 0 and data[:1] == b"\n":
            return 1
        if start == 0 and data[:2] == b"\r\n":
            return 2
        before = max(start - 1, 0)
        if self._crlf < before:
            self._crlf = data.find(b"\n\r\n", before) if self._crlf < size else size
            if self._crlf < 0:
                self._crlf = size
        if self._lf < before:
            self._lf = data.find(b"\n\n", before, self._crlf + 1)
            if self._lf < 0:
                self._lf = self._crlf
        if self._lf < self._crlf:
            return self._lf + 2
        return self._crlf + 3 if self._crlf < size else None

    def _delimiter(self, start: int, stop: int) -> tuple[int, int, int, bool] | None:
        """The next boundary line in [start, stop): where it begins and ends, the multipart's depth, whether it closes."""
        data, size, marks, dash = self._data, self._size, self._marks, self._dash
        if dash < start - 1:
            dash = _dash(data, max(start - 1, 0))
        while dash + 1 < stop and self._looks > 0:
            self._looks -= 1
            line = dash + 1
            end = data.find(b"\n", line, line + _LINE_LIMIT)
            if end < 0:
                end = min(size, line + _LINE_LIMIT)
            name = data[line + 2 : end].rstrip(b" \t\r")
            closes = False
            if name not in marks and name[-2:] == b"--":
                name = name[:-2].rstrip(b" \t")
                closes = True
            if name in marks:
                self._dash = dash
                return line, min(end + 1, size), marks[name][-1], closes
            dash = _dash(data, end)
        self._dash = dash
        return None

    def _remember(self, depth: int, boundary: bytes) -> None:
        if boundary:
            self._marks.setdefault(boundary, []).append(depth)
            self._boundaries[depth] = boundary

    def _forget(self, depth: int) -> None:
        boundary = self._boundaries.pop(depth, None)
        if boundary is not None:
            self._marks[boundary].pop()
            if not self._marks[boundary]:
                del self._marks[boundary]

    def _close(self, depth: int, end: int) -> None:
        """The open parts at `depth` and below it end at `end`."""
        while len(self._open) > depth:
            part = self._open.pop()
            part.end = end = max(part.body, end)  # a blank line just before the boundary counts for the header
            self._forget(len(self._open))

    def _count_lines(self) -> None:
        """Once over the octets, however deep messages lie in messages."""
        data, counted = self._data, self._counted
        if len(counted) == 1:
            counted[0].lines = data.count(b"\n", counted[0].body, counted[0].end)
            return
        at, lines, up_to = 0, 0, {}
        for offset in sorted({n for part in counted for n in (part.body, part.end)}):
            lines += data.count(b"\n", at, offset)
            at = offset
            up_to[offset] = lines
        for part in counted:
            part.lines = up_to[part.end] - up_to[part.body]


def _dash(data: bytes | Window, start: int) -> int:
    at = data.find(b"\n--", start)
    return at if at >= 0 else len(data)


def _before_line_end(data: bytes | Window, line: int) -> int:
    """Where the line end before `line` begins: it belongs to the boundary (RFC 2046 section 5.1.1)."""
    return line - 2 if data[line - 2 : line] == b"\r\n" else line - 1


def _fields(data: bytes | Window, start: int, end: int) -> dict[bytes, bytes]:
    """The fields that IMAP shows, on one line each. Of repeated ones: all addresses; the last text, which is the one that a
    DKIM signature covers first; the first of MIME's."""
    out: dict[bytes, bytes] = {}
    more: dict[bytes, list[bytes]] = {}
    for name, value in FIELD.findall(data[start : min(end, start + HEADER_LIMIT)]):
        name = name.lower()
        if name not in _WANTED:
            continue
        value = value[:VALUE_LIMIT].strip(b" \t\r")
        if name in _EXACT:
            value = unfold(value)
        elif b"\n" in value or name == b"subject":
            value = b" ".join(value.split())
        if name not in out or name in _LAST:
            out[name] = value
        elif name in _LISTS:
            more.setdefault(name, [out[name]]).append(value)
    for name, values in more.items():
        out[name] = b",".join(values)[:VALUE_LIMIT]
    return out


def _content_type(value: bytes | None, default: tuple[bytes, bytes]) -> tuple[bytes, bytes, Parameters]:
    """What does not parse is text/plain (RFC 2045 section 5.2)."""
    if not value:
        return *default, ()
    head, params = parameters.parse(value)
    kind, _, subtype = head.lower().partition(b"/")
    kind, subtype = kind.strip(), subtype.strip()
    if kind.translate(None, _TOKEN) or subtype.translate(None, _TOKEN) or not (kind and subtype):
        return *TEXT_PLAIN, params
    return kind, subtype, params


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part that BODY[path] means (RFC 9051 section 6.4.5.1); None where there is none.

    Numbers count the parts of a multipart. A message that is no multipart has one part, its body: number 1, for which the
    message's own Part stands.
    """
    part = scope = root
    whole = True  # `scope` is a message: its body counts as part 1 where it is not divided
    for number in path:
        if not whole:
            whole = part.message
            scope = part.parts[0] if whole else part
        if scope.multipart:
            if not 1 <= number <= len(scope.parts):
                return None
            part = scope.parts[number - 1]
        elif whole and number == 1:
            part = scope
        else:
            return None
        whole = False
    return part
