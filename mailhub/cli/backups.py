"""`mailhub backup` and `mailhub restore`."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from mailhub.control import backups
from mailhub.control.errors import ControlError
from mailhub.control.words import (
    AliasAdd,
    AliasList,
    KeptFactor,
    KeptNote,
    KeptPassword,
    KeywordOf,
    MailboxSync,
    MailboxTake,
    QuotaGet,
    QuotaSet,
    SieveActivate,
    SievePut,
    UserParts,
    UserRestore,
)

from .backend import Backend, backend
from .exits import KINDS, Exit, fail
from .options import common, embedded_config
from .output import harmless, moment, octets, print_json, print_table

_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


def _moment(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A time of the local zone, or with one: 2026-11-27, "2026-11-27 01:30", 2026-11-27T01:30:00Z; a backup's own name."""
    if value is None:
        return None
    text = re.sub(r"T(\d\d)-(\d\d)-(\d\d)Z$", r"T\1:\2:\3Z", value)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{value!r} is no time such as 2026-11-27T01:30:00Z or 2026-11-27") from None


_at = click.option(
    "--at", metavar="TIME", callback=_moment, help="The newest backup that is not later; default: the newest."
)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ControlError as error:
        fail(str(error), KINDS[error.kind])


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    with click.progressbar(length=1, label=label, file=sys.stderr, show_pos=True) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


@click.command()
@_FOLDER
@click.option("--keep", type=click.IntRange(1, 10_000), help="Take away older backups than the newest so many.")
@click.option("--verify", is_flag=True, help="Make none, but read one again, every octet of it.")
@click.option("--list", "listing", is_flag=True, help="Make none, but list those that there are.")
@_at
@common
def backup(
    folder: Path, keep: int | None, verify: bool, listing: bool, at: float | None, config: Path | None, as_json: bool
) -> None:
    """Copy accounts, queue and all mail to DIR, whether the server runs or not.

    What an earlier backup in DIR has is not copied again. All of it is on disk when this says so; one that is broken off is
    called `partial`, and those before it stay whole.
    """
    if listing:
        _list(folder, as_json)
    elif verify:
        _verify(folder, at, as_json)
    elif at is not None:
        raise click.UsageError("--at names a backup to --verify")
    else:
        with _told(), _bar("backup") as show:
            made = backups.back_up(embedded_config(config), folder, keep or 0, show)
        _made(made, as_json)


def _made(made: backups.Made, as_json: bool) -> None:
    found = made.backup
    if as_json:
        print_json(made)
    else:
        click.echo(f"{found.name}: {found.messages} messages, {octets(found.octets)}, {octets(found.new_octets)} of it new;"
                   f" {found.queued} in the queue")  # fmt: skip
        if found.gone:
            click.echo(f"{found.gone} messages were deleted while it was made, and are not in it")
        for name in made.cleared:
            click.echo(f"{name}: was broken off; taken away")
        for name in made.pruned:
            click.echo(f"{name}: old; taken away")
    for line in found.passed_over:
        click.echo(f"mailhub: not in it: {harmless(line)}", err=True)
    if found.passed_over:
        raise SystemExit(int(Exit.FAILED))


def _list(folder: Path, as_json: bool) -> None:
    with _told():
        found = backups.listed(folder)
    if as_json:
        print_json(found)
        return
    rows = [(each.name, moment(each.taken), each.messages, octets(each.octets), octets(each.new_octets), each.queued, "")
            if each.whole else (each.name, "", 0, "", "", 0, "broken off, or under way") for each in found]  # fmt: skip
    print_table(("name", "begun", "messages", "octets", "new", "queued", ""), rows)


def _verify(folder: Path, at: float | None, as_json: bool) -> None:
    with _told(), _bar("verify") as show:
        found = backups.verified(folder, at, show)
    if as_json:
        print_json(found)
    else:
        for line in found.wrong:
            click.echo(harmless(line))
        click.echo(f"{found.name}: {found.total} wrong" if found.total else f"{found.name}: whole")
    if found.total:
        raise SystemExit(int(Exit.FAILED))


