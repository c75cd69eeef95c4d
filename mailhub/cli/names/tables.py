"""postmap(1): lookup tables asked; there is nothing to make, for text is read as it is."""

import asyncio
import os
import sys
from pathlib import Path

import click

from mailhub.config import lookup

from . import Fatal
from .options import read

_USAGE = "postmap [-q key] [map_type:]file..."
_KEYS = 1_000_000


def postmap(path: Path | None, arguments: list[str]) -> None:
    """-q KEY asks; KEY "-" reads keys from standard input. Without it each file is read and checked: exit 1 where it is wrong."""
    options, names = read(arguments, "Nbc:d:fFhimnoprsuUvwq:", _USAGE)
    given = dict(options)
    if not names or given.keys() & {"d", "i", "s"}:
        raise Fatal(f"usage: {_USAGE}")
    sources = [_named(name) for name in names]
    found = asyncio.run(_checked(sources) if "q" not in given else _asked(sources, given["q"]))
    if not found:
        raise SystemExit(1)


def _named(name: str) -> str:
    kind, colon, _ = name.partition(":")
    source = name if colon and kind in lookup.TYPES else f"hash:{name}"
    try:
        return lookup.anchor(source, os.getcwd())
    except lookup.Malformed as error:
        raise Fatal(f"unsupported dictionary type: {kind}: {error}") from error


async def _checked(sources: list[str]) -> bool:
    from mailhub.model.clock import SystemClock
    from mailhub.tables import Tables

    tables = Tables(SystemClock())
    for source in sources:
        tables.named(source)
    if wrong := await tables.check():
        raise Fatal("\n".join(f"{name}: {trouble}" for name, trouble in wrong.items()))
    return True


async def _asked(sources: list[str], key: str) -> bool:
    """The first table that has the key answers."""
    from mailhub.model.clock import SystemClock
    from mailhub.model.errors import MailError
    from mailhub.tables import Tables

    tables = Tables(SystemClock())
    keys = [line.rstrip("\r\n") for line in sys.stdin] if key == "-" else [key]
    if len(keys) > _KEYS:
        raise Fatal(f"more than {_KEYS} keys")
    found = False
    try:
        places = [tables.named(source) for source in sources]
        for asked in keys:
            for place in places:
                if (value := await place.lookup(asked)) is not None:
                    click.echo(f"{asked}\t{value}" if key == "-" else value)
                    found = True
                    break
    except MailError as error:
        raise Fatal(str(error)) from error
    finally:
        tables.close()
    return found
