"""BODY from BODYSTRUCTURE: the same tree without extension data (RFC 3501 section 7.4.2)."""

import re
from collections.abc import Iterator

from msgspec import Struct, field

_TOKEN = re.compile(rb'\(|\)|"(?:[^"\\]|\\.)*"|\{[0-9]+\}\r\n|[^ ()"{]+', re.DOTALL)
_BASIC, _TEXT, _MESSAGE = 7, 8, 10  # fields of body-type-basic, -text, -msg
_INNER = 8  # which field of body-type-msg is the body inside


class _Node(Struct):
    """A field: `text[start:end]`; a list where it has `fields`."""

    start: int
    end: int = 0
    fields: "list[_Node]" = field(default_factory=list)
    list: bool = False


def without_extension(structure: bytes) -> bytes:
    """`structure` as `message.structure` rendered it; its depth is bounded there."""
    return b"".join(_plain(structure, _tree(structure)))


def _tree(text: bytes) -> _Node:
    top = _Node(0, len(text))
    stack = [top]
    at = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        first = text[found.start()]
        if first == 0x29:
            if len(stack) > 1:
                stack.pop().end = at
            continue
        if first == 0x7B:
            at += int(text[found.start() + 1 : at - 3])
        node = _Node(found.start(), at, list=first == 0x28)
        stack[-1].fields.append(node)
        if node.list:
            stack.append(node)
    return top.fields[0] if top.fields else top


def _plain(text: bytes, node: _Node) -> Iterator[bytes]:
    """The pieces of `node` without its extension fields."""
    fields = node.fields
    if not node.list or not fields:
        yield text[node.start : node.end]
    elif fields[0].list:  # body-type-mpart = 1*body SP media-subtype
        yield b"("
        for part in fields:
            if not part.list:
                yield b" " + text[part.start : part.end]
                break
            yield from _plain(text, part)
        yield b")"
    else:
        kind, subtype = (text[f.start : f.end].upper() for f in (fields[0], fields[min(1, len(fields) - 1)]))
        if (
            kind == b'"MESSAGE"'
            and subtype in (b'"RFC822"', b'"GLOBAL"')
            and len(fields) >= _MESSAGE
            and fields[7].list
        ):
            inner = fields[_INNER]
            yield text[node.start : inner.start]
            yield from _plain(text, inner)
            yield text[inner.end : fields[_MESSAGE - 1].end] + b")"
        else:
            keep = fields[: _TEXT if kind == b'"TEXT"' else _BASIC]
            yield text[node.start : keep[-1].end] + b")"
