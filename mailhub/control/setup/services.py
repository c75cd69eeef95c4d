"""Which services others find on this host, at which ports: read from the listeners and [setup]. Pure."""

import ipaddress
from typing import Literal

from msgspec import Struct

from mailhub.config.schema import Config, Listener, Tls

HTTPS = 443
_CLIENTS = ("submission", "imap", "pop3", "managesieve")


class Service(Struct, frozen=True):
    """`kind`: the protocol. `listener`: its name. `inner`: it answers on loopback alone, so that something stands before it, or nobody
    from outside comes."""

    kind: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    listener: str
    inner: bool = False


def services(config: Config) -> tuple[Service, ...]:
    """Those on TCP, in the order of the listeners; one whose port is not known yet (0) is left out."""
    found = (_service(config, listener) for listener in config.listener if not listener.path)
    return tuple(one for one in found if one.port)


def _service(config: Config, listener: Listener) -> Service:
    port = config.setup.ports.get(listener.label, listener.port)
    loopback = ipaddress.ip_address(listener.address).is_loopback and listener.label not in config.setup.ports
    return Service(listener.protocol, port, listener.tls, listener.label, loopback)


def for_clients(config: Config) -> tuple[Service, ...]:
    """One of each protocol and way of TLS that programs of our accounts may use; those with TLS from the first octet come first
    (RFC 8314 section 3)."""
    found: dict[tuple[str, str], Service] = {}
    for one in services(config):
        if one.kind in _CLIENTS and one.tls != "none":
            found.setdefault((one.kind, one.tls), one)
    return tuple(sorted(found.values(), key=lambda one: (_CLIENTS.index(one.kind), one.tls != "implicit")))


def web(config: Config) -> int:
    """The port of HTTPS, 443 before all others; 0 where no listener speaks it. A listener in the clear counts where others reach it
    by 443: a proxy does the rest."""
    ports = [
        one.port for one in services(config) if one.kind == "http" and (one.tls == "implicit" or one.port == HTTPS)
    ]
    return HTTPS if HTTPS in ports else next(iter(ports), 0)


def mail_by_tls(config: Config) -> bool:
    """Whether mail can come by TLS, as MTA-STS and DANE promise: not where this host takes it by listeners of which none has STARTTLS."""
    doors = [one for one in services(config) if one.kind == "smtp"]
    return not doors or config.hostname.lower() not in mail_hosts(config) or any(one.tls != "none" for one in doors)


def tls(config: Config, kind: str) -> Tls:
    """The certificates that clients of a protocol are shown: those of its first listener with TLS."""
    doors = [one for one in config.listener if one.protocol == kind and one.tls != "none"]
    return (doors[0].tls_options if doors else None) or config.tls


def mail_hosts(config: Config) -> tuple[str, ...]:
    """Those that take mail for our domains, the best first."""
    return tuple(host.lower().rstrip(".") for host in config.setup.mx) or (config.hostname.lower(),)


def reports_to(config: Config, domain: str) -> str:
    """Who gets the reports of others about a domain."""
    who = config.setup.reports
    return who if "@" in who else f"{who}@{domain}"
