"""`mailhub webhook`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import moment, print_json, print_table


@click.group()
def webhook() -> None:
    """Programs of others that are told of mail by HTTP ([webhook.NAME])."""


@webhook.command("list")
@common
def list_webhooks(config: Path | None, as_json: bool) -> None:
    """List them, what waits for each, and what was last said against it."""
    with backend(config) as side:
        found = side.ask(words.WebhookList())
    if as_json:
        return print_json(found)
    rows = [(one.name, one.url, one.waiting, moment(one.oldest) if one.waiting else "", one.said) for one in found]
    return print_table(("NAME", "URL", "WAITING", "SINCE", "LAST TROUBLE"), rows)


@webhook.command()
@click.argument("name")
@common
def test(name: str, config: Path | None, as_json: bool) -> None:
    """Send an event "test" to NAME, the way of all others."""
    with backend(config) as side:
        done = side.ask(words.WebhookTest(name=name))
    if as_json:
        print_json(done)
