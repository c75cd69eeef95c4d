"""ARC (RFC 8617): whether those who passed a message on vouch for what they found, each for all before."""

import asyncio

from msgspec import Struct

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import arc, authres, dkim
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

from .check import Identity, Stage, Statement
from .dkim import bodies, fields_of, judged, key_at
from .letter import Letter
from .visit import Visit


class Chain(Struct, frozen=True):
    """`status`: RFC 8601's word. `sets`: the first one first; none where they can not be read."""

    status: str
    reason: str = ""
    sets: tuple[arc.Set, ...] = ()


class Arc:
    """A Check. Its identities are the sealers of a chain that holds, the last one first; the detail is what `arc.dmarc_passed` has of
    each."""

    name = "arc"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Arc, resolver: Resolver, lane: HeavyLane) -> None:
        self.config, self._resolver, self._lane = config, resolver, lane

    def concerns(self, visit: Visit) -> bool:
        """A message with sets."""
        return visit.letter is not None and arc.SEAL[:4] in visit.letter.header.lower()

    async def ask(self, visit: Visit) -> Statement | None:
        letter = visit.letter
        assert letter is not None
        chain = await validated(letter, self._resolver, self._lane)
        if chain.status == "none":
            return None
        held = chain.sets if chain.status == "pass" else ()
        vouched = await self._lane.call(lambda: [arc.dmarc_passed(one) for one in held])
        method = authres.resinfo(
            "arc", chain.status, chain.reason, header_d=chain.sets[-1].seal.domain if chain.sets else ""
        )
        return Statement(
            chain.status,
            reason=chain.reason or f"{len(chain.sets)} hosts vouch, the last of them {chain.sets[-1].seal.domain}",
            methods=(method,),
            identities=tuple(
                Identity("arc", one.seal.domain, "pass", author)
                for one, author in reversed(list(zip(held, vouched, strict=True)))
            ),
        )


async def validated(letter: Letter, resolver: Resolver, lane: HeavyLane) -> Chain:
    """Section 5.2."""
    fields = await fields_of(letter, lane)
    try:
        chain = tuple(await lane.call(arc.sets, fields))
    except ValueError as error:
        return Chain("fail", str(error))
    if not chain:
        return Chain("none")
    try:
        return await _validated(chain, fields, letter, resolver, lane)
    except DnsTemporary as error:
        return Chain("temperror", str(error), chain)
    except (NoData, NoSuchName) as error:
        return Chain("fail", f"no key: {error}", chain)
    except ValueError as error:
        return Chain("fail", str(error), chain)


async def _validated(
    chain: tuple[arc.Set, ...], fields: list[tuple[bytes, bytes]], letter: Letter, resolver: Resolver, lane: HeavyLane
) -> Chain:
    message = chain[-1].message
    key = await key_at(resolver, message.key_name)
    hashed = await bodies([message], letter, lane)
    found = await lane.call(judged, message, key, fields, hashed[message])
    if found.result != "pass":
        raise ValueError(f"{found.reason}, which {message.domain} signed last")
    names = list(dict.fromkeys(one.seal.key_name for one in chain))
    asked = await asyncio.gather(*(key_at(resolver, name) for name in names), return_exceptions=True)
    keys = dict(zip(names, asked, strict=True))
    for count in range(len(chain), 0, -1):  # the last seal that can not be told good decides
        key_or_error = keys[chain[count - 1].seal.key_name]
        if isinstance(key_or_error, BaseException):
            raise key_or_error
        await lane.call(_seal_holds, chain, count, key_or_error)
    return Chain("pass", "", chain)


def _seal_holds(chain: tuple[arc.Set, ...], count: int, key: dkim.Key) -> None:
    seal = chain[count - 1].seal
    try:
        dkim.fits(seal.algorithm, seal.value, key, arc.sealed(chain, count))
    except ValueError as error:
        raise ValueError(f"the seal i={count} of {seal.domain}: {error}") from error
