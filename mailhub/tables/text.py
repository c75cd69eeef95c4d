"""The source text of tables: logical lines, `key value` (postmap(1)) and `name: value` (aliases(5)). Pure."""

import re
from collections.abc import Iterator

from mailhub.model.errors import Permanent

# An alias: a name without blanks and colons, or one in quotes, and a colon that ends it.
_ALIAS = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\s:"#]+))[ \t]*:(?:[ \t]+(.*)|)\Z', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]+(.*)\Z', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")


class BadLine(Permanent):
    """A line that can not be understood; the text names it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text). A line that begins with a blank goes on with the one before; empty lines and those
    whose first sign is # are comments, also in between."""
    first = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            if not parts:
                raise BadLine(number, "a line that goes on with none: it begins with a blank")
            parts.append(line.rstrip("\r"))
            continue
        if parts:
            yield first, "".join(parts).strip()
        first, parts = number, [line.rstrip("\r")]
    if parts:
        yield first, "".join(parts).strip()


def pairs(text: str) -> dict[str, str]:
    """Keys in lower case to values. A file in which every line is an alias is read as aliases(5), any other as postmap(1)
    does: so `hash:/etc/aliases` of a tutorial works. Of a key given twice the first counts. BadLine."""
    lines = list(logical_lines(text))
    if lines and all(_ALIAS.match(line) for _, line in lines):
        return aliases(text)
    found: dict[str, str] = {}
    for number, line in lines:
        quoted = _QUOTED.match(line)
        if quoted:
            key, value = _ESCAPE.sub(r"\1", quoted[1]), quoted[2]
        else:
            key, _, value = (
                line.replace("\t", " ", 1).partition(" ") if "\t" in line.split(" ")[0] else line.partition(" ")
            )
        if not value.strip():
            raise BadLine(number, "no value behind the key")  # which may be a password where somebody forgot the key
        found.setdefault(key.lower(), value.strip())
    return found


def aliases(text: str) -> dict[str, str]:
    """aliases(5): names in lower case to the text behind the colon. BadLine."""
    found: dict[str, str] = {}
    for number, line in logical_lines(text):
        alias = _ALIAS.match(line)
        if alias is None:
            raise BadLine(number, f"not `name: value`: {line[:40]!r}")
        name = alias[2] if alias[1] is None else _ESCAPE.sub(r"\1", alias[1])
        found.setdefault(name.lower(), (alias[3] or "").strip())
    return found


def settings(text: str) -> dict[str, str]:
    """`name = value` lines, as main.cf and the `.cf` files of sqlite_table(5) and mysql_table(5) have them. BadLine."""
    found = {}
    for number, line in logical_lines(text):
        name, equals, value = line.partition("=")
        if not equals:
            raise BadLine(number, "not `name = value`")  # the line may be one with a password
        found[name.strip()] = value.strip()
    return found
