"""What happens to queues on machines that are switched off: stories with a crash at one moment, and lives of any kind."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.crash_figures import in_memory
from support.queue_crash import ALICE, BOB, EVERYTHING, LEADER, LIFETIME, TEAM, TO, Machine
from support.queue_world import LADDER, LATER, NEVER, TAKEN

from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Act, QueueFilter

Story = Callable[[Machine], Awaitable[object]]


async def accept(machine: Machine) -> None:
    """Small and large, for hosts that want none of it yet."""
    machine.mood(LATER)
    await machine.take_in(BOB, "r@far.test")
    await machine.take_in(BOB, "r@far.test", "l@far.test", large=True)


async def deliver(machine: Machine) -> None:
    """Small and large, into two Maildirs and to a host."""
    machine.mood(TAKEN)
    await machine.take_in(ALICE, BOB, "r@far.test")
    await machine.take_in(ALICE, BOB, "r@far.test", large=True)
    await machine.rest()


async def expand(machine: Machine) -> None:
    """An alias of an alias, with somebody twice, somebody who is gone, and hosts that say no for now."""
    machine.mood(LATER)
    await machine.take_in(ALICE, TEAM)
    await machine.take_in(LEADER, large=True)
    await machine.rest()
    machine.mood(TAKEN)
    await machine.rest(LADDER[0] + 1)


async def bounce(machine: Machine) -> None:
    """Nobody of that name here; refused there, at once and after a while; large ones by reference."""
    machine.mood(NEVER)
    await machine.take_in("gone@mailhub.test", "r@far.test", sender=ALICE)
    await machine.take_in("gone@mailhub.test", "l@far.test", large=True, sender=ALICE)
    await machine.rest()
    machine.mood(LATER)
    await machine.take_in("r@far.test", sender=ALICE)
    await machine.rest()
    await machine.rest(LIFETIME + 1)


async def operate(machine: Machine) -> None:
    """Small and large mail to all kinds of recipients, deferred, held, released, refused and delivered."""
    machine.mood(LATER)
    await machine.take_in(ALICE, "team@mailhub.test", "nobody@mailhub.test")
    await machine.take_in(BOB, "r@far.test", large=True)
    await machine.rest()
    await machine.act(Act.HOLD, QueueFilter(recipient="@far.test"))
    await machine.act(Act.REQUEUE, QueueFilter(recipient="r@far.test"))
    machine.mood(NEVER)
    await machine.rest()
    machine.mood(TAKEN)
    await machine.act(Act.UNHOLD)
    await machine.rest(301)


STORIES: dict[str, Story] = {
    "accept": accept, "deliver": deliver, "alias expansion": expand, "bounce": bounce, "hold, release": operate,
}  # fmt: skip


async def lived(machine: Machine, story: Story, crash_at: int | None) -> tuple[Counter[str], int]:
    """The story with a crash at one moment, and what follows it. Its moments by their kind, and how many crashes there were."""
    await machine.open()
    await machine.furnish()
    await machine.start()
    first, before = machine.files.points, machine.files.kinds.copy()
    machine.files.crash_at = None if crash_at is None else first + crash_at
    await story(machine)
    kinds, machine.files.crash_at = machine.files.kinds - before, None
    if machine.files.dead:
        await machine.kill()
        await machine.switch_on(crash_at=machine.chance.randint(1, 12))  # and perhaps once more while it recovers
    await machine.finish()
    await machine.stop()
    await machine.close()
    return kinds, machine.crashes


ACTS = [Act.HOLD, Act.UNHOLD, Act.UNHOLD, Act.RETRY, Act.REQUEUE]
WHICH = some.sampled_from([EVERYTHING, QueueFilter(recipient="@far.test"), QueueFilter(recipient="@mailhub.test")])
MAIL = some.tuples(some.lists(some.sampled_from(TO), min_size=1, max_size=4, unique=True), some.booleans())
REPLIES = some.sampled_from([TAKEN, TAKEN, LATER, NEVER])
SECONDS = some.sampled_from([0.0, 1.0, LADDER[0] + 1, LIFETIME + 1])
STEP = some.one_of(
    some.tuples(some.just("mail"), MAIL),
    some.tuples(some.just("mail"), MAIL),
    some.tuples(some.just("act"), some.tuples(some.sampled_from([*ACTS, Act.REMOVE]), WHICH)),
    some.tuples(some.just("say"), REPLIES),
    some.tuples(some.just("time"), SECONDS),
)
COUNTS: Counter[str] = Counter()


class QueueLives(RuleBasedStateMachine):
    """One machine. `check` follows each rule, and it is switched on again whenever it died."""

    @initialize(seed=some.integers(0, 1 << 32))
    def begin(self, seed: int) -> None:
        self.runner, self.files = asyncio.Runner(), contextlib.ExitStack()
        self.folder = self.files.enter_context(in_memory())
        self.machine = self.made(self.folder, random.Random(seed))
        self.run(self.machine.open())
        self.run(self.machine.furnish())
        self.run(self.machine.start())

    def made(self, folder: Path, chance: random.Random) -> Machine:
        return Machine(folder, chance)

    def run(self, what: Coroutine[Any, Any, object]) -> None:
        self.runner.run(what)

    @rule(mail=MAIL)
    def enqueue(self, mail: tuple[list[str], bool]) -> None:
        self.run(self.machine.take_in(*mail[0], large=mail[1]))

    @rule(reply=REPLIES)
    def hosts_say(self, reply: Reply) -> None:
        """Deliver, defer, bounce."""
        self.machine.mood(reply)

    @rule(names=some.sets(some.sampled_from([TEAM, LEADER])))
    def the_directory_is_away(self, names: set[str]) -> None:
        self.machine.away = frozenset(names)

    @rule(act=some.sampled_from(ACTS), which=WHICH)
    def operator(self, act: Act, which: QueueFilter) -> None:
        self.run(self.machine.act(act, which))

    @rule()
    def flush(self) -> None:
        async def flush() -> None:
            with contextlib.suppress(MailError, OSError):
                await self.machine.manager.flush()

        self.run(flush())

    @rule(which=WHICH)
    def remove(self, which: QueueFilter) -> None:
        self.run(self.machine.remove(which))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.run(self.machine.rest(seconds))

    @rule(steps=some.lists(STEP, min_size=2, max_size=4))
    def at_one_time(self, steps: list[tuple[str, Any]]) -> None:
        async def together() -> None:
            await asyncio.gather(*(self.step(*step) for step in steps))

        self.run(together())

    async def step(self, kind: str, value: Any) -> None:
        match kind:
            case "mail":
                await self.machine.take_in(*value[0], large=value[1])
            case "act":
                await self.machine.act(*value)
            case "say":
                self.machine.mood(value)
            case "time":
                await self.machine.rest(value)

    @rule(points=some.integers(1, 60))
    def crash_soon(self, points: int) -> None:
        """In the midst of what follows."""
        if self.machine.files.crash_at is None:
            self.machine.files.crash_at = self.machine.files.points + points

    @rule(points=some.none() | some.integers(1, 12))
    def restart(self, points: int | None) -> None:
        """`points`: it stops once more while it recovers."""
        self.run(self.machine.kill())
        self.run(self.machine.switch_on(crash_at=points))

    @invariant()
    def counted(self) -> None:
        self.run(self.machine.settled())

    def teardown(self) -> None:
        try:
            self.run(self.machine.end())
        finally:
            COUNTS.update(lives=1, crashes=self.machine.crashes, moments=self.machine.points)
            COUNTS.update(recipients=len(self.machine.accepted), removed=len(self.machine.removed))
            COUNTS.update(lost_replies=self.machine.lost_replies.total())
            self.runner.close()
            self.files.close()
