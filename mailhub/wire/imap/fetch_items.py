"""What FETCH may ask for (RFC 3501 section 6.4.5): read from a command, written as the name in the answer."""

import re
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from .lexer import NUMBER_MAX, Lexer

MAX_FIELDS = 1_000  # names in one HEADER.FIELDS
MAX_PATH = 100  # levels of a part number
MAX_ITEMS = 1_000  # in one FETCH
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([0-9]{1,10})>")


class Attribute(Enum):
    """Items that the index answers; the value is the name on the wire."""

    FLAGS = "FLAGS"
    UID = "UID"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    BODY = "BODY"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    SAVEDATE = "SAVEDATE"


class Derived(Enum):
    """Items that are found in the message itself (RFC 8474, RFC 8970); lazy: only where that costs little."""

    THREADID = "THREADID"
    PREVIEW = "PREVIEW"
    PREVIEW_LAZY = "PREVIEW (LAZY)"


class What(Enum):
    """Which octets of a message or part a section means; the value is its name on the wire."""

    ALL = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


class Section(Struct, frozen=True):
    """BODY[...] and its old forms. `partial`: (origin, most octets). `label`: the item's name in the answer."""

    what: What
    path: tuple[int, ...] = ()
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    label: bytes = b""


class Binary(Struct, frozen=True):
    """BINARY[...] (RFC 3516): a part without its transfer encoding. Without a path: the message as it is."""

    path: tuple[int, ...]
    partial: tuple[int, int] | None = None
    peek: bool = False
    label: bytes = b""


class BinarySize(Struct, frozen=True):
    """BINARY.SIZE[...]: how many octets BINARY would be."""

    path: tuple[int, ...]
    label: bytes = b""


Item = Attribute | Derived | Section | Binary | BinarySize

_MACROS: dict[str, tuple[Attribute, ...]] = {
    "ALL": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE),
    "FAST": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE),
    "FULL": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE, Attribute.BODY),
}
_OLD = {
    "RFC822": Section(What.ALL, label=b"RFC822"),
    "RFC822.HEADER": Section(What.HEADER, peek=True, label=b"RFC822.HEADER"),
    "RFC822.TEXT": Section(What.TEXT, label=b"RFC822.TEXT"),
    # of RFC 1730, and asked for by Outlook to this day (docs/interop.md)
    "RFC822.PEEK": Section(What.ALL, peek=True, label=b"RFC822"),
    "RFC822.TEXT.PEEK": Section(What.TEXT, peek=True, label=b"RFC822.TEXT"),
}


