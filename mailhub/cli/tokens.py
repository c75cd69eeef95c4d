"""`mailhub token`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import moment, print_json, print_table

_DAY = 86_400.0


@click.group()
def token() -> None:
    """Tokens that programs show to the HTTP interface."""


@token.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help='"SUBJECT:read" or "SUBJECT:write", such as "queue:read", "*:read", with "@DOMAIN" behind it: there alone, as its administrators may; may be repeated.'
)  # fmt: skip
@click.option(
    "--days", type=click.FloatRange(min=0, max=36_500), default=0.0, help="How long it is good; default: without end."
)
@common
def add(name: str, scopes: tuple[str, ...], days: float, config: Path | None, as_json: bool) -> None:
    """Make one for the program NAME, and print it: it can not be shown again."""
    with backend(config) as side:
        made = side.ask(words.TokenAdd(name=name, scopes=scopes, lifetime=days * _DAY))
    print_json(made) if as_json else click.echo(made.token)


@token.command("list")
@common
def list_tokens(config: Path | None, as_json: bool) -> None:
    """List them, with their last use."""
    with backend(config) as side:
        found = side.ask(words.TokenList())
    if as_json:
        return print_json(found)
    rows = [
        (one.name, " ".join(one.scopes), moment(one.created), moment(one.expires) if one.expires else "never",
         moment(one.used) if one.used else "never", one.client, one.maker)
        for one in found
    ]  # fmt: skip
    return print_table(("NAME", "MAY", "MADE", "ENDS", "LAST USED", "FROM", "BY"), rows)


@token.command()
@click.argument("name")
@common
def remove(name: str, config: Path | None, as_json: bool) -> None:
    """Let it open nothing any more."""
    with backend(config) as side:
        done = side.ask(words.TokenRemove(name=name))
    if as_json:
        print_json(done)
