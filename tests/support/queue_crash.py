"""A queue on a machine that is switched off at any moment, and the count of what became of each recipient."""

import asyncio
import contextlib
import os
import random
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from mailhub.config import schema
from mailhub.delivery.transport import Job, Result
from mailhub.message import stamps
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import Act, QueueFilter
from mailhub.store.sqlite import SqliteStore

from .crash_files import CrashFiles, end_threads, mortal_writer
from .queue_world import FATES, LADDER, TAKEN, Hosts, World

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
TEAM, LEADER = "team@mailhub.test", "leader@mailhub.test"
ALIASES = {
    TEAM: (BOB, LEADER, "m@far.test"),
    LEADER: ("l@far.test", "gone@mailhub.test", "M@far.test"),
}
FAR = ("l@far.test", "m@far.test", "r@far.test")
TO = (ALICE, BOB, TEAM, LEADER, "l@far.test", "r@far.test", "gone@mailhub.test")
Leaf = tuple[int, str]  # message, address that nothing else stands for
LIFETIME = 7_200.0  # seconds that mail is tried for
_SMALL, _LARGE = 40, 3_000  # octets of text; store.inline_limit lies between
EVERYTHING = QueueFilter()


def leaves(address: str) -> list[str]:
    return [leaf for target in ALIASES[address] for leaf in leaves(target)] if address in ALIASES else [address.lower()]


