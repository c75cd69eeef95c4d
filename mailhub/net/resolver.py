"""The seam for names: DNS answers with the one cache, on the clock.

`DnsResolver` asks by aiodns. An answer lives for its TTL, "there is none" for `negative_ttl`; trouble is not kept.
Equal questions that are under way share one query.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import aiodns

from mailhub.config import schema
from mailhub.model.clock import Clock

_NONE = (1, 4)  # c-ares: no data, no such name
_NXDOMAIN = 4


class DnsError(Exception):
    """Base of what a look-up can fail with."""


class NoSuchName(DnsError):
    """NXDOMAIN: the name does not exist."""


class NoData(DnsError):
    """The name exists and has no record of that type."""


class DnsTemporary(DnsError):
    """SERVFAIL, REFUSED, a timeout: nobody knows."""


class Resolver(Protocol):
    """Every look-up raises NoSuchName, NoData or DnsTemporary. Names are given with or without a trailing dot."""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        """(preference, host), in no order; a host of "" is a null MX (RFC 7505)."""
        ...

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        """IPv6 addresses first where asked for, then IPv4."""
        ...

    async def txt(self, name: str) -> list[bytes]: ...

    async def ptr(self, address: str) -> list[str]: ...

    async def close(self) -> None: ...


class DnsResolver:
    """One c-ares channel for a hub, made at the first question."""

    def __init__(self, config: schema.Resolver, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._channel: aiodns.DNSResolver | None = None
        self._cache: OrderedDict[tuple[str, str], tuple[float, Sequence[Any] | DnsError]] = OrderedDict()
        self._asked: dict[tuple[str, str], asyncio.Task[Sequence[Any]]] = {}

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        return [(data.priority, _text(data.exchange)) for data in await self._ask(domain, "MX")]

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        kinds = ("AAAA", "A") if ipv6 else ("A",)
        answers = await asyncio.gather(*(self._ask(host, kind) for kind in kinds), return_exceptions=True)
        found = [str(data.addr) for answer in answers if not isinstance(answer, BaseException) for data in answer]
        if found:
            return found
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        raise next((error for error in errors if not isinstance(error, NoSuchName | NoData)), errors[-1])

    async def txt(self, name: str) -> list[bytes]:
        return [bytes(data.data) for data in await self._ask(name, "TXT")]

    async def ptr(self, address: str) -> list[str]:
        return [_text(data.dname) for data in await self._ask(ipaddress.ip_address(address).reverse_pointer, "PTR")]

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        key = (ascii_name(name), kind)
        kept = self._cache.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            self._cache.move_to_end(key)
            if isinstance(kept[1], DnsError):
                raise kept[1]
            return kept[1]
        task = self._asked.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._query(*key))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _query(self, name: str, kind: str) -> Sequence[Any]:
        try:
            async with self._clock.timeout(self._config.timeout * self._config.tries * 2):
                result = await self._open().query_dns(name, kind)
        except TimeoutError:
            raise DnsTemporary(f"{kind} of {name}: no answer in time") from None
        except aiodns.error.DNSError as error:
            raise self._failed(name, kind, error) from error
        wanted = aiodns.query_type_map[kind]
        records = [record for record in result.answer if record.type == wanted]
        if not records:
            raise self._kept(name, kind, NoData(f"{name} has no {kind} record"))
        ttl = min(self._config.ttl_max, *(record.ttl for record in records))
        answers = [record.data for record in records]
        self._keep((name, kind), ttl, answers)
        return answers

    def _failed(self, name: str, kind: str, error: aiodns.error.DNSError) -> DnsError:
        code = error.args[0] if error.args else 0
        if code not in _NONE:
            return DnsTemporary(f"{kind} of {name}: {error.args[-1] if error.args else error}")
        if code == _NXDOMAIN:
            return self._kept(name, kind, NoSuchName(f"{name} does not exist"))
        return self._kept(name, kind, NoData(f"{name} has no {kind} record"))

    def _kept(self, name: str, kind: str, error: DnsError) -> DnsError:
        self._keep((name, kind), self._config.negative_ttl, error)
        return error

    def _keep(self, key: tuple[str, str], ttl: float, answer: Sequence[Any] | DnsError) -> None:
        self._cache[key] = (self._clock.monotonic() + ttl, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > self._config.cache_limit:
            self._cache.popitem(last=False)

    def _open(self) -> aiodns.DNSResolver:
        if self._channel is None:
            servers = list(self._config.nameservers) or None
            self._channel = aiodns.DNSResolver(
                nameservers=servers, timeout=self._config.timeout, tries=self._config.tries
            )
        return self._channel

    async def close(self) -> None:
        for task in tuple(self._asked.values()):
            task.cancel()
        if self._channel is not None:
            await self._channel.close()
            self._channel = None


def ascii_name(name: str) -> str:
    """A name as DNS carries it: lower case, A-labels, no dot at the end. NoSuchName where it can not be one."""
    name = name.rstrip(".").lower()
    try:
        coded = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise NoSuchName(f"{name!r} is not a domain name") from error
    if not 0 < len(coded) <= 253 or any(not 0 < len(label) <= 63 for label in coded.split(".")):
        raise NoSuchName(f"{name!r} is not a domain name")
    return coded


def _text(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.rstrip(".").lower()
