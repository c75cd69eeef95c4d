"""What is told: servers, ports, TLS, and the name to sign in with."""

from msgspec import Struct

from mailhub.config.schema import Config
from mailhub.control.setup.services import Service, for_clients

INCOMING = ("imap", "pop3")


class Account(Struct, frozen=True):
    """`address`: whose; "" where nobody said. `incoming`, `outgoing`: the best first."""

    domain: str
    address: str
    host: str
    incoming: tuple[Service, ...]
    outgoing: tuple[Service, ...]


def account(config: Config, domain: str, address: str) -> Account:
    found = for_clients(config)
    incoming = tuple(one for one in found if one.kind in INCOMING)
    outgoing = tuple(one for one in found if one.kind == "submission")
    ordered = sorted(incoming, key=lambda one: INCOMING.index(one.kind))
    return Account(domain, address, config.hostname, tuple(ordered), outgoing)
