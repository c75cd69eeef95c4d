"""`mailhub config`: options, their values and what can be chosen, as postconf(1) tells it of Postfix."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from mailhub.config import credentials, lookup, values
from mailhub.config.schema import Config

from .completion import options
from .exits import Exit, fail
from .options import common
from .output import harmless, print_json, print_table


@click.command("config")
@click.option("-d", "defaults", is_flag=True, help="Defaults, not what is in force.")
@click.option("-n", "changed", is_flag=True, help="Only what differs from the defaults.")
@click.option("-e", "edits", is_flag=True, help="Set each NAME=VALUE in the configuration file; comments stay.")
@click.option("-m", "tables", is_flag=True, help="The types of lookup tables.")
@click.option(
    "-a", "mechanisms", is_flag=True, help="SASL mechanisms, why one is not offered, and who checks passwords."
)
@click.option("--value", "bare", is_flag=True, help="Values without their names.")
@click.argument("names", nargs=-1, metavar="[NAME[=VALUE]]...", shell_complete=options)
@common
def show(
    defaults: bool,
    changed: bool,
    edits: bool,
    tables: bool,
    mechanisms: bool,
    bare: bool,
    names: tuple[str, ...],
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the options in force, those of the environment among them: all, or each NAME with what is below it.

    A NAME is an option such as smtp.recipient_limit or listener[1].port, or a section such as smtp. -e writes to the file what is
    right as a whole, or nothing; a running server reads it at `mailhub reload`.
    """
    if defaults + changed + edits + tables + mechanisms > 1:
        raise click.UsageError("one of -d, -n, -e, -m and -a at a time")
    if (tables or mechanisms) and names:
        raise click.UsageError("-m and -a take no NAME")
    if edits:
        _edit(config, names, as_json)
    elif tables:
        _print([{"type": kind, "text": text} for kind, (_, text) in lookup.TYPES.items()], as_json)
    elif mechanisms:
        _signing_in(_loaded(config), as_json)
    else:
        usual = Config()
        found = values.flat(usual) if defaults else _in_force(config, usual, changed)
        _options(_chosen(list(found), names, changed), bare, as_json)


def _in_force(path: Path | None, usual: Config, changed: bool) -> Iterable[tuple[values.Path, object]]:
    """With file names as they are written."""
    config = _loaded(path)
    return values.differing(config, usual) if changed else values.flat(config)


def _loaded(path: Path | None) -> Config:
    from mailhub.config.load import FILE, ConfigError, parse, read, usual

    file = path or usual() or Path(FILE)
    try:
        return parse(
            "" if path is None and not file.exists() else read(file), str(file), credentials.of_commands(os.environ)
        )
    except ConfigError as error:
        fail(str(error))


def _chosen(
    options: list[tuple[values.Path, object]], names: tuple[str, ...], changed: bool
) -> list[tuple[values.Path, object]]:
    if not names:
        return options
    found = []
    for name in names:
        try:
            wanted = values.path(name)
        except ValueError as error:
            fail(str(error))
        these = [(path, value) for path, value in options if path[: len(wanted)] == wanted]
        if not these and (not changed or values.kind(wanted) is None):
            fail(f"no option {harmless(name)}; `mailhub config -d` lists all", Exit.ABSENT)
        found += these
    return found


def _options(options: list[tuple[values.Path, object]], bare: bool, as_json: bool) -> None:
    texts = {values.name(path): values.text(path, value) for path, value in options}
    if as_json:
        import tomllib

        print_json({name: tomllib.loads(f"value = {text}")["value"] for name, text in texts.items()})
        return
    for name, text in texts.items():
        click.echo(harmless(text if bare else f"{name} = {text}"))


def _edit(path: Path | None, words: tuple[str, ...], as_json: bool) -> None:
    from mailhub.config.edit import edit
    from mailhub.config.load import ConfigError, usual

    changes = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r} is not NAME=VALUE")
        changes.append((name.strip(), value.strip()))
    if not changes:
        raise click.UsageError("-e wants NAME=VALUE")
    try:
        done = edit(path or usual(), changes, credentials.of_commands(os.environ))
    except ConfigError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror or error}")
    if as_json:
        print_json({"changed": done})


def _print(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        return print_json(rows)
    return print_table(tuple(name.upper() for name in rows[0]), [tuple(row.values()) for row in rows])


def _signing_in(config: Config, as_json: bool) -> None:
    from mailhub.directory.providers.chain import KINDS

    rows = _mechanisms(config)
    used = {word.partition(":")[0]: word for word in reversed(config.auth.providers)}
    providers = [{"provider": kind, "asked": used.get(kind, "no")} for kind in KINDS]
    if as_json:
        return print_json({"mechanisms": rows, "providers": providers})
    _print(rows, as_json)
    click.echo()
    return _print(providers, as_json)


def _mechanisms(config: Config) -> list[dict[str, str]]:
    """As a client would see them under TLS 1.3."""
    import ssl

    from mailhub.directory.signin import Peer, withheld
    from mailhub.wire.sasl import MECHANISMS

    binding = ["tls-server-end-point", "tls-unique (TLS 1.2)"]
    exporter = "tls-exporter" in ssl.CHANNEL_BINDING_TYPES
    binding.append("tls-exporter" if exporter else "no tls-exporter: this Python's ssl does not give it")
    peer = Peer("imap", secure=True, bindings={"tls-server-end-point": b"x"})
    tokens = bool(config.auth.oauth.jwks or config.auth.oauth.introspection)
    rows = []
    for name, row in MECHANISMS.items():
        why = withheld(config.auth, name, peer, tokens=tokens)
        note = f"; bindings: {', '.join(binding)}" if name.endswith("-PLUS") else ""
        rows.append(
            {"mechanism": name, "rfc": row.rfc, "offered": "no" if why else "yes", "why": (why or row.reason) + note}
        )
    return rows
