"""dovecot.conf of version 2.3 (and 2.4, whose files have the same form) as a tree. Pure: text in, values out.

name = value            a setting; "value" and 'value' lose their quotes
name = <file            the content of a file
kind name { ... }       a section; within a section `name = value` and sections
!include pattern        other files, `!include_try` where they may be missing
"""

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from .main_cf import Malformed, Value

DEPTH = 50  # sections in sections, and files in files
_SETTING = re.compile(r"([A-Za-z0-9_/.:@*-]+)\s*=\s*(.*)")
_SECTION = re.compile(r"([A-Za-z0-9_-]+)(?:\s+(\"[^\"]*\"|[^\s{]+))?\s*\{")


class Section(Struct):
    """`kind` "passdb", `name` "" or what stands behind it. Of a setting that stands there twice the last counts."""

    kind: str = ""
    name: str = ""
    line: int = 0
    settings: dict[str, Value] = field(default_factory=dict)
    sections: "list[Section]" = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        return self.settings[name].text if name in self.settings else default

    def all(self, kind: str) -> "Iterator[Section]":
        """Those of that kind, at this level."""
        return (section for section in self.sections if section.kind == kind)

    def walk(self, path: str = "") -> "Iterator[tuple[str, Value]]":
        """Every setting below it: "passdb/driver"."""
        for name, value in self.settings.items():
            yield f"{path}{name}", value
        for section in self.sections:
            label = f"{section.kind} {section.name}".strip()
            yield from section.walk(f"{path}{label}/")


Included = Callable[[str, bool, str], Sequence[tuple[str, str]]]


def read(text: str, included: Included) -> Section:
    """`included(pattern, needed, name)`: names and texts of the files that an include in the file of that name means. Malformed."""
    root = Section()
    _into(root, text, "", included, 0)
    return root


def _into(root: Section, text: str, name: str, included: Included, files: int) -> None:
    if files > DEPTH:
        raise Malformed("files that include each other")
    path = [root]
    for number, line in _lines(text):
        if line.startswith("!include"):
            word, _, pattern = line.partition(" ")
            for file, more in included(pattern.strip(), word == "!include", name):
                _into(path[-1], more, file, included, files + 1)
        elif line == "}":
            if len(path) == 1:
                raise Malformed(f"line {number}: }} without {{")
            path.pop()
        elif (found := _SECTION.match(line)) is not None:
            section = _section(path[-1], found[1], (found[2] or "").strip('"'), number)
            rest = line[found.end() :].strip()
            if rest == "}":
                continue
            if rest:
                raise Malformed(f"line {number}: {rest[:80]!r} behind {{")
            path.append(section)
            if len(path) > DEPTH:
                raise Malformed(f"line {number}: sections nested too deep")
        elif (found := _SETTING.fullmatch(line)) is not None:
            path[-1].settings[found[1]] = Value(_unquoted(found[2]), number)
        else:
            raise Malformed(f"line {number}: neither setting nor section: {line[:80]!r}")
    if len(path) > 1:
        raise Malformed(f"line {path[-1].line}: {path[-1].kind} {{ is not closed")


def _section(parent: Section, kind: str, name: str, number: int) -> Section:
    """Sections with a name are one, wherever they stand; those without are each their own (passdb, userdb)."""
    for known in parent.all(kind):
        if known.name == name and (name or kind not in ("passdb", "userdb")):
            return known
    section = Section(kind, name, number)
    parent.sections.append(section)
    return section


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Without comments; a line that ends in a backslash goes on in the next."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        line = _uncommented(line).strip()
        start = start if joined else number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        line = joined + line
        joined = ""
        if line:
            yield start, line
    if joined.strip():
        yield start, joined.strip()


def _uncommented(line: str) -> str:
    """A # begins a comment at the beginning of a line, or behind white space outside of quotes."""
    quote = ""
    for at, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
    return line


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text
