"""A queue with all the rooms below it, on the embedded store and a virtual clock; only the other mail hosts are played."""

import asyncio
import inspect
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from mailhub.config import schema
from mailhub.delivery.discard import Discard
from mailhub.delivery.local import LocalTransport
from mailhub.delivery.router import Router
from mailhub.delivery.sieve.files import OperatorScripts
from mailhub.delivery.sieve.filtering import Filter
from mailhub.delivery.transport import Job, Result
from mailhub.directory import Directory, Hasher
from mailhub.mailbox.service import Mailboxes
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, MailParameters, Notify, Origin, Recipient
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict
from mailhub.queue.manager import Manager
from mailhub.queue.spool import Spool
from mailhub.queue.suppression import Suppressions
from mailhub.store.api import Body, Fate, Item, QueueFilter, QueueStore, ScriptLimits, Settle
from mailhub.store.sqlite import SqliteStore
from mailhub.tables import Tables

TAKEN = Reply(250, "2.0.0", "Ok: queued")
LATER = Reply(450, "4.2.0", "Greylisted")
NEVER = Reply(550, "5.1.1", "No such user")
FATES = {2: Fate.RELAYED, 4: Fate.DEFERRED, 5: Fate.FAILED}
LADDER = (300.0, 600.0, 1200.0)


