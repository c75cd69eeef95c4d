"""How data looks: aligned columns for people, JSON for programs. Text from outside is made harmless for the terminal."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any

import click
import msgspec


def print_json(value: Any) -> None:
    """One JSON document. Times are seconds since 1970, sizes octets."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8"))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, file: IO[str] | None = None) -> None:
    """Columns as wide as their widest cell, the last one as long as it is; numbers to the right. `file`: None for stdout."""
    body = [tuple(row) for row in rows]
    cells = [[harmless(str(cell)) for cell in row] for row in body]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [bool(body) and all(isinstance(row[n], int | float) for row in body) for n in range(len(head))]
    for line in (list(head), *cells):
        padded = [
            cell.rjust(width) if aligned else cell.ljust(width)
            for cell, width, aligned in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(padded).rstrip(), file=file)


def harmless(text: str) -> str:
    """Control characters and what else would move the cursor or turn the text around, escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def moment(when: float) -> str:
    """A wall time for people, in the local time zone."""
    return datetime.fromtimestamp(when).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def octets(size: int) -> str:
    """`512`, `3.4K`, `12M`."""
    amount = float(size)
    for unit in ("", "K", "M", "G"):
        if amount < 1000:
            return f"{amount:.3g}{unit}" if unit else str(size)
        amount /= 1024
    return f"{amount:.3g}T"