class MortalHosts(Hosts):
    """What it takes while the machine runs stays taken."""

    files: CrashFiles

    async def deliver(self, job: Job) -> list[Result]:
        await asyncio.sleep(0)
        self.files.point("host")
        text = await job.content.read(0, job.content.size)
        results = []
        for recipient in job.recipients:
            reply = self.says.get(recipient.address.lower()) or TAKEN
            if reply.ok:
                self.taken.append((recipient.address, text))
            results.append(Result(recipient.n, FATES[reply.code // 100], reply, "mx.far.test[192.0.2.1]"))
        self.files.point("host")  # the reply is lost
        return results


class Machine(World):
    """`step`s go on until one finds it dead; then `switch_on`. `check` holds whenever it is on and still.

    The count: a recipient that was accepted is one of queued, delivered, bounced and taken, once. More copies are `lost_replies`
    alone: taken by a host, and in the queue when the machine was switched on again. What an operator removed is nowhere any more,
    but for a file that a crash left in a Maildir between its writing and its entry in the index (`left`).
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        config = schema.Queue(
            retry=LADDER,
            jitter=0.0,
            delay_warning=0.0,
            lifetime=LIFETIME,
            double_bounce_recipient="",
            bounce_rate_limit=0,
        )
        super().__init__(folder / "0", config)
        self._folder, self._lives, self.chance = folder, 0, chance
        self.hosts = MortalHosts(self.clock)
        self.accepted: set[Leaf] = set()
        self.perhaps: dict[int, set[Leaf]] = {}  # nobody was told that they were accepted
        self.removed: set[Leaf] = set()
        self.perhaps_removed: set[Leaf] = set()  # the machine stopped meanwhile, or something else went on
        self.left: set[Leaf] = set()  # queued when it was switched on again
        self.lost_replies: Counter[Leaf] = Counter()
        self.away: frozenset[str] = frozenset()  # aliases that the directory can not tell
        self.crashes = self.points = self.removals = 0
        self._put = 0

    # --- life ------------------------------------------------------------------------------------------------------

    async def open(self, crash_at: int | None = None) -> None:
        os.makedirs(self.path, exist_ok=True)
        self.files = CrashFiles(self.path, self._folder / f"{self._lives}-pins")
        self.files.adopt()
        self.files.crash_at = crash_at
        self.hosts.files = self.files

        with self.mortal():
            await super().open()
        plain = self.directory.alias

        async def alias(address: str) -> tuple[str, ...] | None:
            if address in self.away:
                raise Temporary("the directory is away")
            return await plain(address)

        self.directory.alias = alias  # type: ignore[method-assign]

    def make_store(self) -> SqliteStore:
        config = schema.Store(free_space_floor=0, inline_limit=1_000, sync_interval=0.001)
        return SqliteStore(self.path, config, self.clock, "mx.test", self.files)

    async def furnish(self) -> None:
        for account in (ALICE, BOB):
            await self.directory.add_account(account, None)
        for alias, targets in ALIASES.items():
            await self.directory.set_alias(alias, targets)

    async def kill(self) -> None:
        """No more than a power cut would do: nothing is finished, written or told."""
        self.files.dead = True
        self.points += self.files.points
        self.crashes += 1
        with contextlib.suppress(ValueError):
            self.clock.detach(self.manager.idle)
        tasks = [
            task for task in (self.running, *self.manager._active.values(), *self.background()) if task is not None
        ]
        for task in tasks:
            task.cancel()
        self.manager._shared.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.mailboxes.close()
        self.hasher.close()
        await self.end_store()

    def background(self) -> "list[asyncio.Task[None] | None]":
        """What the store does by itself."""
        return [self.store._filer._task]

    async def end_store(self) -> None:
        await end_threads(self.store)

    def mortal(self) -> AbstractContextManager[None]:
        """Commits of a store that is opened inside are moments, too."""
        return mortal_writer(self.files)

    async def switch_on(self, crash_at: int | None = None) -> None:
        """With what the disk holds; that is checked before anything else happens. It may crash once more meanwhile."""
        self._find_what_survived()
        try:
            await self.open(crash_at)
        except MailError:
            self.crashes, self.points = self.crashes + 1, self.points + self.files.points
            await self.end_store()
            self._find_what_survived()
            await self.open()
        self.files.crash_at = None
        await self.check(crashed=True)
        await self.start()

    def _find_what_survived(self) -> None:
        self._lives += 1
        self.path = self._folder / str(self._lives)
        self.files.next_life(self.chance, self.path)

    # --- what is done ----------------------------------------------------------------------------------------------

    async def take_in(self, *to: str, large: bool = False, sender: str = ALICE) -> int:
        """A message by its number; it counts as accepted when `put` has returned."""
        self._put += 1
        number = self._put
        text = b"Subject: m%d\r\n\r\n%b\r\n" % (number, b"x" * (_LARGE if large else _SMALL))
        found = {(number, leaf) for address in to for leaf in leaves(address)}
        self.perhaps[number] = found
        try:
            room = len(stamps.delivered(sender, to[0]))
            writer = self.queue.body_writer(lambda: room)  # some deliver the very file, others a copy
            writer.feed(text)
            body = await writer.finish()
            envelope = Envelope(sender, tuple(map(Recipient, to)))
            await self.spool.put(self.spool.new_id(), envelope, body, b"", Origin())
        except (MailError, OSError):
            assert self.files.dead, "refused, and nothing was wrong"
            return number
        self.accepted |= self.perhaps.pop(number)
        return number

    async def act(self, act: Act, which: QueueFilter = EVERYTHING) -> None:
        """What of an act becomes of the queue; REMOVE beside other things is weighed when all is still."""
        before = self.accepted.copy()
        here = await self._here(which) if act is Act.REMOVE else set()
        with contextlib.suppress(MailError, OSError):
            await self.queue.act_on_all(act, which, self.clock.now())
        if act is Act.REMOVE:
            self.perhaps_removed |= here | (self.accepted - before) | set().union(*self.perhaps.values())
        self.manager.forgive()

    async def remove(self, which: QueueFilter) -> None:
        """While nothing else goes on: what is queued of them is gone, and nothing else is."""
        await self.rest()
        if self.files.dead:
            return
        here = await self._here(which)
        try:
            await self.queue.act_on_all(Act.REMOVE, which, self.clock.now())
        except (MailError, OSError):
            assert self.files.dead
        if self.files.dead:
            self.perhaps_removed |= here
            return
        self.removed |= here - self.removed
        self.removals += len(here)

    async def _here(self, which: QueueFilter) -> set[Leaf]:
        """What is nowhere when these are gone: of recipients, of aliases yet to be replaced, of reports."""
        direct, below = await self._queued(which)
        all_direct, all_below = await self._queued(EVERYTHING, but=which)
        told = Counter(_told_of(await self._reports())) if which.recipient is None else Counter()
        others = {*all_direct, *all_below, *await self._delivered()}
        others |= {(_number(text), address.lower()) for address, text in self.hosts.taken}
        others |= set((Counter(await self._bounced()) - told).elements())
        return {*direct, *told, *below} - (others - set(direct)) - all_below

    def mood(self, reply: Reply) -> None:
        self.hosts.says = dict.fromkeys(FAR, reply)

    async def rest(self, seconds: float = 0.0) -> None:
        """Until nothing moves."""
        await self.manager.idle()
        if seconds:
            await self.clock.advance(seconds)

    async def settled(self) -> None:
        """On, still, and counted."""
        if not self.files.dead:
            await self.rest()
        if self.files.dead:
            await self.kill()
            await self.switch_on()
            await self.rest()
        await self.check()

    async def end(self) -> None:
        """The rest of a life, without further crashes."""
        self.files.crash_at = None
        await self.settled()
        await self.finish()
        self.points += self.files.points
        await self.stop()
        await self.close()

    async def finish(self) -> None:
        """Without further crashes, all is taken, and the queue is empty."""
        self.mood(TAKEN)
        self.away = frozenset()
        await self.act(Act.UNHOLD)
        for _ in range(4):
            await self.rest(LADDER[-1] + 1)
        assert await self.queued() == []
        await self.check()

    # --- the count -------------------------------------------------------------------------------------------------

    async def check(self, *, crashed: bool = False) -> None:
        """Each accepted recipient is in exactly one of delivered, bounced, queued. `crashed`: the machine was just switched on,
        and nothing has been tried since."""
        direct, below = await self._queued(EVERYTHING)
        queued, delivered = Counter(direct), Counter(await self._delivered())
        bounced = Counter(await self._bounced())
        taken = Counter((_number(text), address.lower()) for address, text in self.hosts.taken)
        if crashed:
            self._weigh_what_nobody_was_told({*direct, *below})
            self.left |= {*direct, *below}
            for leaf in set(direct):
                lost = taken[leaf] - self.lost_replies[leaf]
                assert lost in (0, 1), f"{leaf}: taken {lost} times in one attempt"
                self.lost_replies[leaf] += lost
        given_up = {(number, leaf) for number, name in bounced if name in ALIASES for leaf in leaves(name)}
        for leaf in self.accepted:
            places = {
                "queued": queued[leaf], "delivered": delivered[leaf], "bounced": bounced[leaf],
                "taken": taken[leaf] - self.lost_replies[leaf],
            }  # fmt: skip
            if not sum(places.values()):  # by an alias that is yet to be replaced, or never was
                places["queued"] = int(leaf in below)
                places["bounced"] = int(leaf not in below and leaf in given_up)
            self._weigh(leaf, places)
        self.perhaps_removed.clear()
        strange = {leaf for leaf in (*queued, *delivered, *bounced, *taken) if leaf[1] not in ALIASES} - self.accepted
        assert not strange, f"nobody was told that they are here: {strange}"

    def _weigh(self, leaf: Leaf, places: dict[str, int]) -> None:
        times = sum(places.values())
        if leaf in self.perhaps_removed and not times:
            self.removed.add(leaf)
        if leaf not in self.removed:
            assert times == 1, f"{leaf}: {places}"
            return
        staged = leaf in self.left and places["delivered"] == times == 1
        assert not times or staged, f"{leaf} was removed: {places}"

    def _weigh_what_nobody_was_told(self, queued: set[Leaf]) -> None:
        """A message is there as a whole, or not at all."""
        for found in self.perhaps.values():
            if found & queued:
                self.accepted |= found
        self.perhaps.clear()

    async def _queued(self, which: QueueFilter, but: QueueFilter | None = None) -> tuple[list[Leaf], set[Leaf]]:
        """Those that stand there themselves, and those that an alias there stands for; `but`: of those that this does not mean."""
        direct: list[Leaf] = []
        below: set[Leaf] = set()
        for item in await self.queue.page(which, limit=10_000):
            if item.sender:
                try:
                    number = _number(await item.content.read(0, item.content.size))
                except MailError:  # settled meanwhile
                    continue
                for recipient in item.recipients:
                    if not _means(which, recipient.address) or (but is not None and _means(but, recipient.address)):
                        continue
                    if recipient.address in ALIASES:
                        below |= {(number, leaf) for leaf in leaves(recipient.address)}
                    else:
                        direct.append((number, recipient.address.lower()))
        return direct, below

    async def _delivered(self) -> list[Leaf]:
        found = []
        for account in (ALICE, BOB):
            for text in await self.mail(account):
                whole = len(text) - text.find(b"\r\n\r\n") in (_SMALL + 6, _LARGE + 6)
                if b"multipart/report" not in text:
                    if not whole and self.left & (self.removed | self.perhaps_removed):
                        continue  # a file that was not yet entered in the index, of a message that was removed
                    assert whole, "a message was cut short"
                    found.append((_number(text), account))
        return found

    async def _bounced(self) -> list[Leaf]:
        filed = [text for text in await self.mail(ALICE) if b"multipart/report" in text]
        return _told_of(filed + await self._reports())

    async def _reports(self) -> list[bytes]:
        """Those that are queued."""
        found = []
        for item in await self.queued():
            if not item.sender:
                with contextlib.suppress(MailError):  # settled meanwhile
                    found.append(await item.content.read(0, item.content.size))
        return found


def _means(which: QueueFilter, address: str) -> bool:
    return which.recipient is None or address.lower().endswith(which.recipient)


def _told_of(reports: Iterable[bytes]) -> list[Leaf]:
    return [
        (
            _number(report.partition(b"message/rfc822")[2] or report.partition(b"text/rfc822-headers")[2]),
            who.decode().lower(),
        )
        for report in reports
        for who in re.findall(rb"Final-Recipient: rfc822;\s*(\S+)", report)
    ]


def _number(text: bytes) -> int:
    found = re.search(rb"^Subject: m(\d+)\r$", text, re.MULTILINE)
    assert found is not None, text[:500]
    return int(found[1])
