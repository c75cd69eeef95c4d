"""Random commands of several sessions on one folder beside a simple model of it: after each step all views agree with the model.

Views may lag only in what the RFCs let them: expunges that FETCH, STORE and SEARCH by number must not tell (RFC 9051 section 7.5.1).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.fuzzing import FACTOR
from support.imap_checked import ENABLES, CheckedClient
from support.imap_transcripts import one_password
from support.mailbox_room import MailboxRoom, mailbox_room

from mailhub.config import schema
from mailhub.net.stream import pair
from mailhub.protocols.imap import serve
from mailhub.protocols.session import SessionContext

FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$Work")
TEXT = b"Subject: x\r\n\r\ntext\r\n"
KINDS = tuple(ENABLES)


@dataclass
class Model:
    """The folder as it must be: flags and mod-sequence by UID."""

    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    modseqs: dict[int, int] = field(default_factory=dict)
    uidnext: int = 1
    highest: int = 1

    def add(self, *flags: frozenset[str]) -> None:
        """One commit."""
        self.highest += 1
        for words in flags:
            self.flags[self.uidnext], self.modseqs[self.uidnext] = words, self.highest
            self.uidnext += 1

    def store(self, uids: list[int], op: str, words: frozenset[str], since: int | None) -> None:
        changed = False
        for uid in uids:
            if uid not in self.flags or (since is not None and self.modseqs[uid] > since):
                continue
            old = self.flags[uid]
            new = {"+": old | words, "-": old - words, "": words}[op]
            if new != old:
                self.flags[uid], self.modseqs[uid], changed = new, self.highest + 1, True
        self.highest += changed

    def expunge(self, uids: list[int]) -> None:
        gone = [uid for uid in uids if uid in self.flags]
        self.highest += bool(gone)
        for uid in gone:
            del self.flags[uid], self.modseqs[uid]


class MemoryConnection:
    """A session on a stream in memory."""

    def __init__(self, room: MailboxRoom) -> None:
        self.stream, far = pair(room.clock)
        auth = schema.Auth(allow_plaintext=True)
        context = SessionContext(
            service="imap", hostname="mx.test", clock=room.clock, settings=schema.Imap(), auth=auth
        )
        self.task = asyncio.ensure_future(serve(far, context, room.service, one_password(room.clock, auth)))

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def readline(self) -> Awaitable[bytes]:
        return self.stream.readline(1_000_000)

    def read(self, size: int) -> Awaitable[bytes]:
        return self.stream.read(size)

    def close(self) -> None:
        self.stream.abort()


@dataclass(frozen=True)
class Step:
    """What one session does. `picks`: places in its view, as far as there are so many."""

    session: int
    action: str
    picks: tuple[int, ...]
    words: frozenset[str]
    op: str
    by_uid: bool
    silent: bool
    old: int


STEPS = st.builds(
    Step,
    session=st.integers(0, len(KINDS) - 1),
    action=st.sampled_from(
        ["noop", "idle", "fetch", "read", "store", "store", "conditional", "search", "expunge", "uid expunge", "copy", "move",
         "deliver", "append", "reconnect", "changed"]
    ),
    picks=st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple),
    words=st.frozensets(st.sampled_from(FLAGS), max_size=2),
    op=st.sampled_from(["+", "+", "-", ""]),
    by_uid=st.booleans(),
    silent=st.booleans(),
    old=st.integers(0, 6),
)  # fmt: skip


class World:
    """All sessions, and the model beside them."""

    def __init__(self, room: MailboxRoom) -> None:
        self.room, self.model = room, Model()
        self.shared: dict[tuple[int, int], frozenset[str]] = {}
        self.clients: list[CheckedClient] = []

    async def begin(self) -> None:
        await self.room.alice.folders()
        await self.deliver(3)
        for kind in KINDS:
            self.clients.append(await self._connected(CheckedClient(MemoryConnection(self.room), kind, self.shared)))

    async def _connected(self, client: CheckedClient) -> CheckedClient:
        await client.open("INBOX")
        return client

    async def deliver(self, count: int) -> None:
        await self.room.put(*[TEXT] * count)
        self.model.add(*[frozenset()] * count)

    async def take(self, step: Step) -> None:
        client = self.clients[step.session]
        uids = [uid for uid in client.uids if uid is not None]
        chosen = sorted({uids[pick] for pick in step.picks if pick < len(uids)})
        quiet = False
        if step.action in ALONE or not chosen:
            await ALONE.get(step.action, World.noop)(self, client, step)
        else:
            by_uid = step.by_uid or client.uid_only
            quiet = not by_uid and step.action in ("fetch", "read", "store", "conditional", "search")
            named = chosen if by_uid else [uids.index(uid) + 1 for uid in chosen]
            await SET[step.action](self, client, step, chosen, f"{'UID ' * by_uid}{{}} {','.join(map(str, named))}")
        client = self.clients[step.session]  # another one, where it has connected again
        await client.learn()
        self.agrees(client, quiet=quiet)

    def agrees(self, client: CheckedClient, *, quiet: bool) -> None:
        """A view has all that is there, as it is; after a quiet command also what is gone."""
        told, model = client.belief, self.model
        seen = client.uids if not quiet else [uid for uid in client.uids if uid in model.flags]
        assert seen == list(model.flags), f"{client.kind}: {client.uids}, {client.lines}"
        assert {uid: told.flags[uid] for uid in model.flags} == model.flags, f"{client.kind}: {client.lines}"
        if client.condstore:
            assert {uid: told.modseqs[uid] for uid in model.flags} == model.modseqs, f"{client.kind}: {client.lines}"
        assert told.highest <= model.highest

    async def finish(self) -> None:
        for client in self.clients:
            await client.ask("NOOP")
            await client.learn()
            self.agrees(client, quiet=False)
            client.connection.close()
        assert (await self.room.alice.find("INBOX")).modseq == self.model.highest

    # --- commands without messages

    async def noop(self, client: CheckedClient, step: Step) -> None:
        await client.ask("NOOP")

    async def idle(self, client: CheckedClient, step: Step) -> None:
        await client.ask("IDLE", then="DONE")

    async def expunge(self, client: CheckedClient, step: Step) -> None:
        await client.ask("EXPUNGE")
        self.model.expunge([uid for uid, words in self.model.flags.items() if "\\Deleted" in words])

    async def delivered(self, client: CheckedClient, step: Step) -> None:
        await self.deliver(len(step.picks))
        await client.ask("CHECK")

    async def append(self, client: CheckedClient, step: Step) -> None:
        size = len(TEXT)
        answer = await client.ask(f"APPEND INBOX ({' '.join(step.words)}) {{{size}+}}\r\n{TEXT.decode()}")
        assert f" {self.model.uidnext}]".encode() in answer
        self.model.add(step.words)

    async def reconnect(self, client: CheckedClient, step: Step) -> None:
        client.connection.close()
        again = CheckedClient(MemoryConnection(self.room), client.kind, self.shared, client.belief)
        self.clients[step.session] = await self._connected(again)

    async def changed(self, client: CheckedClient, step: Step) -> None:
        if not client.condstore:
            return await self.noop(client, step)
        since = max(1, self.model.highest - step.old)
        before = set(client.uids)
        vanished = " VANISHED" if client.resyncs else ""
        await client.ask(f"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since}{vanished})")
        told = [uid for uid, modseq in self.model.modseqs.items() if modseq > since and uid in before]
        assert sum(b"FETCH (" in line for line in client.lines) >= len(told)
        return None

    # --- commands on messages

    async def fetch(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        await client.ask(command.format("FETCH") + " (UID FLAGS)")

    async def read(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        before = {uid: client.belief.flags[uid] for uid in uids}
        await client.ask(command.format("FETCH") + " (UID BODY[TEXT])")
        # what the session believes to be read is not marked again
        self.model.store([uid for uid in uids if "\\Seen" not in before[uid]], "+", frozenset({"\\Seen"}), None)

    async def store(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        silent = ".SILENT" * step.silent
        before = {uid: client.belief.flags[uid] for uid in uids}
        self.model.store(uids, step.op, step.words, None)
        if silent:  # a client that is told nothing believes that all went as it said
            for uid in uids:
                client.belief.flags[uid] = {"+": before[uid] | step.words, "-": before[uid] - step.words}.get(
                    step.op, step.words
                )
        await client.ask(f"{command.format('STORE')} {step.op}FLAGS{silent} ({' '.join(step.words)})")

    async def conditional(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        if not client.condstore:
            return await self.store(client, step, uids, command)
        since = max(0, self.model.highest - step.old)
        changed = {uid for uid in uids if self.model.modseqs.get(uid, 0) > since}
        failed = {uid for uid in changed if self._misses(client, step, uid, since)}
        answer = await client.ask(
            f"{command.format('STORE')} (UNCHANGEDSINCE {since}) {step.op}FLAGS ({' '.join(step.words)})"
        )
        assert (b"[MODIFIED " in answer) == bool(failed)
        self.model.store(uids, step.op, step.words, since)
        self.model.store(sorted(changed - failed), step.op, step.words, None)  # a commit of its own
        return None

    def _misses(self, client: CheckedClient, step: Step, uid: int, since: int) -> bool:
        """Whether the client named a mod-sequence before the last that it heard of, or does not know how one of these flags is
        now (RFC 7162 section 3.1.12)."""
        told = client.belief
        unknown = (told.flags[uid] ^ self.model.flags[uid]) & step.words
        return not step.op or told.modseqs[uid] > since or bool(unknown)

    async def search(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        by_uid = command.startswith("UID")
        uid_of = list(client.uids)
        wanted = [uid for uid in uid_of if uid is not None and "\\Flagged" in client.belief.flags[uid]]
        await client.ask("UID SEARCH FLAGGED" if by_uid else "SEARCH FLAGGED")
        assert client.found == (wanted if by_uid else [uid_of.index(uid) + 1 for uid in wanted])

    async def uid_expunge(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        await client.ask(f"UID EXPUNGE {','.join(map(str, uids))}")
        self.model.expunge([uid for uid in uids if "\\Deleted" in self.model.flags.get(uid, ())])

    async def copy(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        await client.ask(command.format("COPY") + " INBOX")
        there = [self.model.flags[uid] for uid in uids if uid in self.model.flags]
        if there:
            self.model.add(*there)

    async def move(self, client: CheckedClient, step: Step, uids: list[int], command: str) -> None:
        await client.ask(command.format("MOVE") + " Trash")
        self.model.expunge(uids)


ALONE: dict[str, Callable[[World, CheckedClient, Step], Awaitable[None]]] = {
    "noop": World.noop, "idle": World.idle, "expunge": World.expunge, "deliver": World.delivered, "append": World.append,
    "reconnect": World.reconnect, "changed": World.changed,
}  # fmt: skip
SET: dict[str, Callable[[World, CheckedClient, Step, list[int], str], Awaitable[None]]] = {
    "fetch": World.fetch, "read": World.read, "store": World.store, "conditional": World.conditional,
    "search": World.search, "uid expunge": World.uid_expunge, "copy": World.copy, "move": World.move,
}  # fmt: skip


async def play(steps: list[Step]) -> None:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="mailhub-"))
        room = await stack.enter_async_context(mailbox_room(Path(folder)))
        world = World(room)
        async with asyncio.timeout(60):
            await world.begin()
            for step in steps:
                await world.take(step)
            await world.finish()


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(
    max_examples=15 * FACTOR,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(steps=st.lists(STEPS, min_size=15, max_size=60))
def test_all_views_agree_with_the_model(steps: list[Step]) -> None:
    asyncio.run(play(steps))