class Hosts:
    """The rest of the world, as a transport. `says[address or domain]`: the reply given; `hangs[domain]`: an event that a
    delivery waits for. `taken`: (address, octets) of what was accepted; `calls`: times and nexthops of all deliveries."""

    name = "relay"

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.says: dict[str, Reply] = {}
        self.hangs: dict[str, asyncio.Event] = {}
        self.breaks: set[str] = set()
        self.reports = False  # they take NOTIFY, and report themselves
        self.taken: list[tuple[str, bytes]] = []
        self.calls: list[tuple[float, str]] = []
        self.running = 0
        self.most = 0
        self.begun = asyncio.Event()

    async def deliver(self, job: Job) -> list[Result]:
        self.calls.append((self._clock.now(), job.nexthop))
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.set()
        try:
            if job.nexthop in self.breaks:
                raise RuntimeError("a transport that breaks")
            if job.nexthop in self.hangs:
                await self.hangs[job.nexthop].wait()
            text = await job.content.read(0, job.content.size)
        finally:
            self.running -= 1
        results = []
        for recipient in job.recipients:
            reply = self.says.get(recipient.address) or self.says.get(job.nexthop) or TAKEN
            if reply.ok:
                self.taken.append((recipient.address, text))
            fate = Fate.DELIVERED if reply.ok and self.reports else FATES[reply.code // 100]
            results.append(Result(recipient.n, fate, reply, f"mx.{job.nexthop}[192.0.2.1]"))
        return results

    def addresses(self) -> list[str]:
        return [address for address, _ in self.taken]


class Faulty:
    """A QueueStore whose `settle` can be made to fail or to wait. `errors` are raised one for each call, `lost`
    likewise but after the commit; a call waits for `gate` first."""

    def __init__(self, store: QueueStore) -> None:
        self._store = store
        self.errors: list[Exception] = []
        self.lost: list[Exception] = []
        self.gate: asyncio.Event | None = None
        self.units: list[Settle] = []
        self.settling = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def settle(self, unit: Settle) -> None:
        self.units.append(unit)
        self.settling.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if self.lost:
            await self._store.settle(replace(unit, last=False))  # as a commit whose answer is lost: the lease stays
            raise self.lost.pop(0)
        await self._store.settle(unit)


class World:
    """Accounts alice and bob in mailhub.test. `crash()` leaves what is stored, as a killed process would."""

    def __init__(self, path: Path, config: schema.Queue | None = None) -> None:
        self.path = path
        base = schema.Queue(retry=LADDER, jitter=0.0)
        self.config = config or base
        self.suppression = schema.Suppression()
        self.delivery = schema.Delivery()
        self.clock = VirtualClock()
        self.hosts = Hosts(self.clock)

    async def open(self) -> None:
        self.store = self.make_store()
        await self.store.open()
        self.queue: QueueStore = self.store.queue
        self.hasher = Hasher(1, 1)
        self.directory = Directory(self.store.directory, schema.Auth(), self.hasher, domains=["mailhub.test"])
        self.mailboxes = Mailboxes(self.store, schema.Mailbox(), self.clock)
        self.router = Router(self.directory, self.delivery, "mailhub.test", Tables(self.clock))
        self.sieve = Filter(
            self.store.sieve,
            self.queue,
            self.mailboxes,
            schema.Sieve(),
            OperatorScripts((), (), {}),
            "mx.test",
            "+",
            self.clock,
        )
        self.local = LocalTransport(self.mailboxes, "mx.test", self.clock, self.sieve)
        self.transports = {"local": self.local, "relay": self.hosts, "discard": Discard()}
        self.make_manager(self.queue)

    def make_store(self) -> SqliteStore:
        return SqliteStore(self.path, schema.Store(free_space_floor=0), self.clock, "mx.test")

    def make_manager(self, queue: QueueStore) -> None:
        self.manager = Manager(
            queue, self.router, self.transports, self.config, "mx.test", self.clock, random.Random(1),
            suppressions=Suppressions(self.store.suppressions, self.suppression, self.clock),
        )  # fmt: skip
        self.spool = Spool(queue, self.manager, self.clock)

    async def start(self) -> None:
        await self.manager.start()
        self.running = asyncio.get_running_loop().create_task(self.manager.run())
        self.clock.attach(self.manager.idle)

    async def restart(self, queue: QueueStore) -> None:
        """Another manager, on `queue`."""
        await self.stop()
        self.make_manager(queue)
        await self.start()

    async def crash(self) -> None:
        """Nothing more is settled; what is stored stays. `reopen` follows."""
        self.clock.detach(self.manager.idle)
        for task in [self.running, *self.manager._active.values()]:
            task.cancel()
        await asyncio.sleep(0)
        await self.close()

    async def reopen(self) -> None:
        await self.open()
        await self.start()

    async def stop(self, grace: float = 0.0) -> None:
        self.clock.detach(self.manager.idle)
        await self.manager.stop(grace)
        await self.running

    async def close(self) -> None:
        self.mailboxes.close()
        self.hasher.close()
        await self.store.close()

    async def put(
        self,
        *to: str,
        sender: str = "sender@far.test",
        text: bytes = b"Subject: hello\r\n\r\nhow are you\r\n",
        notify: Notify = Notify.DEFAULT,
        envid: str | None = None,
        orcpt: str | None = None,
        login: str = "",
        verdict: Verdict = UNJUDGED,
        **asked: Any,
    ) -> int:
        number = self.spool.new_id()
        recipients = tuple(Recipient(address, notify, orcpt) for address in to)
        prefix = b"Received: from test\r\n"
        await self.spool.put(
            number,
            Envelope(sender, recipients, MailParameters(envid=envid, **asked)),
            Body(len(text), text),
            prefix,
            Origin(login=login),
            verdict=verdict,
        )
        return number

    async def script(self, text: str, account: str = "alice@mailhub.test") -> None:
        """Make it the account's active script."""
        await self.store.sieve.put(account, "main", text.encode(), ScriptLimits(10, 100_000))
        await self.store.sieve.activate(account, "main")

    async def mail(self, account: str, folder: str = "INBOX") -> list[bytes]:
        """The messages of a folder, INBOX where nothing else is said; none where there is no such folder."""
        found = [one for one in await self.store.mailboxes.folders(account) if one.name == folder]
        if not found:
            return []
        inbox = found[0]
        out = []
        for uid in (await self.store.mailboxes.view(inbox.id)).uids:
            async with await self.store.mailboxes.open(inbox.id, uid) as file:
                out.append(await file.read(0, file.size))
        return out

    async def queued(self, which: QueueFilter | None = None) -> Sequence[Item]:
        return await self.queue.page(which or QueueFilter())


async def until(condition: Callable[[], object]) -> None:
    """Let others run until `condition` (which may be asynchronous) holds."""
    while True:
        value = condition()
        if await value if inspect.isawaitable(value) else value:
            return
        await asyncio.sleep(0)


@asynccontextmanager
async def world(path: Path, **settings: object) -> AsyncIterator[World]:
    """A running world; `settings` are those of [queue]."""
    config = msgspec.structs.replace(schema.Queue(retry=LADDER, jitter=0.0), **settings)
    made = World(path, config)
    await made.open()
    for name in ("alice@mailhub.test", "bob@mailhub.test"):
        await made.directory.add_account(name, None)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        await made.close()
