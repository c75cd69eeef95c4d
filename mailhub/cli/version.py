"""`mailhub version`."""

import platform

import click

import mailhub

from .options import json_option
from .output import print_json


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        print_json({"mailhub": mailhub.__version__, "python": platform.python_version()})
    else:
        click.echo(f"mailhub {mailhub.__version__}")
