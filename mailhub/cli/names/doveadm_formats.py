"""How doveadm(1) prints: its formatters flow, pager, tab, table and json."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ..output import harmless


class Column(NamedTuple):
    """`hidden`: flow and pager print its value without its name. `stream`: text of many lines. `right`: a number of a table."""

    name: str
    hidden: bool = False
    stream: bool = False
    right: bool = False
    title: str = ""  # of tables, where it is another


Row = Sequence[str]


def show(formatter: str, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print rows, each as it comes where the format allows that."""
    _FORMATTERS[formatter](columns, rows)


def _value(text: str, column: Column) -> str:
    """What a client wrote does not move the cursor; texts are printed as they are."""
    return text if column.stream else harmless(text)


def _flow(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    for row in rows:
        cells = zip(columns, row, strict=True)
        _out(" ".join(_value(text, one) if one.hidden else f"{one.name}={_value(text, one)}" for one, text in cells))


def _pager(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    for number, row in enumerate(rows):
        if number:
            _out("\f")
        for column, text in zip(columns, row, strict=True):
            if column.stream:
                _out(f"{column.name}:\n{text}", end="" if text.endswith("\n") else "\n")
            else:
                _out(_value(text, column) if column.hidden else f"{column.name}: {_value(text, column)}")


def _tab(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    _out("\t".join(column.title or column.name for column in columns))
    for row in rows:
        _out("\t".join(_value(text, column) for column, text in zip(columns, row, strict=True)))


def _table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    cells = [[column.title or column.name for column in columns]]
    cells += [[_value(text, column) for column, text in zip(columns, row, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ]
        _out(" ".join(padded).rstrip())


def _json(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    found = [dict(zip((column.name for column in columns), row, strict=True)) for row in rows]
    _out(msgspec.json.encode(found).decode())


def _out(text: str, end: str = "\n") -> None:
    """Octets that are no UTF-8 come out as they went in."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    stream.write((text + end).encode("utf-8", "surrogateescape"))
    stream.flush()


_FORMATTERS: Mapping[str, Callable[[Sequence[Column], Iterable[Row]], None]] = {
    "flow": _flow,
    "pager": _pager,
    "tab": _tab,
    "table": _table,
    "json": _json,
}
NAMES = tuple(_FORMATTERS)
