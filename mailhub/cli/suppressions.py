"""`mailhub suppression`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common, duration
from .output import moment, print_json, print_table


@click.group()
def suppression() -> None:
    """Addresses that mail of our accounts is held back from, because they refused it again and again."""


@suppression.command("list")
@common
def list_suppressions(config: Path | None, as_json: bool) -> None:
    """List them, and those whose refusals are counted."""
    found: list[words.Suppression] = []
    with backend(config) as side:
        while page := side.ask(words.SuppressionList(after=found[-1].address if found else "")):
            found.extend(page)
    if as_json:
        print_json(found)
        return
    print_table(("ADDRESS", "HELD BACK", "SOURCE", "REFUSALS", "LAST"), [_row(one) for one in found])


def _row(one: words.Suppression) -> tuple[object, ...]:
    held = "no" if not one.held else "for ever" if one.until is None else f"until {moment(one.until)}"
    last = f"{moment(one.refusals[-1].time)} {one.refusals[-1].reply}" if one.refusals else one.note
    return one.address, held, one.source, len(one.refusals), last


@suppression.command()
@click.argument("address")
@click.option(
    "--for", "seconds", callback=duration, metavar="AGE", help="How long: 90s, 5m, 3h, 2d; default: for ever."
)
@click.option("--note", default="", help="Why: the sender is told.")
@common
def add(address: str, seconds: float | None, note: str, config: Path | None, as_json: bool) -> None:
    """Hold mail back from ADDRESS."""
    with backend(config) as side:
        made = side.ask(words.SuppressionAdd(address=address, seconds=seconds, note=note))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.address}: held back {'for ever' if made.until is None else f'until {moment(made.until)}'}")


@suppression.command()
@click.argument("address")
@common
def remove(address: str, config: Path | None, as_json: bool) -> None:
    """Let mail go to ADDRESS again, and forget its refusals."""
    with backend(config) as side:
        done = side.ask(words.SuppressionRemove(address=address))
    if as_json:
        print_json(done)
    else:
        click.echo(f"mail goes to {address} again")