def peeking(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Without setting \\Seen: nobody has read a message because he was told of it."""
    return tuple([replace(item, peek=True) if isinstance(item, Section | Binary) else item for item in items])


def read(lexer: Lexer) -> tuple[Item, ...]:
    """macro / fetch-att / "(" fetch-att *(SP fetch-att) ")" ; each item once, in the order asked"""
    if not lexer.skip(b"("):
        return _item(lexer, macros=_MACROS)
    items: list[Item] = []
    while True:
        items += _item(lexer, macros={})
        if len(items) > MAX_ITEMS:
            lexer.fail("Too many items")
        if not lexer.skip(b" "):
            break
        if lexer.peek() == 0x29:
            break
    lexer.expect(b")")
    return tuple(dict.fromkeys(items))


def _item(lexer: Lexer, macros: dict[str, tuple[Attribute, ...]]) -> tuple[Item, ...]:
    name = lexer.match(_NAME, "an item to fetch")[0].decode("ascii").upper()
    if name in macros:
        return macros[name]
    if name in ("BODY", "BODY.PEEK") and lexer.skip(b"["):
        return (_section(lexer, peek=name == "BODY.PEEK"),)
    if name in ("BINARY", "BINARY.PEEK", "BINARY.SIZE"):
        return (_binary(lexer, name),)
    if name in ("THREADID", "PREVIEW"):
        return (_derived(lexer, name),)
    if name in _OLD:
        return (_OLD[name],)
    try:
        return (Attribute(name),)
    except ValueError:
        lexer.fail("Unknown item to fetch")


def _section(lexer: Lexer, *, peek: bool) -> Section:
    """section = "[" [section-spec] "]" ["<" number "." nz-number ">"]"""
    section = read_section(lexer)
    label = _label(section)
    partial = _partial(lexer)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Section(section.what, section.path, section.fields, partial, peek, label)


def read_section(lexer: Lexer) -> Section:
    """[section-spec] "]", to be peeked at"""
    path, what = _spec(lexer)
    fields: tuple[bytes, ...] = ()
    if what in (What.FIELDS, What.FIELDS_NOT):
        lexer.space()
        fields = _fields(lexer)
    lexer.expect(b"]")
    return Section(what, path, fields, peek=True)


def _partial(lexer: Lexer) -> tuple[int, int] | None:
    if lexer.peek() != 0x3C:
        return None
    found = lexer.match(_PARTIAL, "a partial range")
    partial = int(found[1]), int(found[2])
    if not 0 < partial[1] <= NUMBER_MAX or partial[0] > NUMBER_MAX:
        lexer.fail("Partial range out of bounds")
    return partial


def _binary(lexer: Lexer, name: str) -> Binary | BinarySize:
    """section-binary = "[" [section-part] "]"  (RFC 3516 section 7); SIZE has no partial range"""
    lexer.expect(b"[")
    path, what = _spec(lexer)
    if what is not What.ALL:
        lexer.fail("BINARY takes a part number")
    lexer.expect(b"]")
    label = b"[%b]" % ".".join(map(str, path)).encode("ascii")
    if name == "BINARY.SIZE":
        return BinarySize(path, b"BINARY.SIZE" + label)
    partial = _partial(lexer)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Binary(path, partial, name == "BINARY.PEEK", b"BINARY" + label)


def _derived(lexer: Lexer, name: str) -> Derived:
    """ "PREVIEW" [SP "(" "LAZY" ")"]  (RFC 8970 section 6)"""
    if name == "PREVIEW" and lexer.skip(b" ("):
        if lexer.keyword() != "LAZY":
            lexer.fail("Unknown modifier of PREVIEW")
        lexer.expect(b")")
        return Derived.PREVIEW_LAZY
    return Derived(name)


def _spec(lexer: Lexer) -> tuple[tuple[int, ...], What]:
    """section-spec = section-msgtext / (section-part ["." section-text])"""
    if lexer.peek() == 0x5D:
        return (), What.ALL
    words = lexer.match(_NAME, "a section")[0].decode("ascii").upper().split(".")
    path: list[int] = []
    while words and words[0].isdigit():
        number = words.pop(0)
        if len(number) > 10 or not 0 < int(number) <= NUMBER_MAX:
            lexer.fail("Part number out of range")
        path.append(int(number))
    if len(path) > MAX_PATH:
        lexer.fail("Part number too deep")
    if words == [""]:
        lexer.fail("Unknown section")
    try:
        what = What(".".join(words))
    except ValueError:
        lexer.fail("Unknown section")
    if what is What.MIME and not path:
        lexer.fail("MIME needs a part number")
    return tuple(path), what


def _fields(lexer: Lexer) -> tuple[bytes, ...]:
    """header-list = "(" header-fld-name *(SP header-fld-name) ")" """
    lexer.expect(b"(")
    names = [lexer.astring()]
    while lexer.skip(b" ") and lexer.peek() != 0x29:
        names.append(lexer.astring())
        if len(names) > MAX_FIELDS:
            lexer.fail("Too many header fields")
    lexer.expect(b")")
    for name in names:
        if not name or any(not 0x21 <= octet <= 0x7E or octet == 0x3A for octet in name):
            lexer.fail("Not the name of a header field")
    return tuple(names)


def _label(section: Section) -> bytes:
    spec = ".".join([*map(str, section.path), *([section.what.value] if section.what.value else [])]).encode("ascii")
    if section.fields:
        spec += b" (" + b" ".join(_astring(name) for name in section.fields) + b")"
    return b"BODY[" + spec + b"]"


def _astring(name: bytes) -> bytes:
    if any(octet in b'(){%*"\\]' for octet in name):
        return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return name
