"""`mailhub store`."""

import sys
from pathlib import Path

import click

from mailhub.control.errors import ControlError
from mailhub.control.migrating import Moved
from mailhub.control.migrating import migrate as move
from mailhub.control.migrating import reopen as let_in
from mailhub.model.errors import MailError

from .backend import acting
from .exits import KINDS, Exit, fail
from .options import common, json_option, read_config
from .output import harmless, octets, print_json

_SHOWN = 50


@click.group()
def store() -> None:
    """Where accounts, mail and queue are kept."""


@store.command()
@click.option("--from", "old", required=True, metavar="OLD.toml", type=click.Path(path_type=Path),
              help="The configuration of the store that there is.")  # fmt: skip
@click.option("--to", "new", required=True, metavar="NEW.toml", type=click.Path(path_type=Path),
              help="That of the store it moves to, which is empty, or holds the beginning of the same.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would move, and leave the new store alone.")
@json_option
def migrate(old: Path, new: Path, dry_run: bool, as_json: bool) -> None:
    """Move accounts, mail, queue and all that is remembered from SQLite and Maildirs to a cluster, or back, while no server runs.

    UIDs, flags, dates and passwords stay, and each message is read again where it came to. What was broken off goes on by the same command;
    until it is through no server starts on the new store, and then none on the old one, which keeps all it has (`mailhub store reopen`).
    """
    source, target = read_config(old), read_config(new)
    try:
        with (
            acting(source if dry_run else target),
            click.progressbar(length=1, label="migrate", file=sys.stderr, show_pos=False) as bar,
        ):

            def show(done: int, total: int) -> None:
                bar.length = max(total, 1)
                bar.update(done - bar.pos)

            moved = move(source, target, show, dry=dry_run)
    except ControlError as error:
        fail(str(error), KINDS[error.kind])
    except MailError as error:
        fail(str(error))
    _told(moved, as_json)
    if moved.wrong:
        raise SystemExit(int(Exit.FAILED))


@store.command()
@common
def reopen(config: Path | None, as_json: bool) -> None:
    """Let a server start again on a store that all was moved away from, as after a trial: not while one runs on the new store, since what waits
    in the queue is in both, and would be sent twice. Exit 3 where nothing was moved away from it."""
    settings = read_config(config)
    try:
        with acting(settings):
            target = let_in(settings)
    except ControlError as error:
        fail(str(error), KINDS[error.kind])
    except MailError as error:
        fail(str(error))
    if as_json:
        print_json({"moved_to": target})
        return
    click.echo(f"may be used again; it had been moved to {target}")


def _told(moved: Moved, as_json: bool) -> None:
    if as_json:
        print_json(moved)
        return
    verb = "would move" if moved.dry else "moved"
    click.echo(f"{moved.accounts} accounts, {moved.folders} folders, {moved.messages} messages ({octets(moved.octets)}) and"
               f" {moved.queued} messages in the queue {verb}")  # fmt: skip
    for name, rows in moved.rows.items():
        if rows:
            click.echo(f"{name}: {rows}")
    for line in moved.wrong[:_SHOWN]:
        click.echo(f"mailhub: not as it was: {harmless(line)}", err=True)
