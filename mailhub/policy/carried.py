"""What a message carries: its parts with their names and real types, members of archives among them, and whether it is a bomb.

Nothing is believed of what a part says of itself, and nothing is unpacked beyond the limits.
"""

from collections.abc import Iterator

from msgspec import Struct

from mailhub.message import decoding, signatures
from mailhub.message.file_names import file_name
from mailhub.message.parts import MESSAGE, MULTIPART, Part, parse
from mailhub.message.window import Window

from .members import Bounds, Member

_MACROS = (b"_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0", b"V\0B\0A\0")  # names of streams in an OLE file, UTF-16
_VBA = "vbaproject.bin"
_NAME = 255  # characters of a name
# What a name or declared type promises, and the real types that break the promise.
_HARMLESS = ("txt", "jpg", "jpeg", "png", "gif", "bmp", "pdf", "doc", "xls", "ppt", "mp3", "mp4", "wav", "csv")
_LIES = frozenset(("executable", "script", "shortcut", "html"))


class Limits(Struct, frozen=True):
    """`parts`, `depth`: of MIME; `octets`: decoded and unpacked in all; `members`, `nested`: of archives."""

    parts: int = 1_000
    depth: int = 30
    octets: int = 1 << 26
    members: int = 2_000
    nested: int = 5


class Finding(Struct, frozen=True):
    """`kind`: "name" (an extension), "type" (a real type), "disguise", "macros", or a trouble: "bomb", "encrypted", "large",
    "unreadable". `what`: the extension, the type; `path`: which part, and which member of it."""

    kind: str
    what: str
    path: str


def findings(window: Window, limits: Limits) -> list[Finding]:
    """All that rules can be about, each part and member once for its name and once for its type. Raises what the window does."""
    root = parse(window)
    found: list[Finding] = []
    bounds = Bounds(limits.octets, limits.members, limits.nested)
    waiting, seen = [(root, 1)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > limits.parts or depth > limits.depth:
            return [*found, Finding("bomb", "parts" if seen > limits.parts else "depth", "MIME")]
        if part.parts:
            waiting += [(child, depth + 1) for child in reversed(part.parts)]
        elif part.type in (MULTIPART, MESSAGE) and depth >= limits.depth:
            return [*found, Finding("bomb", "depth", "MIME")]
        else:
            found += _part(window, part, bounds)
    return found


def _part(window: Window, part: Part, bounds: Bounds) -> Iterator[Finding]:
    name = file_name(part)[:_NAME]
    head = _decoded(window, part, signatures.READ)
    kind = signatures.kind(head)
    path = name or "(no name)"
    yield from _of(name, kind, path)
    declared = part.type == b"image" or name.rpartition(".")[2].strip().lower() in _HARMLESS
    if kind in _LIES and declared:
        yield Finding("disguise", kind, path)
    if kind not in signatures.ARCHIVES and kind != "ole":
        return
    if part.end - part.body > bounds.octets:
        yield Finding("large", kind, path)
        return
    data = _decoded(window, part, part.end - part.body)
    bounds.octets -= len(data)
    if kind == "ole":
        if all(mark in data for mark in _MACROS):
            yield Finding("macros", "ole", path)
        return
    from . import unpacking  # archives are rare: 0.5 MB

    for member in unpacking.members(data, kind, bounds, path):
        yield from _member(member)


def _member(member: Member) -> Iterator[Finding]:
    if member.trouble:
        yield Finding(member.trouble, member.kind, member.path)
    name = member.path.rpartition("/")[2]
    yield from _of(name, member.kind, member.path)
    if name.lower() == _VBA:
        yield Finding("macros", "office", member.path)


def _of(name: str, kind: str, path: str) -> Iterator[Finding]:
    if "." in name:
        yield Finding("name", name.rstrip(". ").rpartition(".")[2].strip().lower(), path)
    if kind:
        yield Finding("type", kind, path)


def _decoded(window: Window, part: Part, limit: int) -> bytes:
    decoder, size, blocks = decoding.Decoder(part.encoding), 0, []
    for at in range(part.body, part.end, decoding.BLOCK):
        blocks.append(decoder.feed(window[at : min(at + decoding.BLOCK, part.end)]))
        size += len(blocks[-1])
        if size >= limit:
            break
    else:
        blocks.append(decoder.finish())
    return b"".join(blocks)[:limit]
