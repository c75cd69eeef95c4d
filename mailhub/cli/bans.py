"""`mailhub ban`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common, duration
from .output import moment, print_json, print_table


@click.group()
def ban() -> None:
    """Refuse the connections of clients, and end that. NETWORK: 192.0.2.1, 192.0.2.0/24, 2001:db8::/64."""


@ban.command("list")
@common
def list_bans(config: Path | None, as_json: bool) -> None:
    """List bans in force."""
    bans: list[words.Ban] = []
    with backend(config) as side:
        while page := side.ask(words.BanList(after=bans[-1].network if bans else "")):
            bans.extend(page)
    if as_json:
        print_json(bans)
        return
    rows = [(one.network, moment(one.until), one.strikes, one.cause, one.note) for one in bans]
    print_table(("NETWORK", "UNTIL", "TIMES", "CAUSE", "NOTE"), rows)


@ban.command()
@click.argument("network")
@click.option("--for", "seconds", default="1d", callback=duration, metavar="AGE", help="How long: 90s, 5m, 3h, 2d.")
@click.option("--note", default="", help="Why, for `ban list`.")
@common
def add(network: str, seconds: float, note: str, config: Path | None, as_json: bool) -> None:
    """Ban a network from all services."""
    with backend(config) as side:
        made = side.ask(words.BanAdd(network=network, seconds=seconds, note=note))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.network} is banned until {moment(made.until)}")


@ban.command()
@click.argument("network")
@common
def remove(network: str, config: Path | None, as_json: bool) -> None:
    """End a ban, and forget it."""
    with backend(config) as side:
        done = side.ask(words.BanRemove(network=network))
    if as_json:
        print_json(done)
    else:
        click.echo(f"{network} is banned no more")
