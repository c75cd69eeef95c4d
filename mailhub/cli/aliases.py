"""`mailhub alias`."""

from pathlib import Path

import click

from mailhub.control.words import AliasAdd, AliasRemove

from .backend import all_aliases, backend
from .options import common, containing
from .output import print_json, print_table


@click.group()
def alias() -> None:
    """Add, list and remove aliases. "@example.org" is the catch-all of example.org."""


@alias.command()
@click.argument("address")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@common
def add(address: str, targets: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Let ADDRESS stand for the targets, whatever it stood for."""
    with backend(config) as side:
        done = side.ask(AliasAdd(address=address, targets=targets))
    if as_json:
        print_json(done)


@alias.command()
@click.argument("address")
@common
def remove(address: str, config: Path | None, as_json: bool) -> None:
    """Remove an alias."""
    with backend(config) as side:
        done = side.ask(AliasRemove(address=address))
    if as_json:
        print_json(done)


@alias.command("list")
@containing
@common
def list_aliases(containing: str, config: Path | None, as_json: bool) -> None:
    """List all aliases."""
    with backend(config) as side:
        aliases = all_aliases(side, containing)
    if as_json:
        print_json(aliases)
    else:
        print_table(("ALIAS", "TARGETS"), [(alias.address, ", ".join(alias.targets)) for alias in aliases])
