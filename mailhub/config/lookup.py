"""Lookup: an option that maps keys to values names its tables as Postfix does. Pure.

    "hash:/etc/aliases"                       one table, "type:name"
    { "example.org" = "REJECT" }              written out on the spot
    ["cidr:clients.cidr", { ... }]            several, searched in this order; the first that has the key answers

`split` also reads the braces of unionmap:{a, b} and its like.
"""

import os
from typing import NamedTuple

import msgspec

# Type: what its name is ("file", "tables", "text"), and what it is for people.
TYPES = {
    "hash": ("file", "source text of postmap(1) or newaliases(1), read as it is; keys in any case"),
    "btree": ("file", "the same as hash"),
    "lmdb": ("file", "the same as hash"),
    "cdb": ("file", "the same as hash"),
    "dbm": ("file", "the same as hash"),
    "texthash": ("file", "the same as hash"),
    "file": ("file", "the same as hash"),
    "aliases": ("file", "aliases(5): `name: value`"),
    "regexp": ("file", "regexp_table(5): /pattern/flags value"),
    "pcre": ("file", "pcre_table(5): /pattern/flags value"),
    "cidr": ("file", "cidr_table(5): network/prefix value"),
    "static": ("text", "always the same value"),
    "fail": ("text", "can never be asked: a temporary failure"),
    "inline": ("text", "inline:{key=value, {key = value with blanks}}"),
    "sqlite": ("file", "sqlite_table(5): a file with dbpath and query"),
    "mysql": ("file", "mysql_table(5): a file with hosts, user, password, dbname and query"),
    "unionmap": ("tables", "unionmap:{a, b}: the values of all, joined with commas"),
    "pipemap": ("tables", "pipemap:{a, b}: the value of a is the key of b"),
    "randmap": ("text", "randmap:{value, value}: any one of them"),
}


class Malformed(ValueError):
    """The text names no table; it says why."""


class Lookup(msgspec.Struct, frozen=True):
    """`sources`: each "type:name", or pairs written out on the spot. Empty: no table, no key is found."""

    sources: tuple[str | tuple[tuple[str, str], ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources)


class Spec(NamedTuple):
    """One "type:name", taken apart. `parts`: what stands in the braces of unionmap and its like."""

    kind: str
    name: str
    parts: tuple[str, ...] = ()


def read(value: object) -> Lookup:
    """A Lookup from what stands in TOML. Malformed where that names no tables."""
    items = value if isinstance(value, list) else [value]
    sources: list[str | tuple[tuple[str, str], ...]] = []
    for item in items:
        if isinstance(item, str):
            if item:
                spec(item)
                sources.append(item)
        elif isinstance(item, dict) and all(isinstance(text, str) for text in item.values()):
            sources.append(tuple((str(key), str(text)) for key, text in item.items()))
        else:
            raise Malformed('"type:name", { "key" = "value" }, or a list of those')
    return Lookup(tuple(sources))


def spec(text: str) -> Spec:
    """Take "type:name" apart. Malformed where the type is not known or the name is not one."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in TYPES:
        raise Malformed(f'a table "type:name" with a type of {", ".join(TYPES)}')
    if not name and kind != "fail":
        raise Malformed(f'a name behind "{kind}:"')
    if kind in ("unionmap", "pipemap", "randmap", "inline"):
        parts = split(name)
        if not parts:
            raise Malformed(f"{kind}:{{...}} with something in its braces")
        for part in parts if kind != "randmap" else ():
            pair(part) if kind == "inline" else spec(part)
        return Spec(kind, name, parts)
    return Spec(kind, name)


def pair(part: str) -> tuple[str, str]:
    """One part of inline:{...}: the key in lower case, the value."""
    key, equals, value = part.partition("=")
    if not equals or not key.strip():
        raise Malformed(f"inline: key=value, not {part!r}")
    return key.strip().lower(), value.strip()


def split(text: str) -> tuple[str, ...]:
    """What stands in `{a, {b c}, d}`: parts divided by commas or blanks, inner braces taken off where they enclose a part."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise Malformed("braces around a list: {a, b}")
    parts, depth, start, inner = [], 0, 0, text[1:-1]
    for at, char in enumerate(inner + ","):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth < 0:
                raise Malformed("braces in pairs")
        elif depth == 0 and (char == "," or char.isspace()):
            part = inner[start:at].strip()
            start = at + 1
            if part:
                parts.append(part[1:-1].strip() if part.startswith("{") and part.endswith("}") else part)
    if depth:
        raise Malformed("braces in pairs")
    return tuple(parts)


def anchored(lookup: Lookup, folder: str) -> Lookup:
    """The same with relative file names made absolute."""
    return Lookup(tuple(anchor(item, folder) if isinstance(item, str) else item for item in lookup.sources))


def anchor(text: str, folder: str) -> str:
    """One "type:name" with its file name made absolute; text that is none stays as it is."""
    try:
        found = spec(text)
    except Malformed:
        return text
    if TYPES[found.kind][0] == "file":
        return f"{found.kind}:{os.path.join(folder, found.name)}"
    if TYPES[found.kind][0] == "tables":
        return f"{found.kind}:{{{', '.join('{' + anchor(part, folder) + '}' for part in found.parts)}}}"
    return text
