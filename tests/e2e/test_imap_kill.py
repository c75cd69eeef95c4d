"""SIGKILL at random moments under a client that keeps its state (RFC 7162): when it is back it misses nothing, hears of nothing
that is not so, and no UID and no mod-sequence that anybody was told has come to mean something else."""

import asyncio
import contextlib
import random
import re
from pathlib import Path

import pytest
from support.crash_figures import tell
from support.imap_checked import Belief, CheckedClient, HungUp, connect
from support.server import Server

ROUNDS = 8
ALICE = "alice@example.test"
_APPENDED = re.compile(rb"APPENDUID \d+ (\d+)\]")
_SUBJECT = re.compile(rb"UID (\d+) .*Subject: (\d+)\r\n", re.DOTALL)


class Load:
    """Clients that change a folder as fast as they are answered. `given`: UIDs that were told for messages, by their subject."""

    def __init__(self, port: int, choice: random.Random) -> None:
        self.port, self.choice = port, choice
        self.shared: dict[tuple[int, int], frozenset[str]] = {}
        self.given: dict[int, int] = {}
        self.subject = self.commands = 0

    async def client(self, kind: str, belief: Belief | None = None) -> CheckedClient:
        client = CheckedClient(await connect(self.port), kind, self.shared, belief or Belief(), ALICE)
        await client.open("INBOX")
        return client

    async def change(self, kind: str) -> None:
        with contextlib.suppress(HungUp, OSError):
            client = await self.client(kind)
            while True:
                await self._append(client)
                await client.ask(self._command(client))
                await client.learn()
                self.commands += 2

    async def watch(self, belief: Belief) -> None:
        with contextlib.suppress(HungUp, OSError):
            client = await self.client("qresync", belief)
            while True:
                await client.ask("NOOP")
                await client.learn()

    async def _append(self, client: CheckedClient) -> None:
        self.subject += 1
        subject, text = self.subject, f"Subject: {self.subject}\r\n\r\ntext\r\n"
        answer = await client.ask(f"APPEND INBOX {{{len(text)}+}}\r\n{text}")
        found = _APPENDED.search(answer)
        assert found, answer
        assert self.given.setdefault(int(found[1]), subject) == subject

    def _command(self, client: CheckedClient) -> str:
        known = [uid for uid in client.uids if uid is not None] or [1]
        some = ",".join(map(str, sorted(self.choice.sample(known, min(3, len(known))))))
        flag = self.choice.choice(("\\Seen", "\\Flagged", "$Work"))
        return self.choice.choice(
            (f"UID STORE {some} +FLAGS ({flag})", f"UID STORE {some} -FLAGS ({flag})", f"UID STORE {some} +FLAGS (\\Deleted)",
             f"UID EXPUNGE {some}", f"UID FETCH {some} (UID BODY[TEXT])")
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_client_that_kept_its_state_misses_nothing(tmp_path: Path) -> None:
    choice = random.Random(7162)
    server = Server(tmp_path, "[auth]\nallow_plaintext = true\n")
    await server.accounts(ALICE, password="secret")
    load, belief = Load(server.ports["imap"], choice), Belief()
    for _ in range(ROUNDS):
        await server.start()
        await back(load, belief)
        tasks = [asyncio.create_task(load.watch(belief))]
        tasks += [asyncio.create_task(load.change(kind)) for kind in ("condstore", "qresync", "uidonly")]
        await asyncio.sleep(choice.uniform(0.1, 0.6))
        await server.kill()
        await asyncio.gather(*tasks)
    await server.start()
    await back(load, belief)
    await subjects(load)
    assert await server.stop() == 0
    assert load.commands > 10 * ROUNDS, "the load was too small to mean anything"
    what = "commands that got OK, by what a client knows and what there is"
    tell("kill -9", "IMAP: APPEND, STORE, EXPUNGE", rounds=ROUNDS, checked=load.commands, what=what)


async def back(load: Load, belief: Belief) -> None:
    """What the client knows after its resync is what there is."""
    client, fresh = await load.client("qresync", belief), await load.client("condstore")
    assert client.uids == fresh.uids
    assert client.belief.flags == fresh.belief.flags
    assert client.belief.modseqs.items() <= fresh.belief.modseqs.items()
    for one in (client, fresh):
        one.connection.close()


async def subjects(load: Load) -> None:
    """Each message under the UID that was told for it, and once."""
    client = await load.client("condstore")
    await client.ask("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    found = {int(match[1]): int(match[2]) for line in client.lines if (match := _SUBJECT.search(line))}
    assert len(found) == len(client.uids) == len(set(found.values()))
    assert {uid: load.given.get(uid, subject) for uid, subject in found.items()} == found
    client.connection.close()
