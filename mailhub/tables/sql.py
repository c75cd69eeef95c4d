"""sqlite_table(5) and mysql_table(5): a `.cf` file says where to ask and what; the key is bound, never pasted.

Every quoted literal of the query in which %s, %u, %d or %1 to %9 stands becomes one bound value. Outside of quotes they are
refused. A query whose parts of the key are not there (%d without a domain) is not asked, and finds nothing.
"""

import contextlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent, Temporary

from .mysql import ROWS, Pool
from .text import settings

SECONDS = 10.0  # for a database to answer
POOL = 4  # connections to one MySQL database
_LITERAL = re.compile(r"'((?:[^'\\]|''|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_WORD = re.compile(r"%([%suSUdD1-9])")


class Statement(Struct, frozen=True):
    """`text` with a mark for each bound value; `values`: their templates."""

    text: str
    values: tuple[str, ...]

    def bound(self, key: str) -> list[str] | None:
        """The values for this key; None where the query is not to be asked."""
        if "\0" in key:
            return None
        made = [filled(value, key) for value in self.values]
        return None if None in made else [value for value in made if value is not None]


class Query(Struct, frozen=True):
    """`result`, `domains`, `limit`: as in the manuals."""

    statement: Statement
    result: str
    domains: frozenset[str]
    limit: int

    def bound(self, key: str) -> list[str] | None:
        """The values for this key; None where the query is not to be asked."""
        domain = key.rpartition("@")[2].lower() if "@" in key else ""
        return None if self.domains and domain not in self.domains else self.statement.bound(key)

    def joined(self, rows: Sequence[Sequence[Any]], key: str) -> str | None:
        """All that was found, through `result_format`, joined with commas."""
        found = []
        for row in rows:
            for column in row:
                value = "" if column is None else column.decode() if isinstance(column, bytes) else str(column)
                if value and (text := filled(self.result, value, key)):
                    found.append(text)
        if self.limit and len(found) > self.limit:
            raise Temporary(f"more than expansion_limit = {self.limit} results")
        return ",".join(found) or None


def filled(template: str, value: str, key: str | None = None) -> str | None:
    """%s, %u, %d, %1 to %9 of `value` (%S, %U, %D, of `key`) put into the template; None where one is not there."""
    missing = False

    def part(found: "re.Match[str]") -> str:
        nonlocal missing
        word = found[1]
        if word == "%":
            return "%"
        text = key if key is not None and word in "SUD" else value
        local, at, domain = text.rpartition("@")
        if not at:
            local, domain = text, ""
        if word in "sS":
            return text
        if word in "uU":
            missing |= not local
            return local
        if word in "dD":
            missing |= not domain
            return domain
        labels = domain.split(".")[::-1]
        missing |= not domain or int(word) > len(labels)
        return labels[int(word) - 1] if not missing else ""

    made = _WORD.sub(part, template)
    return None if missing else made


def statement(text: str, mark: str) -> Statement:
    """A query whose quoted literals hold parts of a key. `mark`: "?" or "%s". Permanent where they stand outside of quotes."""
    values: list[str] = []
    parts, at = [], 0

    def plain(piece: str) -> str:
        if _WORD.search(piece.replace("%%", "")):
            raise Permanent(f"query: %-signs must stand inside quotes: {piece.strip()[:60]!r}")
        piece = piece.replace("%%", "%")
        return piece.replace("%", "%%") if mark == "%s" else piece

    for literal in _LITERAL.finditer(text):
        parts.append(plain(text[at : literal.start()]))
        inside = (literal[1] if literal[1] is not None else literal[2]).replace("''", "'")
        if _WORD.search(inside):
            values.append(inside)
            parts.append(mark)
        else:
            parts.append(literal[0].replace("%", "%%") if mark == "%s" else literal[0])
        at = literal.end()
    parts.append(plain(text[at:]))
    return Statement("".join(parts), tuple(values))


def query(text: str, mark: str) -> tuple[Query, Mapping[str, str]]:
    """The query of a `.cf` file, and all of its settings. `mark`: as for `statement`. Permanent where the file can not be used."""
    options = settings(text)
    if not options.get("query"):
        raise Permanent("no `query`")
    limit = options.get("expansion_limit", "0")
    if not limit.isdigit():
        raise Permanent(f"expansion_limit = {limit}: not a number")
    domains = frozenset(options.get("domain", "").lower().replace(",", " ").split())
    made = Query(statement(options["query"], mark), options.get("result_format", "%s"), domains, int(limit))
    return made, options


class SqliteTable:
    """`open` and `find` run in a thread."""

    def __init__(self, text: str) -> None:
        self._query, options = query(text, "?")
        if "dbpath" not in options:
            raise Permanent("no `dbpath`")
        self._path = options["dbpath"]

    def find(self, key: str) -> str | None:
        values = self._query.bound(key)
        if values is None:
            return None
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{_quoted(self._path)}?mode=ro", uri=True, timeout=SECONDS)
            ) as db:
                db.execute("pragma temp_store=memory")  # a confined server has no /var/tmp
                rows = db.execute(self._query.statement.text, values).fetchmany(ROWS)
        except sqlite3.Error as error:
            raise Temporary(f"{self._path}: {error}") from error
        return self._query.joined(rows, key)


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class MysqlTable:
    """`text`: of a `.cf` file."""

    def __init__(self, text: str, clock: Clock) -> None:
        self._query, options = query(text, "%s")
        login = {
            "user": options.get("user", ""),
            "password": options.get("password", ""),
            "db": options.get("dbname", ""),
        }
        hosts = options.get("hosts", "localhost").replace(",", " ").split()
        self._pool = Pool(hosts, login, clock, size=POOL, seconds=2 * SECONDS)

    async def find(self, key: str) -> str | None:
        values = self._query.bound(key)
        if values is None:
            return None
        return self._query.joined((await self._pool.ask(self._query.statement.text, values)).rows, key)

    def close(self) -> None:
        self._pool.close()
