"""`mailhub domain`."""

from pathlib import Path

import click

from mailhub.control.words import DomainAdd, DomainAdmins, DomainList, DomainRemove

from .backend import backend
from .options import common
from .output import print_json, print_table


@click.group()
def domain() -> None:
    """Add, list and remove mail domains."""


@domain.command()
@click.argument("name")
@common
def add(name: str, config: Path | None, as_json: bool) -> None:
    """Take mail for a domain."""
    with backend(config) as side:
        done = side.ask(DomainAdd(name=name))
    if as_json:
        print_json(done)


@domain.command()
@click.argument("name")
@common
def remove(name: str, config: Path | None, as_json: bool) -> None:
    """Take no more mail for a domain that `domain add` made."""
    with backend(config) as side:
        done = side.ask(DomainRemove(name=name))
    if as_json:
        print_json(done)


@domain.command("list")
@common
def list_domains(config: Path | None, as_json: bool) -> None:
    """List the domains whose mail is ours."""
    with backend(config) as side:
        domains = side.ask(DomainList())
    if as_json:
        print_json(domains)
    else:
        print_table(("DOMAIN", "FROM"), [(domain.name, domain.source) for domain in domains])


@domain.command()
@click.argument("name")
@click.option("--add", default="", metavar="ACCOUNT", help="Let this account change what lives in the domain.")
@click.option("--remove", default="", metavar="ACCOUNT", help="Let it do so no more.")
@common
def admins(name: str, add: str, remove: str, config: Path | None, as_json: bool) -> None:
    """List the accounts that may change the accounts and aliases of a domain."""
    with backend(config) as side:
        found = side.ask(DomainAdmins(name=name, add=add, remove=remove))
    if as_json:
        print_json(found)
    elif found:
        click.echo("\n".join(found))
