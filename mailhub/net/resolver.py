"""The seam for names: DNS answers with the one cache, on the clock.

`DnsResolver` asks by aiodns. An answer lives for its TTL, "there is none" for `negative_ttl`; trouble (SERVFAIL, REFUSED,
silence) is not kept. Equal questions that are under way share one query.

c-ares keeps a cache of its own, on real time, which can not be switched off from Python. So a question that comes again is
put to a fresh channel: answers are as old as our cache says, and never older.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import aiodns

from mailhub.config import schema
from mailhub.model.clock import Clock

from .names import ascii_name

_NO_DATA, _NXDOMAIN, _BAD_NAME = 1, 4, 8  # c-ares
_ENOUGH = 3  # questions in a row without an answer: no single domain's trouble any more
_PATIENCE = 2.0  # times what c-ares should take at most; it doubles its timeout from try to try


class DnsError(Exception):
    """Base of what a look-up can fail with."""


class NoSuchName(DnsError):
    """NXDOMAIN, or a name that none can have."""


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
        """IPv6 addresses first where asked for, then IPv4. Those that are known, where only one kind can be found out."""
        ...

    async def txt(self, name: str) -> list[bytes]:
        """The strings of each record joined."""
        ...

    async def ptr(self, address: str) -> list[str]:
        """Names of an IP address."""
        ...

    async def records(self, name: str, kind: str) -> list[str]:
        """Records of one type (A, AAAA, MX, PTR, SRV, TXT) as text: hosts in lower case without the last dot, in no order; the strings
        of each TXT record joined; of SRV "priority weight port host"."""
        ...

    @property
    def trouble(self) -> str:
        """Why questions are not answered now: some in a row were not. "": the last one was, if only by "there is none"."""
        ...

    async def close(self) -> None:
        """What is asked now or later is answered with DnsTemporary."""
        ...


Key = tuple[str, str]  # name and type of a question


class _Channel:
    """An aiodns resolver and what it may have in its cache. `waiting`: questions under way."""

    def __init__(self, config: schema.Resolver) -> None:
        self._dns = aiodns.DNSResolver(
            nameservers=list(config.nameservers) or None, timeout=config.timeout, tries=config.tries
        )
        self.asked: set[Key] = set()
        self.waiting = 0

    async def query(self, name: str, kind: str) -> Any:
        self.asked.add((name, kind))
        self.waiting += 1
        try:
            return await self._dns.query_dns(name, kind)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """At once: what is under way fails."""
        await self._dns.close()


class DnsResolver:
    """The resolver of a hub; its c-ares channel is made at the first question."""

    def __init__(self, config: schema.Resolver, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._channel: _Channel | None = None
        self._channels: set[_Channel] = set()  # that one, and those before it that still wait for answers
        self._cache: OrderedDict[Key, tuple[float, Sequence[Any] | DnsError]] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[Sequence[Any]]] = {}
        self._closed = False
        self._unanswered = 0  # in a row
        self.trouble = ""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        return [(data.priority, _text(data.exchange)) for data in await self._ask(domain, "MX")]

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        kinds = ("AAAA", "A") if ipv6 else ("A",)
        answers = await asyncio.gather(*(self._ask(host, kind) for kind in kinds), return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        found = [str(data.addr) for answer in answers if not isinstance(answer, BaseException) for data in answer]
        for error in errors:
            if not isinstance(error, DnsError):
                raise error
        if found:
            return found
        raise next((error for error in errors if isinstance(error, DnsTemporary)), errors[-1])

    async def txt(self, name: str) -> list[bytes]:
        return [bytes(data.data) for data in await self._ask(name, "TXT")]

    async def ptr(self, address: str) -> list[str]:
        return [_text(data.dname) for data in await self._ask(ipaddress.ip_address(address).reverse_pointer, "PTR")]

    async def records(self, name: str, kind: str) -> list[str]:
        return [_AS_TEXT[kind](data) for data in await self._ask(name, kind)]

    async def close(self) -> None:
        self._closed = True
        self._channel = None
        for channel in tuple(self._channels):
            await channel.close()
        if self._asked:
            await asyncio.wait(tuple(self._asked.values()))

    # --- one question ------------------------------------------------------------------------------------------------

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            key = (ascii_name(name), kind)
        except ValueError as error:
            raise NoSuchName(str(error)) from error
        kept = self._cache.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            self._cache.move_to_end(key)
            if isinstance(kept[1], DnsError):
                raise type(kept[1])(*kept[1].args)  # one of its own for each: tracebacks grow with each raising
            return kept[1]
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.get_running_loop().create_task(self._query(*key))
            task.add_done_callback(lambda task: self._answered(key, task))
        return await asyncio.shield(task)

    def _answered(self, key: Key, task: "asyncio.Task[Sequence[Any]]") -> None:
        del self._asked[key]
        if not task.cancelled():
            task.exception()  # those who asked may be gone: then nobody else looks at it

    async def _query(self, name: str, kind: str) -> Sequence[Any]:
        key = (name, kind)
        channel = await self._fresh(key)
        try:
            async with self._clock.timeout(self._config.timeout * 2**self._config.tries * _PATIENCE):
                result = await channel.query(name, kind)
        except (TimeoutError, aiodns.error.DNSError) as error:
            failure = self._failed(name, kind, error)
            if isinstance(failure, DnsTemporary):
                channel.asked.discard(key)
            self._heard(failure)
            raise failure from error
        finally:
            await self._spared(channel)
        self._heard(None)
        wanted = aiodns.query_type_map[kind]
        answers = [record.data for record in result.answer if record.type == wanted]
        if not answers:
            raise self._kept(name, kind, NoData(f"{name} has no {kind} record"))
        ttl = min(self._config.ttl_max, *(record.ttl for record in result.answer))  # that of a CNAME on the way, too
        self._keep(key, ttl, answers)
        return answers

    def _heard(self, failure: DnsError | None) -> None:
        self._unanswered = self._unanswered + 1 if isinstance(failure, DnsTemporary) else 0
        self.trouble = str(failure) if self._unanswered >= _ENOUGH else ""

    async def _fresh(self, key: Key) -> _Channel:
        """The channel, or where it was asked this before and may have kept the answer, a new one in its place."""
        if self._closed:
            raise DnsTemporary("the resolver is closed")
        before = self._channel
        if before is None or key in before.asked or len(before.asked) >= self._config.cache_limit:
            self._channel = _Channel(self._config)
            self._channels.add(self._channel)
            if before is not None:
                await self._spared(before)
        assert self._channel is not None
        return self._channel

    async def _spared(self, channel: _Channel) -> None:
        """Close a channel that was replaced and has nothing more to answer."""
        if channel is not self._channel and not channel.waiting and channel in self._channels:
            self._channels.discard(channel)
            await channel.close()

    def _failed(self, name: str, kind: str, error: Exception) -> DnsError:
        code = error.args[0] if isinstance(error, aiodns.error.DNSError) and error.args else None
        if code in (_NXDOMAIN, _BAD_NAME):
            return self._kept(name, kind, NoSuchName(f"{name} does not exist"))
        if code == _NO_DATA:
            return self._kept(name, kind, NoData(f"{name} has no {kind} record"))
        return DnsTemporary(f"{kind} of {name}: {error.args[-1] if error.args else 'no answer in time'}")

    def _kept(self, name: str, kind: str, error: DnsError) -> DnsError:
        self._keep((name, kind), self._config.negative_ttl, error)
        return error

    def _keep(self, key: Key, ttl: float, answer: Sequence[Any] | DnsError) -> None:
        self._cache[key] = (self._clock.monotonic() + ttl, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > self._config.cache_limit:
            self._cache.popitem(last=False)


def _text(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.rstrip(".").lower()


_AS_TEXT: dict[str, Callable[[Any], str]] = {
    "A": lambda data: str(data.addr),
    "AAAA": lambda data: str(data.addr),
    "MX": lambda data: _text(data.exchange),
    "PTR": lambda data: _text(data.dname),
    "SRV": lambda data: f"{data.priority} {data.weight} {data.port} {_text(data.target)}",
    "TXT": lambda data: bytes(data.data).decode("utf-8", "replace"),
}
