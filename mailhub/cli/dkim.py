"""`mailhub dkim`."""

from collections.abc import Sequence
from pathlib import Path

import click

from mailhub.control.words import DkimActivate, DkimCreate, DkimList, DkimRecord, DkimRemove, Request

from .backend import backend
from .options import common
from .output import moment, print_json, print_table

_selector = click.option("--selector", help="What their selectors begin with; default: the date.")
_STRING = 255  # octets of one string of a TXT record


@click.group()
def dkim() -> None:
    """Keys that sign our mail: make, show, let follow, remove."""


@dkim.command()
@click.argument("domain")
@_selector
@common
def create(domain: str, selector: str | None, config: Path | None, as_json: bool) -> None:
    """Make a pair of keys for DOMAIN, RSA and Ed25519, and print their DNS records.

    They sign all mail that accounts and trusted hosts send from the domain, once both records are seen in DNS.
    """
    _ask(config, DkimCreate(domain=domain, selector=selector), as_json)


@dkim.command()
@click.argument("domain")
@_selector
@common
def rotate(domain: str, selector: str | None, config: Path | None, as_json: bool) -> None:
    """Make another pair, and print their DNS records. Once those are seen in DNS the new keys sign, and the old ones no more.

    Leave the old records in DNS for a week: mail under way needs them. Then remove them, and the keys.
    """
    _ask(config, DkimCreate(domain=domain, selector=selector, rotate=True), as_json)


@dkim.command()
@click.argument("domain", default="")
@common
def show(domain: str, config: Path | None, as_json: bool) -> None:
    """Show the keys of DOMAIN, or of all, with their DNS records."""
    _ask(config, DkimList(domain=domain), as_json)


@dkim.command()
@click.argument("domain")
@common
def activate(domain: str, config: Path | None, as_json: bool) -> None:
    """Let new keys sign now, whatever DNS says."""
    _ask(config, DkimActivate(domain=domain), as_json)


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@common
def remove(domain: str, selector: str, config: Path | None, as_json: bool) -> None:
    """Remove a key."""
    with backend(config) as side:
        side.ask(DkimRemove(domain=domain, selector=selector))
    if as_json:
        print_json({"domain": domain, "selector": selector})


def _ask(config: Path | None, request: Request[tuple[DkimRecord, ...]], as_json: bool) -> None:
    with backend(config) as side:
        found = side.ask(request)
    if as_json:
        print_json(found)
        return
    rows = [(one.domain, one.selector, one.kind, one.state, moment(one.since)) for one in found]
    print_table(("DOMAIN", "SELECTOR", "KIND", "STATE", "SINCE"), rows)
    _records(found)


def _records(found: Sequence[DkimRecord]) -> None:
    """As a zone file has them: strings of at most 255 octets."""
    if found:
        click.echo("\nWhat has to stand in DNS:\n")
    for one in found:
        strings = [one.record[at : at + _STRING] for at in range(0, len(one.record), _STRING)]
        click.echo(f"{one.name}. IN TXT ( " + " ".join(f'"{string}"' for string in strings) + " )")