@click.command()
@_FOLDER
@_at
@click.option("--account", help="The mail of this account alone, into the server as it is.")
@click.option("--folder", "name", default="", help="Of that account, this folder alone.")
@click.option("--message", default="", help="Of that account, one message: its Message-ID, or with --folder its UID.")
@click.option(
    "--into",
    default="",
    help="The folder that the messages come to, or of a whole account: below which; default: that where they were.",
)
@click.option("--hold-queue", is_flag=True, help="Mail that was in the queue waits for `mailhub queue release`.")
@common
def restore(
    folder: Path, at: float | None, account: str | None, name: str, message: str, into: str, hold_queue: bool,
    config: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring back what a backup in DIR has: all of it into an empty data folder while no server runs, or the mail of an account, a folder
    or one message while it does.

    What was broken off goes on by the same command. A folder that is gone comes back with its UIDs; into one that is there come the
    messages that are missing in it.
    """
    if account is None and (name or message or into):
        raise click.UsageError("--folder, --message and --into need --account")
    if message.isdigit() and not name:
        raise click.UsageError("a UID needs --folder")
    if account is not None and hold_queue:
        raise click.UsageError("--hold-queue is for a restore of all")
    if account is None:
        with _told(), _bar("restore") as show:
            found, done = backups.restore_all(embedded_config(config), folder, at, hold=hold_queue, progress=show)
    else:
        found, done = account, _piece(folder, at, account, name, message, into, config)
    _restored(found, done, as_json)


def _piece(
    folder: Path, at: float | None, account: str, name: str, message: str, into: str, config: Path | None
) -> backups.Restored:
    settings = embedded_config(config)
    with _told(), backups.piece(settings, folder, at, account) as found:
        with backend(config) as side:
            side.ask(MailboxSync())
            missing = _is_missing(side, account)
        if missing and (name or message or found.password() is None):
            fail(f"no account {account}", Exit.ABSENT)
        with _bar(account) as show:
            places = found.bring(name, message, into, show)
        with backend(config) as side:
            if missing:
                _account(side, account, found)
            _enter(side, account, places)
            for place in (place for place in places if place.whole and not into):
                _besides(side, account, found, place.name)
        return found.done


def _is_missing(side: Backend, account: str) -> bool:
    try:
        side.ask(QuotaGet(address=account))
    except ControlError as error:
        if error.kind != "not_found":
            raise
        return True
    return False


def _account(side: Backend, account: str, found: backups.Piece) -> None:
    """Make it again, with its password, scripts and quota."""
    stored, enabled = found.password() or ("", False)
    side.ask(UserRestore(address=account, stored=stored, enabled=enabled))
    storage, messages = found.limits()
    if (storage, messages) != (None, None):
        side.ask(QuotaSet(address=account, storage=storage, messages=messages))
    known = found.besides
    passwords = tuple(KeptPassword(name=name, digest=digest, services=services, created=created)
                      for name, digest, services, created in known.app_passwords())  # fmt: skip
    factor = None
    if (kept := known.second_factor()) is not None:
        factor = KeptFactor(secret=kept[0], confirmed=kept[1], counter=kept[2], recovery=kept[3])
    side.ask(UserParts(address=account, passwords=passwords, factor=factor, notes=_notes(known, "")))
    for address, targets in known.aliases():
        if not any(alias.address == address for alias in side.ask(AliasList(containing=address))):
            side.ask(AliasAdd(address=address, targets=targets))
    for script, text, active in found.scripts():
        side.ask(SievePut(account=account, name=script, text=text.decode("utf-8", "replace")))
        if active:
            side.ask(SieveActivate(account=account, name=script))


def _notes(known: backups.Besides, folder: str) -> tuple[KeptNote, ...]:
    return tuple(
        KeptNote(entry=entry, value=value, private=private) for entry, value, private in known.annotations(folder)
    )


def _besides(side: Backend, account: str, found: backups.Piece, folder: str) -> None:
    """What a folder that came back whole had besides mail."""
    known = found.besides
    rights = tuple(known.rights(folder))
    side.ask(UserParts(address=account, folder=folder, rights=rights, notes=_notes(known, folder)))
    for keyword, uids in known.keywords(folder):
        side.ask(UserParts(address=account, folder=folder, keywords=(KeywordOf(keyword=keyword, uids=uids),)))


def _enter(side: Backend, account: str, places: list[backups.Place]) -> None:
    """What came enters the index."""
    for place in places:
        floor = 0
        for files in backups.batches(place):
            while True:
                taken = side.ask(MailboxTake(address=account, folder=place.name, files=files, floor=floor))
                floor = taken.floor
                if taken.done:
                    break
    side.ask(MailboxSync())


def _restored(name: str, done: backups.Restored, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        click.echo(f"{name}: {done.messages} messages came, {octets(done.octets)}"
                   + (f"; {done.queued} in the queue" if done.queued else ""))  # fmt: skip
    for line in done.wrong:
        click.echo(f"mailhub: not restored: {harmless(line)}", err=True)
    if done.failed:
        raise SystemExit(int(Exit.FAILED))
