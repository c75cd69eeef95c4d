"""A stream to a daemon of the operator's choice, by address, name or unix socket."""

import asyncio

from mailhub.config.endpoints import Endpoint
from mailhub.model.clock import Clock

from .resolver import DnsError, Resolver
from .stream import ConnectionLost, Stream

_LOOPBACK = ("127.0.0.1", "::1")  # of `localhost`, whatever DNS says (RFC 6761 section 6.3)


async def connect(where: Endpoint, resolver: Resolver, clock: Clock) -> Stream:
    """Connected; the caller bounds the time and closes it. ConnectionLost where nobody is there."""
    loop = asyncio.get_running_loop()
    stream = Stream(clock, _ignored)
    try:
        if where.path:
            await loop.create_unix_connection(lambda: stream, where.path)
            return stream
        addresses = await _addresses(where.host, resolver)
        for address in addresses:
            try:
                await loop.create_connection(lambda: stream, address, where.port)
                return stream
            except OSError:
                if address == addresses[-1]:
                    raise
    except OSError as error:
        raise ConnectionLost(f"{where}: {error.strerror or error}") from error
    except DnsError as error:
        raise ConnectionLost(f"{where}: no address: {error}") from error
    raise ConnectionLost(f"{where}: no address")


async def _addresses(host: str, resolver: Resolver) -> list[str]:
    if host == "localhost":
        return list(_LOOPBACK)
    literal = ":" in host or host.replace(".", "").isdigit()
    return [host] if literal else await resolver.addresses(host)


def _ignored(stream: Stream) -> None:
    """Who connects has it already."""
