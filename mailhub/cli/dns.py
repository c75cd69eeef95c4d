"""`mailhub dns`."""

from pathlib import Path

import click

from mailhub.control.words import DnsShow

from .backend import backend
from .options import common
from .output import harmless, print_json


@click.command()
@click.argument("domain")
@common
def dns(domain: str, config: Path | None, as_json: bool) -> None:
    """Print the DNS records that DOMAIN needs, as a zone file.

    They are made of the configuration (`hostname`, listeners, [setup]), the DKIM keys and the certificate. Records that belong into
    another zone, and what could not be known, stand there as comments.
    """
    with backend(config) as side:
        found = side.ask(DnsShow(domain=domain))
    if as_json:
        print_json(found)
        return
    for line in found.zone.splitlines():
        click.echo(harmless(line))
