"""`mailhub quota`."""

from pathlib import Path

import click

from mailhub.control.words import QuotaGet, QuotaRecalculate, QuotaSet, QuotaState

from .backend import backend
from .options import common
from .output import octets, print_json, print_table

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@click.group()
def quota() -> None:
    """What accounts hold and may hold. "@domain" stands for all accounts of a domain that have no limits of their own."""


def _amount(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """`500`, `10M`, `2G`; `none`: no limit; `default`: as the domain, or the configuration says."""
    if value is None or value == "default":
        return None
    if value == "none":
        return 0
    number, unit = (value[:-1], _UNITS[value[-1].upper()]) if value[-1:].upper() in _UNITS else (value, 1)
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise click.BadParameter(f"{value!r} is no amount such as 500, 10M, 2G, none or default")
    return int(number) * unit


@quota.command()
@click.argument("address")
@common
def get(address: str, config: Path | None, as_json: bool) -> None:
    """Show what an account holds and may hold."""
    with backend(config) as side:
        _show(side.ask(QuotaGet(address=address)), as_json)


@quota.command("set")
@click.argument("address")
@click.option("--storage", callback=_amount, metavar="SIZE", help="500M, 10G, none or default; default: default.")
@click.option("--messages", callback=_amount, metavar="COUNT", help="A number, none or default; default: default.")
@common
def set_limits(address: str, storage: int | None, messages: int | None, config: Path | None, as_json: bool) -> None:
    """Set the limits of an account or, by @domain, of a domain."""
    with backend(config) as side:
        _show(side.ask(QuotaSet(address=address, storage=storage, messages=messages)), as_json)


@quota.command()
@click.argument("address")
@common
def recalculate(address: str, config: Path | None, as_json: bool) -> None:
    """Count anew what an account holds."""
    with backend(config) as side:
        _show(side.ask(QuotaRecalculate(address=address)), as_json)


def _show(state: QuotaState, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    print_table(
        ("ADDRESS", "", "HELD", "LIMIT"),
        [
            (
                state.address,
                "storage",
                octets(state.storage),
                octets(state.storage_limit) if state.storage_limit else "none",
            ),
            (state.address, "messages", str(state.messages), str(state.message_limit or "none")),
        ],
    )
