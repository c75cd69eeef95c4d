""" "type:name" to a table that can be asked. One `Tables` per hub: equal names share one table, databases one pool."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from mailhub.config.lookup import Lookup, Malformed, Spec, pair, spec
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent, Temporary

from . import patterns, probing, sql, text
from .files import Content, FileTable
from .patterns import KEY_LIMIT


class Table(Protocol):
    """Maps keys to values. Keys are compared as the type says; values are what the operator wrote."""

    async def lookup(self, key: str) -> str | None:
        """The value, None where there is none; Temporary where that can not be told now."""
        ...


class Pairs:
    """Keys that stand in memory, in any case."""

    def __init__(self, pairs: dict[str, str]) -> None:
        self._pairs = pairs

    def find(self, key: str) -> str | None:
        return self._pairs.get(key.lower())

    async def lookup(self, key: str) -> str | None:
        return self.find(key)


class Static:
    """The same for every key; "" fails."""

    whole_keys = True

    def __init__(self, value: str) -> None:
        self._value = value

    async def lookup(self, key: str) -> str | None:
        return self._value


class Fail:
    def __init__(self, name: str) -> None:
        self._name = name

    async def lookup(self, key: str) -> str | None:
        raise Temporary(f"fail:{self._name}")


class Random:
    whole_keys = True

    def __init__(self, values: Sequence[str], chance: random.Random) -> None:
        self._values, self._chance = values, chance

    async def lookup(self, key: str) -> str | None:
        return self._chance.choice(self._values)


class Union:
    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    async def lookup(self, key: str) -> str | None:
        found = [value for table in self._tables if (value := await table.lookup(key)) is not None]
        return ",".join(found) if found else None


class Pipe:
    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    async def lookup(self, key: str) -> str | None:
        for table in self._tables:
            value = await table.lookup(key)
            if value is None:
                return None
            key = value
        return key


class Search:
    """Several tables in their order; the first that has the key answers."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    async def lookup(self, key: str) -> str | None:
        return await self._first(self._tables, key)

    async def part(self, key: str) -> str | None:
        """For a key that is part of another one, such as a domain: patterns are not asked for those."""
        return await self._first([table for table in self._tables if not getattr(table, "whole_keys", False)], key)

    async def _first(self, tables: Sequence[Table], key: str) -> str | None:
        if len(key) > KEY_LIMIT:
            return None
        for table in tables:
            if (value := await table.lookup(key)) is not None:
                return value
        return None


class Tables:
    """`open` gives a table for an option; `check` says what is wrong with all that are open."""

    def __init__(self, clock: Clock, chance: random.Random | None = None) -> None:
        self._clock, self._chance = clock, chance or random.Random()
        self._open: dict[str, Table] = {}

    def open(self, lookup: Lookup) -> Search:
        """The table of an option. Files are read, and databases asked, at the first look-up."""
        tables: list[Table] = []
        for source in lookup.sources:
            if isinstance(source, str):
                tables.append(self.named(source))
            else:
                tables.append(Pairs({key.lower(): value for key, value in source}))
        return Search(tables)

    def named(self, name: str) -> Table:
        """The table "type:name". Permanent where there is no such type."""
        if name not in self._open:
            try:
                self._open[name] = self._made(spec(name))
            except Malformed as error:
                raise Permanent(f"{name!r} is no table: {error}") from None
        return self._open[name]

    def _made(self, found: Spec) -> Table:
        match found.kind:
            case "static":
                return Static(found.name)
            case "fail":
                return Fail(found.name)
            case "inline":
                return Pairs(dict(map(pair, found.parts)))
            case "randmap":
                return Random(found.parts, self._chance)
            case "unionmap":
                return Union([self.named(part) for part in found.parts])
            case "pipemap":
                return Pipe([self.named(part) for part in found.parts])
            case "mysql":
                return FileTable(found.name, lambda source: sql.MysqlTable(source, self._clock), self._clock)
            case "sqlite":
                return FileTable(found.name, sql.SqliteTable, self._clock, threaded=True)
        whole = found.kind in ("regexp", "pcre", "cidr")
        return FileTable(found.name, _PARSERS[found.kind], self._clock, whole_keys=whole)

    def whole_keys(self, name: str) -> bool:
        """Whether "type:name" is to be asked for whole keys alone, not for the parents of a domain (access(5))."""
        return getattr(self.named(name), "whole_keys", False)

    async def check(self) -> dict[str, str]:
        """Read every file that is open: "type:name" -> what is wrong with it."""
        found = {}
        for name, table in tuple(self._open.items()):
            if isinstance(table, FileTable) and (trouble := await table.refresh()):
                found[name] = trouble
        return found

    def slow(self) -> dict[str, list[str]]:
        """Patterns of what was read that may hold up everybody: "type:name" -> a line for each."""
        found = {}
        for name, table in self._open.items():
            content = table.content if isinstance(table, FileTable) else None
            if isinstance(content, patterns.Patterns) and (
                lines := probing.slow(content.patterns, self._clock.monotonic)
            ):
                found[name] = lines
        return found

    def close(self) -> None:
        for table in self._open.values():
            if isinstance(table, FileTable):
                table.close()


def _pairs(source: str) -> Content:
    return Pairs(text.pairs(source))


_PARSERS: dict[str, Callable[[str], Content]] = {
    **dict.fromkeys(("hash", "btree", "lmdb", "cdb", "dbm", "texthash", "file"), _pairs),
    "aliases": lambda source: Pairs(text.aliases(source)),
    "regexp": lambda source: patterns.regexp(source, perl=False),
    "pcre": lambda source: patterns.regexp(source, perl=True),
    "cidr": patterns.cidr,
}
