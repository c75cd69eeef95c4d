"""`mailhub table`: ask a lookup table, as `postmap -q` does."""

import asyncio
import os
import sys

import click

from mailhub.config import lookup

from .exits import fail
from .options import json_option
from .output import print_json

KEYS_LIMIT = 1_000_000


@click.group()
def table() -> None:
    """Ask lookup tables."""


@table.command()
@click.argument("name", metavar="TABLE")
@click.argument("key")
@json_option
def query(name: str, key: str, as_json: bool) -> None:
    """Print the value of KEY in TABLE ("type:name"); exit 1 where there is none. KEY "-": keys from stdin, a line each."""
    keys = [line.rstrip("\r\n") for line in sys.stdin] if key == "-" else [key]
    if len(keys) > KEYS_LIMIT:
        raise click.UsageError(f"more than {KEYS_LIMIT} keys")
    from mailhub.model.errors import MailError

    try:
        found = asyncio.run(_ask(lookup.anchor(name, os.getcwd()), keys))
    except MailError as error:
        fail(str(error))
    if as_json:
        print_json([{"key": asked, "value": value} for asked, value in found])
    else:
        for asked, value in found:
            if value is not None:
                click.echo(f"{asked}\t{value}" if key == "-" else value)
    raise SystemExit(0 if any(value is not None for _, value in found) else 1)


async def _ask(name: str, keys: list[str]) -> list[tuple[str, str | None]]:
    from mailhub.model.clock import SystemClock
    from mailhub.tables import Tables

    tables = Tables(SystemClock())
    try:
        place = tables.named(name)
        return [(key, await place.lookup(key)) for key in keys]
    finally:
        tables.close()
