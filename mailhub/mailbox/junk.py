"""The junk filter that learns: it is taught by who moves mail into Junk and out of it, and says what it thinks of new mail.

What an account teaches is taught to the site too (owner ""); an account's mail is judged by both together, so that its own lessons
count twice. Of words only digests are kept.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b

from msgspec import Struct

from mailhub.config import schema
from mailhub.message import authres, headers, tokens
from mailhub.model import junk
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.mailbox import Folder
from mailhub.store.api import Copied, JunkLimits, JunkStore, Lesson, MailboxStore

from .heavy import HeavyLane, quick

log = logging.getLogger("mailhub.mailbox")

SITE = ""
_MOVES = 1_000  # messages that wait to be learnt; more are not
_OF_ONE = 200  # of one move
_FEW = 300  # known words that are weighed on the loop, in a third of a millisecond
_QUICK = 8_192  # octets of a message whose words are found on the loop, in half a millisecond
_UNTOLD = ("\\Junk", "\\Trash", "\\Drafts", "\\Sent")  # where mail is put that says nothing of being good


class Judgement(Struct, frozen=True):
    """`opinion` of the words; `sender`: what was taught of the sender, where who he is was proved."""

    opinion: junk.Opinion
    sender: junk.Counts


class _Move(Struct, frozen=True):
    account: str
    folder: int
    uid: int
    junk: bool


class JunkFilter:
    """`close()` it before the store. `authserv_id`: under which name our results stand in stored mail."""

    def __init__(
        self, store: JunkStore, mail: MailboxStore, config: schema.Junk, authserv_id: str, lane: HeavyLane, clock: Clock
    ) -> None:
        self.config, self._authserv_id = config, authserv_id
        self._store, self._mail, self._lane, self._clock = store, mail, lane, clock
        self._moves: deque[_Move] = deque()
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def settled(self) -> None:
        """Until all moves are learnt."""
        while self._task is not None:
            await asyncio.wait([self._task])

    # --- what it thinks

    async def taught(self, account: str) -> junk.Counts | None:
        """How much was taught for that account's mail; None where it is too little to judge any."""
        total, least = await self._store.totals([SITE, account] if account else [SITE]), self.config.min_messages
        return total if total.junk >= least and total.good >= least else None

    def room(self, size: int) -> AbstractAsyncContextManager[object]:
        """`async with filter.room(size)`: read so many octets and judge them; few large messages are in memory at one time."""
        return self._lane.room(size)

    async def judge(
        self, account: str, data: bytes, proved: Collection[str] = (), total: junk.Counts | None = None
    ) -> Judgement | None:
        """Of a message by its first `tokens.READ` octets; `account` "" for the site alone; `proved`: domains that SPF or DKIM speak
        for. `total`: what `taught` said. None where too little was taught."""
        total = await self.taught(account) if total is None else total
        if total is None:
            return None
        owners = [SITE, account] if account else [SITE]
        found = (
            tokens.tokens(data) if len(data) <= _QUICK and quick(data) else await self._lane.call(tokens.tokens, data)
        )
        numbers = {token: _digest(token) for token in found}
        sender = _sender(data, proved)
        known = await self._store.counts(owners, [*numbers.values(), *([_digest(sender)] if sender else [])])
        counts = {token: known[number] for token, number in numbers.items() if number in known}
        taught = known.get(_digest(sender), junk.Counts()) if sender else junk.Counts()
        if len(counts) > _FEW:
            return Judgement(await self._lane.call(junk.opinion, found, counts, total), taught)
        return Judgement(junk.opinion(found, counts, total), taught)

    # --- what it is taught

    async def learn(self, account: str, data: bytes, is_junk: bool | None, proved: Collection[str] = ()) -> bool:
        """A message by its first `tokens.READ` octets; None: it is to be forgotten. Whether that was new."""
        lesson = await self._lane.call(_lesson, data, is_junk, proved)
        limits = JunkLimits(self.config.token_limit, self.config.expire)
        owners = [SITE, account] if account else [SITE]
        return await self._store.learn(owners, lesson, self._clock.now(), limits)

    def moved(self, source: Folder, copied: Copied) -> None:
        """Somebody has moved or copied messages; it is quick, and the learning comes later."""
        target = copied.target_folder
        if not self.config.learn or not self.config.enabled or source.account != target.account:
            return
        into, out = target.special_use == "\\Junk", source.special_use == "\\Junk"
        if into == out and (into or {source.special_use, target.special_use} & set(_UNTOLD)):
            return
        if out and target.special_use in _UNTOLD:
            return
        for uid in copied.target[:_OF_ONE]:
            if len(self._moves) >= _MOVES:
                log.info("junk: too many moves at one time, some are not learnt")
                break
            self._moves.append(_Move(target.account, target.id, uid, into))
        if self._task is None and self._moves:
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            while self._moves:
                move = self._moves.popleft()
                try:
                    async with await self._mail.open(move.folder, move.uid) as file:
                        size = min(file.size, tokens.READ)
                        async with self.room(size):
                            data = await file.read(0, size)
                            proved = authres.passed(data[: headers.header_end(data)], self._authserv_id)
                            await self.learn(move.account, data, move.junk, proved)
                except MailError as error:  # gone again, or the store is busy: one lesson less
                    log.info("junk: a message of %s was not learnt: %s", move.account, error)
        except Exception:
            log.exception("junk: moves are not learnt")
        finally:
            self._task = None


def _lesson(data: bytes, is_junk: bool | None, proved: Collection[str]) -> Lesson:
    numbers = sorted(map(_digest, tokens.tokens(data)))
    key = int.from_bytes(blake2b(repr(numbers).encode(), digest_size=8).digest()) >> 1
    sender = _sender(data, proved)
    return Lesson(key, tuple(dict.fromkeys([*numbers, *([_digest(sender)] if sender else [])])), is_junk)


def _sender(data: bytes, proved: Iterable[str]) -> str:
    """The token of who wrote it, where SPF or DKIM speak for his domain or one above or below; else ""."""
    author = tokens.sender(data[: headers.header_end(data)])
    domain = author.rpartition("@")[2]
    aligned = any(domain == name or domain.endswith("." + name) or name.endswith("." + domain) for name in proved)
    return f"sender:{author}" if domain and aligned else ""


def _digest(token: str) -> int:
    return int.from_bytes(blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1
