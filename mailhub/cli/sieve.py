"""`mailhub sieve`."""

from pathlib import Path
from typing import BinaryIO

import click

from mailhub.control import words
from mailhub.delivery.sieve import Environment, Mail, run
from mailhub.delivery.sieve.execution import describe
from mailhub.model.clock import SystemClock
from mailhub.wire.sieve import Script, ScriptError, check, parse

from .backend import backend
from .exits import fail
from .options import common
from .output import print_json, print_table


@click.group()
def sieve() -> None:
    """Sieve scripts: check and try them; list, read, store and switch on those of an account."""


@sieve.command("check")
@click.argument("script", type=click.File("rb"))
def check_script(script: BinaryIO) -> None:
    """Say what is wrong with SCRIPT, with line and column; exit 1 if anything is."""
    _compiled(script)
    click.echo("the script is fine")


@sieve.command("test")
@click.argument("script", type=click.File("rb"))
@click.argument("message", type=click.File("rb"))
@click.option("--from", "sender", default="", metavar="ADDRESS", help="The envelope's sender.")
@click.option("--to", "recipient", default="", metavar="ADDRESS", help="The envelope's recipient.")
def try_script(script: BinaryIO, message: BinaryIO, sender: str, recipient: str) -> None:
    """Show what SCRIPT would do with MESSAGE, line by line; does nothing."""
    environment = Environment(sender=sender, recipient=recipient, original=recipient, now=SystemClock().now())
    verdict = run([_compiled(script)], Mail(message.read()), environment)
    for step in verdict.steps:
        click.echo(f"line {step.line}: {step.text}")
    if verdict.error is not None:
        click.echo(f"error: {verdict.error}")
    for action in verdict.actions:
        click.echo(f"in the end: {describe(action)}")


def _compiled(script: BinaryIO) -> Script:
    try:
        return check(parse(script.read()))
    except ScriptError as error:
        fail("\n".join(f"{script.name}: {problem}" for problem in error.problems))


@sieve.command("list")
@click.argument("account")
@common
def list_scripts(account: str, config: Path | None, as_json: bool) -> None:
    """List an account's scripts."""
    with backend(config) as side:
        found = side.ask(words.SieveList(account=account))
    if as_json:
        print_json(found)
    else:
        print_table(("NAME", "SIZE", "ACTIVE"), [(one.name, one.size, "yes" if one.active else "") for one in found])


@sieve.command()
@click.argument("account")
@click.argument("name")
@common
def get(account: str, name: str, config: Path | None, as_json: bool) -> None:
    """Print a script of an account."""
    with backend(config) as side:
        found = side.ask(words.SieveGet(account=account, name=name))
    if as_json:
        print_json(found)
    else:
        click.echo(found.text, nl=False)


@sieve.command()
@click.argument("account")
@click.argument("name")
@click.argument("script", type=click.File("rb"))
@common
def put(account: str, name: str, script: BinaryIO, config: Path | None, as_json: bool) -> None:
    """Store SCRIPT (a file, or - ) under a name; `activate` switches it on."""
    text = script.read().decode("utf-8", "surrogateescape")
    with backend(config) as side:
        done = side.ask(words.SievePut(account=account, name=name, text=text))
    _told(done, as_json, f"{name} is stored")


@sieve.command()
@click.argument("account")
@click.argument("name", default="")
@common
def activate(account: str, name: str, config: Path | None, as_json: bool) -> None:
    """Switch a script on, and the one before off; without a NAME, all off."""
    with backend(config) as side:
        done = side.ask(words.SieveActivate(account=account, name=name))
    _told(done, as_json, f"{name} is active" if name else "no script is active")


@sieve.command()
@click.argument("account")
@click.argument("name")
@common
def delete(account: str, name: str, config: Path | None, as_json: bool) -> None:
    """Delete a script that is not active."""
    with backend(config) as side:
        done = side.ask(words.SieveDelete(account=account, name=name))
    _told(done, as_json, f"{name} is deleted")


def _told(done: words.Done, as_json: bool, text: str) -> None:
    if as_json:
        print_json(done)
    else:
        click.echo(text)
