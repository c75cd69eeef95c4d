"""A queue on a machine that is switched off at any moment, and the count of what became of each recipient."""

import asyncio
import contextlib
import os
import random
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mailhub.config import schema
from mailhub.delivery.transport import Job, Result
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Act, QueueFilter
from mailhub.store.sqlite import SqliteStore

from .crash_files import CrashFiles, end_threads, mortal_writer
from .queue_world import FATES, LADDER, LATER, NEVER, TAKEN, Hosts, World

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
ALIASES = {
    "team@mailhub.test": (BOB, "leader@mailhub.test", "m@far.test"),
    "leader@mailhub.test": ("l@far.test", "gone@mailhub.test"),
}
Leaf = tuple[int, str]  # message, address that nothing else stands for
_SMALL, _LARGE = 40, 3_000  # octets of text; store.inline_limit lies between
EVERYTHING = QueueFilter()


def leaves(address: str) -> list[str]:
    return [leaf for target in ALIASES[address] for leaf in leaves(target)] if address in ALIASES else [address]


class MortalHosts(Hosts):
    """What it takes while the machine runs stays taken."""

    files: CrashFiles

    async def deliver(self, job: Job) -> list[Result]:
        await asyncio.sleep(0)
        self.files.point()
        text = await job.content.read(0, job.content.size)
        results = []
        for recipient in job.recipients:
            reply = self.says.get(recipient.address) or TAKEN
            if reply.ok:
                self.taken.append((recipient.address, text))
            results.append(Result(recipient.n, FATES[reply.code // 100], reply, "mx.far.test[192.0.2.1]"))
        self.files.point()  # the reply is lost
        return results


class Machine(World):
    """`step`s go on until one finds it dead; then `switch_on`. `check` holds whenever it is on and still."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        config = schema.Queue(retry=LADDER, jitter=0.0, delay_warning=0.0, double_bounce_recipient="")
        super().__init__(folder / "0", config)
        self._folder, self._lives, self.chance = folder, 0, chance
        self.hosts = MortalHosts(self.clock)
        self.accepted: set[Leaf] = set()
        self.perhaps: set[Leaf] = set()  # nobody was told that they were accepted
        self.removed: set[Leaf] = set()  # perhaps: an operator said so
        self.doubles: set[Leaf] = set()  # taken by a host whose reply was lost
        self.crashes = self.points = 0
        self._put = 0

    # --- life ------------------------------------------------------------------------------------------------------

    async def open(self, crash_at: int | None = None) -> None:
        os.makedirs(self.path, exist_ok=True)
        self.files = CrashFiles(self.path, self._folder / f"{self._lives}-pins")
        self.files.adopt()
        self.files.crash_at = crash_at
        self.hosts.files = self.files

        with mortal_writer(self.files):
            await super().open()

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
        tasks = [self.running, *self.manager._active.values(), self.store._filer._task]
        for task in tasks:
            if task is not None:
                task.cancel()
        self.manager._shared.close()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        self.mailboxes.close()
        self.hasher.close()
        await end_threads(self.store)

    async def switch_on(self, crash_at: int | None = None) -> None:
        """With what the disk holds; that is checked before anything else happens. It may crash once more meanwhile."""
        self._find_what_survived()
        try:
            await self.open(crash_at)
        except MailError:
            self.crashes, self.points = self.crashes + 1, self.points + self.files.points
            await end_threads(self.store)
            self._find_what_survived()
            await self.open()
        self.files.crash_at = None
        await self.check()
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
        self.perhaps |= found
        try:
            writer = self.queue.body_writer()
            writer.feed(text)
            body = await writer.finish()
            envelope = Envelope(sender, tuple(map(Recipient, to)))
            await self.spool.put(self.spool.new_id(), envelope, body, b"", Origin())
        except (MailError, OSError):
            return number
        self.perhaps -= found
        self.accepted |= found
        return number

    async def act(self, act: Act, which: QueueFilter = EVERYTHING) -> None:
        before = self.accepted - self.perhaps
        queued: set[Leaf] = set()
        if act is Act.REMOVE:
            queued = {*await self._queued(EVERYTHING), *_told_of(await self._reports())}
        with contextlib.suppress(MailError, OSError):
            await self.queue.act_on_all(act, which, self.clock.now())
        if act is Act.REMOVE:  # what was queued, also as a report, and what came meanwhile
            self.removed |= queued | ((self.accepted | self.perhaps) - before)
        self.manager.forgive()

    def mood(self, reply: Reply) -> None:
        self.hosts.says = dict.fromkeys(("l@far.test", "m@far.test", "r@far.test"), reply)

    async def rest(self, seconds: float = 0.0) -> None:
        """Until nothing moves."""
        await self.manager.idle()
        if seconds:
            await self.clock.advance(seconds)

    async def finish(self) -> None:
        """Without further crashes, all is taken, and the queue is empty."""
        self.mood(TAKEN)
        await self.act(Act.UNHOLD)
        for _ in range(4):
            await self.rest(LADDER[-1] + 1)
        assert await self.queued() == []
        await self.check()

    # --- the count -------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Each accepted recipient is in exactly one of delivered, bounced, queued."""
        queued, delivered = Counter(await self._queued(EVERYTHING)), Counter(await self._delivered())
        bounced = Counter(await self._bounced())
        taken = Counter((_number(text), address) for address, text in self.hosts.taken)
        self.doubles |= {leaf for leaf in taken if queued[leaf] or bounced[leaf]}
        for leaf in self.accepted | self.perhaps:
            places = {"queued": queued[leaf], "delivered": delivered[leaf], "bounced": bounced[leaf]}
            times = sum(places.values())
            if leaf not in self.doubles:
                places["taken"] = taken[leaf]
                times += taken[leaf]
            elif not times:
                times = 1  # it was taken, more than once perhaps
            fine = (1,) if leaf in self.accepted - self.removed else (0, 1)
            assert times in fine, f"{leaf}: {places}, accepted: {leaf in self.accepted}"

    async def _queued(self, which: QueueFilter) -> list[Leaf]:
        found = []
        for item in await self.queue.page(which, limit=10_000):
            if item.sender:
                try:
                    number = _number(await item.content.read(0, item.content.size))
                except MailError:  # settled meanwhile
                    continue
                found += [(number, leaf) for recipient in item.recipients for leaf in leaves(recipient.address)]
        return found

    async def _delivered(self) -> list[Leaf]:
        found = []
        for account in (ALICE, BOB):
            for text in await self.mail(account):
                whole = len(text) - text.find(b"\r\n\r\n") in (_SMALL + 6, _LARGE + 6)
                if b"multipart/report" not in text and (whole or not self.removed):
                    assert whole, "a message was cut short"  # but for the file of one that was staged, and then removed
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


def _told_of(reports: Iterable[bytes]) -> list[Leaf]:
    return [
        (_number(report.partition(b"message/rfc822")[2] or report.partition(b"text/rfc822-headers")[2]), who.decode())
        for report in reports
        for who in re.findall(rb"Final-Recipient: rfc822;\s*(\S+)", report)
    ]


def _number(text: bytes) -> int:
    found = re.search(rb"^Subject: m(\d+)\r$", text, re.MULTILINE)
    assert found is not None, text[:500]
    return int(found[1])


async def random_life(folder: Path, seed: int, steps: int) -> Machine:
    """Steps at random, several at one time, with a crash at some moment of some of them."""
    chance = random.Random(seed)
    machine = Machine(folder, chance)
    await machine.open()
    await machine.furnish()
    await machine.start()

    async def step() -> None:
        kinds = (ALICE, BOB, "team@mailhub.test", "r@far.test", "nobody@mailhub.test", "leader@mailhub.test")
        choice = chance.randrange(10)
        if choice < 4:
            some = chance.sample(kinds, chance.randint(1, 3))
            if {"team@mailhub.test", "leader@mailhub.test"} <= set(some) or {"team@mailhub.test", BOB} <= set(some):
                some.remove("team@mailhub.test")  # each leaf once: what doubles mean stays plain
            await machine.take_in(*some, large=chance.random() < 0.3)
        elif choice < 6:
            machine.mood(chance.choice((TAKEN, TAKEN, LATER, NEVER)))
        elif choice < 8:
            which = QueueFilter(recipient="@far.test") if chance.random() < 0.5 else EVERYTHING
            acts = (Act.HOLD, Act.UNHOLD, Act.RETRY, Act.REQUEUE, Act.REMOVE)
            await machine.act(chance.choices(acts, (3, 4, 3, 3, 1))[0], which)
        else:
            await machine.rest(chance.choice((0.0, 1.0, LADDER[0] + 1)))

    for _ in range(steps):
        if machine.files.crash_at is None and chance.random() < 0.5:
            machine.files.crash_at = machine.files.points + chance.randint(1, 60)
        await asyncio.gather(*(step() for _ in range(chance.randint(1, 3))))
        if machine.files.dead or chance.random() < 0.1:
            await machine.kill()
            await machine.switch_on()
    machine.files.crash_at = None
    if machine.files.dead:
        await machine.kill()
        await machine.switch_on()
    await machine.finish()
    machine.points += machine.files.points
    await machine.stop()
    await machine.close()
    return machine
