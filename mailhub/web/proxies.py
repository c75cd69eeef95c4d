"""Who asks, by which name and whether in secret: what the connection says, or a reverse proxy whose word counts."""

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from mailhub.net.addresses import Networks, parse

_LONGEST = 4_000  # characters of a field


class Asked(Struct, frozen=True):
    """`client`: an address, loopback for a unix socket. `host`: as Host has it, with the port where that is not the usual one."""

    client: str
    host: str
    secure: bool


ASKED: web.RequestKey[Asked] = web.RequestKey("asked", Asked)


class Proxies:
    """`networks`: those of proxies that are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = Networks(networks)

    def asked(self, request: web.Request) -> Asked:
        """Of the fields that proxies add, the last value is the one that ours wrote; in X-Forwarded-For the last that is none of our own."""
        client = peer(request)
        if client not in self._networks:
            return Asked(client, request.host, request.secure)
        way = _values(request, "X-Forwarded-For")
        while way and client in self._networks:
            last = way.pop().strip("[]")
            if parse(last) is None:
                break
            client = last
        hosts, schemes = _values(request, "X-Forwarded-Host"), _values(request, "X-Forwarded-Proto")
        secure = schemes[-1].lower() == "https" if schemes else request.secure
        return Asked(client, hosts[-1] if hosts else request.host, secure)


def peer(request: web.Request) -> str:
    """The address of who is connected, also behind a proxy that says so first (PROXY protocol)."""
    client: str = getattr(request.protocol, "client", "")
    return (client or request.remote or "127.0.0.1").partition("%")[0]


def _values(request: web.Request, name: str) -> list[str]:
    whole = ",".join(request.headers.getall(name, ()))[-_LONGEST:]
    return [value for text in whole.split(",") if (value := text.strip())]
