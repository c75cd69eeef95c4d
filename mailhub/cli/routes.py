"""`mailhub route`."""

from pathlib import Path

import click

from mailhub.control.route_words import RouteShow

from .backend import backend
from .options import common
from .output import print_json, print_table


@click.command()
@click.argument("address")
@click.option("--sender", default="", help="Whose mail it would be; default: the null sender's.")
@common
def route(address: str, sender: str, config: Path | None, as_json: bool) -> None:
    """Say where mail for ADDRESS would go, and by which line of which table. Nothing is sent."""
    with backend(config) as side:
        stops = side.ask(RouteShow(address=address, sender=sender))
    if as_json:
        print_json(stops)
        return
    rows = [
        (stop.address, stop.way, stop.to + (f" from <{stop.sender}>" if stop.sender else ""), stop.by) for stop in stops
    ]
    print_table(("ADDRESS", "WAY", "TO", "BY"), rows)
