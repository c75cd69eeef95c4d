"""sendmail -bv: where mail for each address would go."""

from pathlib import Path

import click

from mailhub.config.schema import Config
from mailhub.control.route_words import RouteShow, Stop

from ..composing import Order, whole
from ..output import harmless
from ..sysexits import SysExit
from . import reaching


def verify(path: Path | None, order: Order, settings: Config) -> None:
    """Exit EX_NOUSER where an address can not be delivered to."""
    domain, bad = (*settings.domains, settings.hostname)[0], False
    with reaching(path, SysExit.UNAVAILABLE) as side:
        for address in order.recipients:
            for stop in side.ask(RouteShow(address=whole(address, domain), sender=order.sender or "")):
                bad = bad or stop.way == "error"
                if line := _told(stop):
                    click.echo(harmless(line))
    if bad:
        raise SystemExit(int(SysExit.NOUSER))


def _told(stop: Stop) -> str:
    """An expansion is told by what it leads to."""
    match stop.way:
        case "expand":
            return ""
        case "error" | "retry" | "hold":
            return f"{stop.address}... {stop.to}"
        case "local":
            return f"{stop.address}... deliverable: mailer local, user {stop.to}"
    host = f", host {stop.to}" if stop.to else ""
    return f"{stop.address}... deliverable: mailer {stop.way}{host}, user {stop.address}"
