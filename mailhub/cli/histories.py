"""`mailhub history`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common, duration
from .output import moment, octets, print_json, print_table


@click.command()
@click.option("--last", callback=duration, default="1d", show_default=True, help="How far back: 90m, 6h, 30d.")
@click.option("--rows", type=click.IntRange(1, 1_000), default=24, show_default=True, help="Rows at most.")
@common
def history(last: float, rows: int, config: Path | None, as_json: bool) -> None:
    """Figures of the server over time: counts of each row's time, and the most there was meanwhile. Times when the server did not run
    have no row."""
    with backend(config) as side:
        found = side.ask(words.HistoryShow(seconds=last, rows=rows))
    if as_json:
        return print_json(found)
    head = (
        "FROM",
        "ACCEPTED",
        "REFUSED",
        "SENT",
        "DEFERRED",
        "BOUNCED",
        "P50",
        "P99",
        "QUEUED",
        "OLDEST",
        "SESSIONS",
        "MEMORY",
        "LAG",
    )
    return print_table(head, [
        (moment(one.at), one.accepted, one.refused, one.sent, one.deferred, one.bounced, _seconds(one.delay_p50), _seconds(one.delay_p99), one.queued,
         f"{one.oldest:.0f} s", one.sessions, octets(one.memory), f"{one.lag * 1000:.1f} ms")
        for one in found.rows
    ])  # fmt: skip


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
