"""`mailhub user app-password` and `mailhub user second-factor`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import moment, print_json, print_table


@click.group("app-password")
def app_password() -> None:
    """Passwords for one program each: named, limited to protocols, revocable."""


@app_password.command()
@click.argument("address")
@click.argument("name")
@click.option(
    "--for", "services", multiple=True, help="smtp, imap, pop3 or managesieve; may be repeated. Default: all."
)
@common
def add(address: str, name: str, services: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Make one for the program NAME, and print it: it can not be shown again."""
    with backend(config) as side:
        made = side.ask(words.AppPasswordAdd(address=address, name=name, services=services))
    print_json(made) if as_json else click.echo(made.password)


@app_password.command("list")
@click.argument("address")
@common
def list_app_passwords(address: str, config: Path | None, as_json: bool) -> None:
    """List those of an account, with their last use."""
    with backend(config) as side:
        found = side.ask(words.AppPasswordList(address=address))
    if as_json:
        return print_json(found)
    rows = [
        (a.name, " ".join(a.services) or "all", moment(a.created), moment(a.used) if a.used else "never", a.client)
        for a in found
    ]
    return print_table(("NAME", "FOR", "MADE", "LAST USED", "FROM"), rows)


@app_password.command()
@click.argument("address")
@click.argument("name")
@common
def remove(address: str, name: str, config: Path | None, as_json: bool) -> None:
    """Let it open nothing any more."""
    _do(config, words.AppPasswordRemove(address=address, name=name), as_json)


@click.group("second-factor")
def second_factor() -> None:
    """A code by time for the web login; mail programs then need an app password."""


@second_factor.command()
@click.argument("address")
@common
def begin(address: str, config: Path | None, as_json: bool) -> None:
    """Make a secret for an authenticator program, and recovery codes. `confirm` puts it in force."""
    with backend(config) as side:
        made = side.ask(words.SecondFactorBegin(address=address))
    if as_json:
        return print_json(made)
    click.echo(f"secret    {made.secret}\naddress   {made.uri}")
    return click.echo("recovery  " + "\n          ".join(made.recovery))


@second_factor.command()
@click.argument("address")
@click.argument("code")
@common
def confirm(address: str, code: str, config: Path | None, as_json: bool) -> None:
    """Put it in force with the first CODE."""
    _do(config, words.SecondFactorConfirm(address=address, code=code), as_json)


@second_factor.command("remove")
@click.argument("address")
@common
def remove_factor(address: str, config: Path | None, as_json: bool) -> None:
    """Ask for no code any more; passkeys of ADDRESS go, too."""
    _do(config, words.SecondFactorRemove(address=address), as_json)


def _do(config: Path | None, request: words.Request[words.Done], as_json: bool) -> None:
    with backend(config) as side:
        done = side.ask(request)
    if as_json:
        print_json(done)
