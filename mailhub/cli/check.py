"""`mailhub check`."""

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailhub.config import lookup, restrictions
from mailhub.config.load import FILE, ConfigError, Problem, load, usual
from mailhub.config.rules import is_url
from mailhub.config.schema import Config, Section

from .exits import fail
from .options import common
from .output import print_json

if TYPE_CHECKING:
    from mailhub.tables import Tables


@click.command()
@common
def check(config: Path | None, as_json: bool) -> None:
    """Say what is wrong with the configuration and the files it names, with folders, certificates, disk and clock, and how to mend it.

    Exit 1 if there is anything.
    """
    from . import check_host

    there = config or usual()
    name = str(there or FILE)
    notes: list[str] = []
    host: list[check_host.Fault] = []
    try:
        loaded = load(config)
        problems = surroundings(loaded, name)
        host = check_host.faults(loaded, Path(name))
        notes = [*shared_addresses(loaded), *without_dnssec(loaded), *slow_patterns(loaded)]
        notes += check_host.remarks(loaded, Path(name))
    except ConfigError as error:
        problems = error.problems
    if as_json:
        print_json({"file": name, "problems": problems, "host": [fault._asdict() for fault in host], "notes": notes})
        raise SystemExit(1 if problems or host else 0)
    if problems or host:
        fail("\n".join(map(str, (*problems, *host))))
    for note in notes:
        click.echo(f"mailhub: {note}", err=True)
    click.echo(f"{name}: ok" if there else f"no {name}: the defaults apply")


def shared_addresses(config: Config) -> list[str]:
    """Addresses of this machine that get no trust: worth knowing, and no problem."""
    from mailhub.net import local
    from mailhub.policy.gateways import Gateways

    why: dict[str, list[str]] = {}
    for address, cause, _ in Gateways(local.read(), config.smtp.trust_gateway).reasons():
        why.setdefault(cause, []).append(address)
    return [
        f"clients from {', '.join(found)} get no trust by address and no ban: {cause}" for cause, found in why.items()
    ]


def without_dnssec(config: Config) -> list[str]:
    """Where TLSA records are to be obeyed, and nobody says whether they are true."""
    from mailhub.net.dnssec import servers

    if not config.relay.tls.startswith("dane") or servers(config.resolver):
        return []
    done = "treated as may" if config.relay.tls == "dane" else "never good enough: mail waits"
    return [f'relay.tls = "{config.relay.tls}" is {done}: resolver.validating names nobody who checks DNSSEC']


def slow_patterns(config: Config) -> list[str]:
    """Patterns of tables that somebody outside could hold the server up with."""
    return [f"{name}: {line}" for name, lines in _read_tables(config)[0].slow().items() for line in lines]


def surroundings(config: Config, file: str) -> list[Problem]:
    """What no look at the configuration alone can tell: files that can not be used. Nothing is made or changed."""
    found = []
    oauth = config.auth.oauth
    for key, path in (
        ("tls.certificate", config.tls.certificate),
        ("tls.key", config.tls.key),
        ("tls.acme.ca", config.tls.acme.ca),
        ("auth.oauth.jwks", "" if is_url(oauth.jwks) else oauth.jwks),
        ("auth.oauth.introspection_client", oauth.introspection_client),
        *((f"webhook.{name}.secret_file", one.secret_file) for name, one in config.webhook.items()),
    ):
        if path and not os.access(path, os.R_OK):
            found.append(Problem(file, 0, key, f'"{path}", which this user can not read', "a file that he can"))
    if config.tls.certificate and not found:
        found += _certificate(config, file)
    if config.relay.tls_ca and not os.access(config.relay.tls_ca, os.R_OK):
        problem = f'"{config.relay.tls_ca}", which this user can not read'
        found.append(Problem(file, 0, "relay.tls_ca", problem, "a PEM file that he can"))
    found += [*_tls_policies(config, file), *_hooks(config, file)]
    place = Path(config.data)
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        problem = f'"{config.data}", but this user can not write to {place}'
        found.append(Problem(file, 0, "data", problem, "a folder that he can write to"))
    return [*found, *_system(config, file), *_tables(config, file)]


def _system(config: Config, file: str) -> Iterator[Problem]:
    """Users and folders of the system that the configuration names."""
    if config.user:
        name, _, group = config.user.partition(":")
        try:
            pwd.getpwnam(name)
            grp.getgrnam(group or "root")
        except KeyError:
            yield Problem(
                file, 0, "user", f'"{config.user}", whom the system does not know', "a user, and group, of its"
            )
    local = config.local
    needed = local.system_users and not (local.home_mailbox or local.mailbox_command or local.mailbox_transport)
    if needed and not os.path.isdir(local.mail_spool_directory):
        problem = f'"{local.mail_spool_directory}", which is no folder'
        yield Problem(file, 0, "local.mail_spool_directory", problem, "the folder of the users' mailboxes")


def _hooks(config: Config, file: str) -> Iterator[Problem]:
    """The operator's hooks are read, and not run."""
    from mailhub.hooks.runner import compiled
    from mailhub.model.errors import Permanent

    if config.hooks.enabled and config.hooks.file:
        try:
            compiled(config.hooks.file)
        except Permanent as error:
            yield Problem(file, 0, "hooks.file", str(error), "a file of Python that only its owner may write to")


def _tls_policies(config: Config, file: str) -> Iterator[Problem]:
    """Entries that stand in the configuration itself; those of other tables are seen when they are asked for."""
    from mailhub.delivery.relay.demand import rule

    for source in config.relay.tls_policy.sources:
        for key, value in source if isinstance(source, tuple) else ():
            try:
                rule(value)
            except ValueError as error:
                yield Problem(file, 0, f"relay.tls_policy.{key}", f'"{value}"', f"a TLS policy: {error}")


def _tables(config: Config, file: str) -> list[Problem]:
    """Every lookup table that the configuration names, read once; databases are not asked."""
    _, troubles = _read_tables(config)
    return [Problem(file, 0, name, trouble, "a table that can be read") for name, trouble in troubles.items()]


def _read_tables(config: Config) -> "tuple[Tables, dict[str, str]]":
    import asyncio

    from mailhub.model.clock import SystemClock
    from mailhub.tables import Tables

    tables = Tables(SystemClock())
    for name in named(config):
        tables.named(name)
    return tables, asyncio.run(tables.check())


def named(value: object) -> Iterator[str]:
    """Each "type:name" in a configuration: options that are tables, and the arguments of restrictions."""
    if isinstance(value, lookup.Lookup):
        yield from (source for source in value.sources if isinstance(source, str))
    elif isinstance(value, Section):
        for field in value.__struct_fields__:
            inner = getattr(value, field)
            if field.endswith("_restrictions"):
                yield from (entry.argument for entry in restrictions.parse(inner) if ":" in entry.argument)
            elif field == "mynetworks":
                yield from (text for text in inner if text.partition(":")[0] in lookup.TYPES)
            else:
                yield from named(inner)
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from named(item)


def _certificate(config: Config, file: str) -> list[Problem]:
    from mailhub.model.clock import SystemClock
    from mailhub.model.errors import Permanent
    from mailhub.net.tls import ServerTls

    try:
        ServerTls(config.tls, Path(config.data), config.hostname, SystemClock()).context()
    except Permanent as error:
        return [Problem(file, 0, "tls", str(error), "a certificate and its key")]
    return []
