"""`mailhub mailbox`."""

import sys
from pathlib import Path

import click

from mailhub.control.words import Disagreements, MailboxCheck, MailboxRebuild, MailboxRepair, MailboxSync

from .backend import backend
from .exits import Exit
from .options import common
from .output import print_json, print_table


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


@mailbox.command()
@click.argument("address")
@common
def check(address: str, config: Path | None, as_json: bool) -> None:
    """List what an account's files and its index do not agree on. Exit code 1 where there is anything."""
    with backend(config) as side:
        found = side.ask(MailboxCheck(address=address))
    _show(found, as_json)


@mailbox.command()
@click.argument("address")
@common
def repair(address: str, config: Path | None, as_json: bool) -> None:
    """Mend what `check` finds. Lists what is left, with exit code 1 where there is anything."""
    with backend(config) as side:
        left = side.ask(MailboxRepair(address=address))
    _show(left, as_json)


@mailbox.command()
@common
def sync(config: Path | None, as_json: bool) -> None:
    """Return when file names, uidlists and keywords of all accounts say what the index says, before a copy for example."""
    with backend(config) as side:
        done = side.ask(MailboxSync())
    if as_json:
        print_json(done)


def _show(found: Disagreements, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found.total:
        print_table(("kind", "folder", "file", ""), [(d.kind, d.folder, d.file, d.detail) for d in found.listed])
        if found.total > len(found.listed):
            click.echo(f"{found.total} in all")
    if found.total:
        raise SystemExit(int(Exit.FAILED))
