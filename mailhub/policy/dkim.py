"""DKIM (RFC 6376): the signatures of a message checked, a few at the most, their keys asked for together."""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import authres, dkim
from mailhub.model.clock import Clock
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

from .check import Identity, Stage, Statement
from .letter import Letter
from .visit import Visit

_BLOCK = 65_536
_CLEAR_HEADER = 65_536  # octets of a header that is looked at on the loop


class Checked(Struct, frozen=True):
    """`result`: RFC 8601's word. `signature`: None where it can not be read."""

    result: str
    reason: str
    signature: dkim.Signature | None = None


class Dkim:
    """A Check. Who is trusted is asked about too: a signature is good wherever it comes from."""

    name = "dkim"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Dkim, resolver: Resolver, clock: Clock, lane: HeavyLane) -> None:
        self.config, self._resolver, self._clock, self._lane = config, resolver, clock, lane

    def concerns(self, visit: Visit) -> bool:
        """A message with signatures."""
        return visit.letter is not None and dkim.FIELD_NAME in visit.letter.header.lower()

    async def ask(self, visit: Visit) -> Statement | None:
        letter = visit.letter
        assert letter is not None
        found = await checked(letter, self._resolver, self._clock.now(), self.config.signature_limit, self._lane)
        if not found:
            return None
        best = next((one for one in found if one.result == "pass"), found[0])
        score = self.config.pass_score if best.result == "pass" else self.config.fail_score
        return Statement(
            best.result,
            score if best.result in ("pass", "fail") else 0.0,
            "; ".join(dict.fromkeys(_words(one) for one in found)),
            methods=tuple(_method(one) for one in found),
            identities=tuple(
                Identity("dkim", one.signature.domain, one.result, one.signature.selector)
                for one in found
                if one.signature
            ),
        )


async def checked(letter: Letter, resolver: Resolver, now: float, limit: int, lane: HeavyLane) -> list[Checked]:
    """The first `limit` signatures, from the top."""
    fields = await fields_of(letter, lane)
    signatures = [field for name, field in fields if name == dkim.FIELD_NAME][:limit]
    read = [_read(field, now) for field in signatures]
    good = [one for one in read if isinstance(one, dkim.Signature)]
    keys = dict(zip(good, await asyncio.gather(*(_key(resolver, one) for one in good)), strict=True))
    hashed = await bodies([one for one in good if isinstance(keys[one], dkim.Key)], letter, lane)
    found = []
    for one in read:
        if isinstance(one, Checked):
            found.append(one)
        elif isinstance(key := keys[one], Checked):
            found.append(key)
        else:
            found.append(await lane.call(judged, one, key, fields, hashed[one]))
    return found


async def fields_of(letter: Letter, lane: HeavyLane) -> list[tuple[bytes, bytes]]:
    """`dkim.fields` of its header."""
    if len(letter.header) <= _CLEAR_HEADER:
        return dkim.fields(letter.header)
    return await lane.call(dkim.fields, letter.header)


def _read(field: bytes, now: float) -> dkim.Signature | Checked:
    try:
        signature = dkim.read(field)
    except ValueError as error:
        return Checked("permerror", str(error))
    if signature.expires is not None and signature.expires < now:
        return Checked("fail", "the signature has expired", signature)
    return signature


async def key_at(resolver: Resolver, name: str) -> dkim.Key:
    """ValueError where there is none that can be used; DnsError."""
    return dkim.read_key((await resolver.records(name, "TXT"))[0])


async def _key(resolver: Resolver, signature: dkim.Signature) -> dkim.Key | Checked:
    try:
        return await key_at(resolver, signature.key_name)
    except DnsTemporary as error:
        return Checked("temperror", str(error), signature)
    except (NoData, NoSuchName):
        return Checked("permerror", f"no key at {signature.key_name}", signature)
    except ValueError as error:
        return Checked("policy" if "bits" in str(error) else "permerror", str(error), signature)


Hashed = tuple[bytes, bool] | str  # the hash, and whether there is more than was signed; or what is wrong


async def bodies(
    signatures: Sequence[dkim.Signature], letter: Letter, lane: HeavyLane
) -> Mapping[dkim.Signature, Hashed]:
    """The body's hash for each of them, in one pass over it."""
    wanted = {(one.body_canon, one.length): dkim.BodyHash(one.body_canon, one.length) for one in signatures}

    def feed(block: bytes) -> None:
        for one in wanted.values():
            one.feed(block)

    for at in range(letter.start, letter.size if wanted else 0, _BLOCK):
        block = await letter.read(at, _BLOCK)
        await lane.call(feed, block)
    done: dict[tuple[str, int | None], Hashed] = {}
    for which, one in wanted.items():
        try:
            done[which] = one.digest(), one.cut
        except ValueError as error:
            done[which] = str(error)
    return {one: done[one.body_canon, one.length] for one in signatures}


def judged(signature: dkim.Signature, key: dkim.Key, fields: Sequence[tuple[bytes, bytes]], hashed: Hashed) -> Checked:
    if isinstance(hashed, str):
        return Checked("fail", hashed, signature)
    digest, cut = hashed
    if digest != signature.body_hash:
        return Checked("fail", "the body was changed", signature)
    try:
        dkim.verified(signature, key, fields)
    except ValueError as error:
        return Checked("fail", str(error), signature)
    if cut:
        return Checked("policy", "only the beginning of the body is signed", signature)
    return Checked("pass", "", signature)


def _words(one: Checked) -> str:
    whose = f" of {one.signature.domain}" if one.signature else ""
    return f"{one.reason or 'a good signature'}{whose}"


def _method(one: Checked) -> str:
    signature = one.signature
    if signature is None:
        return authres.resinfo("dkim", one.result, one.reason)
    algorithm = signature.algorithm
    return authres.resinfo(
        "dkim", one.result, one.reason, header_d=signature.domain, header_s=signature.selector, header_a=algorithm
    )
