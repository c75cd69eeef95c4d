"""`mailhub trace`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import harmless, moment, print_json


@click.command()
@click.argument("what", metavar="ID|ADDRESS|MESSAGE-ID")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Messages at most.")
@common
def trace(what: str, limit: int, config: Path | None, as_json: bool) -> None:
    """Show what happened to a message, step by step: who brought it, each attempt with the peer's words, the file it
    became, who read it. By address also what was refused."""
    with backend(config) as side:
        traced = side.ask(words.TraceFind(what=what, limit=limit))
    if as_json:
        print_json(traced)
        return
    if not traced.messages:
        click.echo("Nothing is known of it: it never came, or [trace] has forgotten it.")
    for number, message in enumerate(traced.messages):
        if number:
            click.echo()
        click.echo(message.id or "refused")
        for step in message.steps:
            click.echo(f"    {moment(step.at)}  {step.stage:<9}  {harmless(step.text)}")
