"""`mailhub junk`."""

from collections.abc import Iterator
from pathlib import Path

import click

from mailhub.control import words
from mailhub.control.errors import ControlError

from .backend import backend
from .options import common
from .output import harmless, print_json, print_table

_READ = 1 << 20  # octets of a message that are looked at


@click.group()
def junk() -> None:
    """Teach the junk filter, ask it why, and see what it was taught."""


def _files(paths: tuple[str, ...]) -> Iterator[Path]:
    """Messages: files, and those in folders (a Maildir, or a folder of .eml files)."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if file.is_file() and _is_message(file))
        else:
            yield path


def _is_message(file: Path) -> bool:
    return file.parent.name in ("cur", "new") or file.suffix in (".eml", ".txt", ".msg", "")


def _beginning(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_READ)
    except OSError as error:
        raise ControlError("not_found", f"{file}: {error.strerror}") from error


@junk.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option("--junk", "kind", flag_value="junk", help="They are junk.")
@click.option("--good", "kind", flag_value="good", help="They are not.")
@click.option("--forget", "kind", flag_value="forget", help="As if they had never been taught.")
@click.option("--account", default="", help="Taught to this account, and to the site; default: to the site alone.")
@common
def train(paths: tuple[str, ...], kind: str | None, account: str, config: Path | None, as_json: bool) -> None:
    """Teach messages: files, or folders with all below them. One that was taught as the other kind changes sides."""
    if kind not in ("junk", "good", "forget"):
        raise click.UsageError("say which kind: --junk, --good or --forget")
    seen = new = 0
    with backend(config) as side:
        for file in _files(paths):
            taught = side.ask(words.JunkTrain(message=_beginning(file), kind=kind, account=account))  # type: ignore[arg-type]
            seen, new = seen + 1, new + taught.new
    if as_json:
        print_json({"messages": seen, "new": new})
    else:
        click.echo(f"{seen} messages, {new} of them new")


@junk.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--account", default="", help="As mail for this account is judged; default: as mail for several.")
@common
def explain(file: Path, account: str, config: Path | None, as_json: bool) -> None:
    """Say what the filter thinks of a message, word by word."""
    with backend(config) as side:
        found = side.ask(words.JunkExplain(message=_beginning(file), account=account))
    if as_json:
        print_json(found)
        return
    if found.probability is None:
        click.echo("Too little was taught to say anything (junk.min_messages of each kind).")
        return
    click.echo(f"junk with a probability of {found.probability:.4f}, by {len(found.clues)} words")
    rows = [(f"{one.probability:.3f}", f"{one.junk:g}", f"{one.good:g}", harmless(one.word)) for one in found.clues]
    print_table(("PROBABILITY", "JUNK", "GOOD", "WORD"), rows)


@junk.command("list")
@common
def list_owners(config: Path | None, as_json: bool) -> None:
    """List who taught how much."""
    found: list[words.JunkOwner] = []
    with backend(config) as side:
        while page := side.ask(words.JunkList(after=found[-1].account if found else "")):
            found.extend(page)
            if not page[-1].account:
                break
    if as_json:
        print_json(found)
        return
    rows = [(one.account or "(site)", f"{one.junk:g}", f"{one.good:g}", one.words) for one in found]
    print_table(("ACCOUNT", "JUNK", "GOOD", "WORDS"), rows)
