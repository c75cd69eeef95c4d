"""`mailhub mailbox`."""

import sys
from pathlib import Path

import click

from mailhub.control.words import MailboxRebuild

from .backend import backend
from .options import common
from .output import print_json


@click.group()
def mailbox() -> None:
    """Maintain mailboxes."""


@mailbox.command()
@click.argument("address")
@common
def rebuild(address: str, config: Path | None, as_json: bool) -> None:
    """Make the index of an account again from its Maildir. UIDs, flags and keywords stay as they are."""
    with (
        backend(config) as side,
        click.progressbar(length=1, label=address, file=sys.stderr) as bar,
    ):

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        done = side.ask(MailboxRebuild(address=address), show)
        bar.update((bar.length or 1) - bar.pos)
    if as_json:
        print_json(done)
