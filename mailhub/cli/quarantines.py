"""`mailhub quarantine`."""

from pathlib import Path
from typing import Any

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import harmless, print_json
from .queues import action, filters, print_message, print_text


@click.group()
def quarantine() -> None:
    """Look at mail that is held because of its verdict; let it go, or delete it."""


@quarantine.command("list")
@filters
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Messages at most.")
@click.option("--account", default="", help="Only what is for its addresses and nobody else's.")
@common
def list_messages(limit: int, account: str, config: Path | None, as_json: bool, **filters: Any) -> None:
    """List what is held, oldest first, and why."""
    found: list[words.Quarantined] = []
    which = words.Which(**filters)
    with backend(config) as side:
        while len(found) < limit:
            after = found[-1].message.id if found else ""
            page = side.ask(
                words.QuarantineList(account=account, which=which, after=after, limit=min(100, limit - len(found)))
            )
            if not page:
                break
            found.extend(page)
    if as_json:
        print_json(found)
        return
    for one in found:
        _print(one)


def _print(one: words.Quarantined) -> None:
    print_message(one.message)
    click.echo(f"    score {one.score:.1f}")
    for said in one.found:
        click.echo(f"        {said.check}={said.result} {said.score:+.1f}  {harmless(said.reason)}".rstrip())


@quarantine.command()
@click.argument("id")
@common
def show(id: str, config: Path | None, as_json: bool) -> None:
    """Show a message: what the checks found, where it came from, and its header."""
    with backend(config) as side:
        shown = side.ask(words.QuarantineShow(id=id))
    if as_json:
        print_json(shown)
        return
    _print(shown.quarantined)
    print_text(shown.text)


action(
    quarantine, "release", words.QuarantineRelease, "released", "Let go: delivered to INBOX, whatever the checks said."
)
action(quarantine, "delete", words.QuarantineDelete, "deleted", "Delete; nobody is told.")
