"""`mailhub check`."""

from pathlib import Path

import click

from .options import common, read_config
from .output import print_json


@click.command()
@common
def check(config: Path | None, as_json: bool) -> None:
    """Say what is wrong with the configuration, every problem with its line; exit 1 if there is any."""
    from mailhub.config.load import FILE, ConfigError, load

    name = str(config or FILE)
    if as_json:
        try:
            load(config)
        except ConfigError as error:
            print_json({"file": name, "problems": error.problems})
            raise SystemExit(1) from None
        print_json({"file": name, "problems": []})
        return
    read_config(config)
    click.echo(f"{name}: ok" if config or Path(FILE).exists() else f"no {name}: the defaults apply")
