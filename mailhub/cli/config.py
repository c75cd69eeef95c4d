"""`mailhub config`: what this mailhub can do, as `postconf -m` and `postconf -a` tell it of Postfix."""

import click

from mailhub.config import lookup

from .options import json_option
from .output import print_json, print_table


@click.command("config")
@click.option("-m", "tables", is_flag=True, help="The types of lookup tables.")
@json_option
def show(tables: bool, as_json: bool) -> None:
    """Say what can be configured: lookup tables (-m)."""
    if not tables:
        raise click.UsageError("say what to show: -m")
    if as_json:
        return print_json([{"type": kind, "text": text} for kind, (_, text) in lookup.TYPES.items()])
    return print_table(("TYPE", "WHAT"), [(kind, text) for kind, (_, text) in lookup.TYPES.items()])
