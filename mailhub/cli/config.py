"""`mailhub config`: what this mailhub can do, as `postconf -m` and `postconf -a` tell it of Postfix."""

import ssl
from pathlib import Path

import click

from mailhub.config import lookup
from mailhub.config.schema import Config

from .options import common, read_config
from .output import print_json, print_table


@click.command("config")
@click.option("-m", "tables", is_flag=True, help="The types of lookup tables.")
@click.option("-a", "mechanisms", is_flag=True, help="The SASL mechanisms, and why one is not offered.")
@common
def show(tables: bool, mechanisms: bool, config: Path | None, as_json: bool) -> None:
    """Say what can be configured: lookup tables (-m), ways to sign in (-a)."""
    if tables == mechanisms:
        raise click.UsageError("say what to show: -m or -a")
    if tables:
        rows = [{"type": kind, "text": text} for kind, (_, text) in lookup.TYPES.items()]
    else:
        rows = _mechanisms(read_config(config))
    if as_json:
        return print_json(rows)
    return print_table(tuple(name.upper() for name in rows[0]), [tuple(row.values()) for row in rows])


def _mechanisms(config: Config) -> list[dict[str, str]]:
    """As a client would see them under TLS 1.3."""
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
