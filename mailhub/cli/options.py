"""Options that many commands share, and what they stand for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mailhub.config.schema import Config

from .exits import fail

F = TypeVar("F", bound=Callable[..., Any])


def _inherited(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """--config may stand before the command, too."""
    return value if value is not None else ctx.find_object(Path)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_inherited,
    help="The configuration; default: ./config.toml, or /etc/mailhub/config.toml where there is none.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def common(function: F) -> F:
    """--config and --json."""
    return config_option(json_option(function))


def read_config(path: Path | None, *, served: bool = False) -> Config:
    """The configuration, or the end of the program with everything that is wrong with it. `served`: of `load`."""
    from mailhub.config.load import ConfigError, load

    try:
        return load(path, served=served)
    except ConfigError as error:
        fail(str(error))


def embedded_config(path: Path | None) -> Config:
    """The same of a server with mail in its data folder; the end of the program on a cluster, which has none."""
    config = read_config(path)
    if config.store.kind != "sqlite":
        fail('store.kind is "mysql": a cluster has no Maildirs and no database of its own; see docs/cluster.md')
    return config


def under_environment(config: Config, but: frozenset[str]) -> Config:
    """The same with the options of the environment but those, or the end of the program with what is wrong with them."""
    from mailhub.config.load import ConfigError, under

    try:
        return under(os.environ, config, but)
    except ConfigError as error:
        fail(str(error))


containing = click.option(
    "--containing", default="", metavar="TEXT", help="Those alone that have this in their address."
)


def duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """`90`, `90s`, `5m`, `3h`, `2d` in seconds."""
    if value is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (value[:-1], value[-1]) if value[-1:] in units else (value, "s")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise click.BadParameter(f"{value!r} is no duration such as 90s, 5m, 3h or 2d")
    return float(int(number) * units[unit])
