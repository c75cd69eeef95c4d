"""`mailhub domain`."""

from pathlib import Path

import click

from mailhub.control.words import DomainAdd, DomainList, DomainRemove

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
