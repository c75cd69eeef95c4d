"""Signing in to mail hosts (RFC 4954): whose password it is, and the dialogue."""

import asyncio
import hashlib
import logging
import secrets

from mailhub.config import schema
from mailhub.model import address as addresses
from mailhub.tables import Tables
from mailhub.wire import sasl
from mailhub.wire.sasl.client import CLIENT_MECHANISMS, Derive, Login

from .client import Client
from .errors import Lost
from .mx import Host

log = logging.getLogger("mailhub.relay")
_REFUSED = "4.7.8"  # temporary: the operator can mend it
_ROUNDS = 5  # challenges in one exchange


class LoginFailed(Lost):
    """Not signed in: nothing was sent."""


class Logins:
    """Postfix's smtp_sasl_password_maps: `name:password` under the sender, the nexthop as it is written, or the host."""

    def __init__(self, config: schema.Relay, tables: Tables | None) -> None:
        self._table = tables.open(config.passwords) if tables is not None and config.passwords else None

    async def find(self, sender: str, nexthop: str, host: Host) -> Login | None:
        """None where mail goes without. Temporary where the table can not be asked."""
        if self._table is None:
            return None
        keys = [sender.lower(), "@" + addresses.domain_of(sender)] if sender else []
        for key in (*keys, nexthop, host.name):
            if (value := await self._table.lookup(key)) is not None:
                name, _, password = value.partition(":")
                return Login(name, password)
        return None


async def sign_in(client: Client, login: Login, config: schema.Relay) -> None:
    """LoginFailed where it does not work, whatever the reason: mail is not handed over as somebody else than was meant."""
    if not client.tls and not config.auth_in_clear:
        raise _failed(client, "the host offers no TLS, and passwords go over TLS alone (relay.auth_in_clear)")
    offered = client.value("auth").upper().split()
    for mechanism in CLIENT_MECHANISMS:
        if mechanism in offered and mechanism in config.auth_mechanisms:
            break
    else:
        raise _failed(client, f"the host offers none of {', '.join(config.auth_mechanisms)}")
    try:
        await _exchange(client, mechanism, login)
    except sasl.SaslError as error:
        raise _failed(client, f"{mechanism}: {error}") from error


async def _exchange(client: Client, mechanism: str, login: Login) -> None:
    machine = CLIENT_MECHANISMS[mechanism](login, secrets.token_urlsafe(18))
    first = machine.begin()
    words = ["AUTH", mechanism] if first is None else ["AUTH", mechanism, sasl.encode(first).decode() or "="]
    (reply,) = await client.group(" ".join(words).encode())
    for _ in range(_ROUNDS):
        if reply.code != 334:
            break
        answer = machine.answer(sasl.decode(reply.text.strip().encode()))
        if isinstance(answer, Derive):
            key = await asyncio.to_thread(
                hashlib.pbkdf2_hmac, answer.hash, answer.password, answer.salt, answer.iterations
            )
            answer = machine.keyed(key)
        (reply,) = await client.group(sasl.encode(answer))
    if reply.code != 235:
        raise _failed(client, f"{mechanism}: server {client.host} said: {reply}")
    if not machine.proved:
        raise sasl.SaslError("the server has not shown that it knows the password")


def _failed(client: Client, cause: str) -> LoginFailed:
    """What the operator has to mend is an alarm."""
    client.close()
    log.error("SASL authentication failed at %s: %s", client.host, cause)
    return LoginFailed(f"SASL authentication failed at {client.host}: {cause}", _REFUSED)
