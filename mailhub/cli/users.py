"""`mailhub user`."""

from pathlib import Path

import click

from mailhub.control.words import Done, ForwardGet, ForwardSet, Request, UserAdd, UserEnable, UserPasswd, UserRemove

from .app_passwords import app_password, second_factor
from .backend import all_users, backend
from .options import common, containing
from .output import print_json, print_table
from .passwords import obtain, password_options


@click.group()
def user() -> None:
    """Add, list and remove accounts; set passwords."""


@user.command()
@click.argument("address")
@password_options
@common
def add(address: str, from_stdin: bool, generate: bool, config: Path | None, as_json: bool) -> None:
    """Make an account. The password is asked for, or see the options."""
    password = obtain(from_stdin, generate)
    _change(config, UserAdd(address=address, password=password), address, password if generate else "", as_json)


@user.command()
@click.argument("address")
@password_options
@common
def passwd(address: str, from_stdin: bool, generate: bool, config: Path | None, as_json: bool) -> None:
    """Set an account's password."""
    password = obtain(from_stdin, generate)
    _change(config, UserPasswd(address=address, password=password), address, password if generate else "", as_json)


@user.command()
@click.argument("address")
@common
def remove(address: str, config: Path | None, as_json: bool) -> None:
    """Remove an account. Its Maildir is left where it is."""
    _change(config, UserRemove(address=address), address, "", as_json)


@user.command("list")
@containing
@common
def list_users(containing: str, config: Path | None, as_json: bool) -> None:
    """List all accounts."""
    with backend(config) as side:
        users = all_users(side, containing)
    if as_json:
        print_json(users)
    else:
        print_table(("ADDRESS", "LOGIN"), [(user.address, "yes" if user.enabled else "no") for user in users])


@user.command()
@click.argument("address")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--keep", is_flag=True, help="Keep a copy in the account's mailbox.")
@click.option("--off", is_flag=True, help="All mail stays from now on.")
@common
def forward(address: str, targets: tuple[str, ...], keep: bool, off: bool, config: Path | None, as_json: bool) -> None:
    """Send an account's mail on to the TARGETS, whatever they were; without any, show them."""
    if off and (targets or keep):
        raise click.UsageError("--off stands alone")
    if keep and not targets:
        raise click.UsageError("--keep needs a TARGET")
    with backend(config) as side:
        asked = (
            ForwardSet(address=address, targets=targets, keep=keep) if targets or off else ForwardGet(address=address)
        )
        found = side.ask(asked)
    if as_json:
        print_json(found)
    elif not (targets or off):
        kept = f"{found.address} (kept copy)" if found.keep else ""
        click.echo("\n".join(filter(None, (*found.targets, kept))))


@user.command()
@click.argument("address")
@common
def disable(address: str, config: Path | None, as_json: bool) -> None:
    """Let an account sign in no more. Its mail comes all the same; sessions that are open go on."""
    _change(config, UserEnable(address=address, enabled=False), address, "", as_json)


@user.command()
@click.argument("address")
@common
def enable(address: str, config: Path | None, as_json: bool) -> None:
    """Let an account sign in again."""
    _change(config, UserEnable(address=address, enabled=True), address, "", as_json)


user.add_command(app_password)
user.add_command(second_factor)


def _change(config: Path | None, request: Request[Done], address: str, generated: str, as_json: bool) -> None:
    with backend(config) as side:
        side.ask(request)
    if as_json:
        print_json({"address": address, "password": generated} if generated else {"address": address})
    elif generated:
        click.echo(f"{address} {generated}")
