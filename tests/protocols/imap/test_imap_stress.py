"""Many clients at once on one folder, over TCP: each checks every line it is told, and at the end all agree.

In the ordinary run a few commands each; `make imap-stress MINUTES=5` lets 20 of them go on.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.imap_checked import ENABLES, CheckedClient, connect
from support.imap_server import ImapServer, deliver, imap_server

MINUTES = float(os.environ.get("IMAP_STRESS_MINUTES", "0"))
CLIENTS = 20 if MINUTES else 6
ROUNDS = 25  # of each client, in the ordinary run
KINDS = tuple(ENABLES)
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "$Work")
MOST = 60  # messages; more are deleted first
NOTIFY = "NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge))"


@dataclass
class Crowd:
    """Clients of one server; `commands` counts what they said."""

    server: ImapServer
    choice: random.Random
    shared: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    commands: int = 0
    reconnects: int = 0

    async def connected(self, kind: str, before: CheckedClient | None = None, *, notify: bool = False) -> CheckedClient:
        client = CheckedClient(await connect(self.server.port), kind, self.shared)
        if before is not None:
            client.belief = before.belief
        await client.open("INBOX")
        if notify:
            await client.ask(NOTIFY)
        return client

    async def live(self, number: int, goes_on: Callable[[int], bool]) -> CheckedClient:
        """One client: random commands, alone or several at once, and a new connection now and then."""
        kind, notify = KINDS[number % len(KINDS)], number % 4 == 3
        client = await self.connected(kind, notify=notify)
        rounds = 0
        while goes_on(rounds):
            rounds += 1
            if self.choice.random() < 0.03:
                client.connection.close()
                client = await self.connected(kind, client, notify=notify)
                self.reconnects += 1
            if self.choice.random() < 0.05:
                await client.ask("IDLE", then="DONE")
                await client.learn()
            several = [self.command(client) for _ in range(self.choice.choice((1, 1, 1, 3)))]
            if len(several) > 1:  # behind a command that may tell of expunges only UIDs are safe (RFC 9051 section 5.5)
                several = [said for said in several if said.startswith("UID") or said == "NOOP"] or ["NOOP"]
            await client.ask_all(several)
            await client.learn()
            self.commands += len(several)
        return client

    def command(self, client: CheckedClient) -> str:
        """What it may say, by its view."""
        known = [uid for uid in client.uids if uid is not None]
        if not known:
            return "NOOP"
        chosen = sorted(self.choice.sample(known, min(len(known), self.choice.randint(1, 4))))
        by_uid = client.uid_only or self.choice.random() < 0.5
        named = chosen if by_uid else [known.index(uid) + 1 for uid in chosen]
        some = ",".join(map(str, named))
        flag = self.choice.choice(FLAGS)
        if len(known) > MOST:
            return self.choice.choice((f"UID STORE {known[0]}:{known[20]} +FLAGS (\\Deleted)", "EXPUNGE"))
        unchanged = f" (UNCHANGEDSINCE {client.belief.highest})" if client.condstore else ""
        prefix = "UID " * by_uid
        return prefix + self.choice.choice(
            (f"FETCH {some} (UID FLAGS)", f"FETCH {some} (UID BODY[TEXT])", f"STORE {some} +FLAGS ({flag})",
             f"STORE {some} -FLAGS ({flag})", f"STORE {some}{unchanged} FLAGS ({flag})", f"SEARCH {'UID ' * by_uid}{some} FLAGGED",
             f"COPY {some} INBOX", f"MOVE {some} Trash", "FETCH 1:* (UID FLAGS)" if by_uid else "NOOP",
             f"EXPUNGE {some}" if by_uid else "EXPUNGE")
        )  # fmt: skip

    async def deliver(self, goes_on: Callable[[int], bool]) -> None:
        rounds = 0
        while goes_on(rounds):
            rounds += 1
            await deliver(self.server.alice, *[b"Subject: new\r\n\r\ntext\r\n"] * self.choice.randint(1, 3))
            await asyncio.sleep(0.02)


def lasting() -> Callable[[int], bool]:
    """So many rounds; or so many minutes."""
    end = time.monotonic() + 60 * MINUTES
    return (lambda rounds: time.monotonic() < end) if MINUTES else (lambda rounds: rounds < ROUNDS)


@pytest.mark.timeout(60 * MINUTES + 120)
@pytest.mark.parametrize("seed", range(1 if MINUTES else 2))
async def test_no_client_complains(seed: int, tmp_path: Path) -> None:
    async with imap_server(tmp_path) as server:
        await server.alice.folders()
        await deliver(server.alice, *(b"Subject: %d\r\n\r\ntext\r\n" % n for n in range(12)))
        crowd, goes_on = Crowd(server, random.Random(time.time_ns() if MINUTES else seed)), lasting()
        *clients, _ = await asyncio.gather(
            *(crowd.live(number, goes_on) for number in range(CLIENTS)), crowd.deliver(goes_on)
        )
        fresh = await crowd.connected("condstore")
        for client in clients:
            assert client is not None
            await client.ask("NOOP")
            await client.learn()
            assert client.uids == fresh.uids, client.kind
            assert client.belief.flags == fresh.belief.flags, client.kind
            assert client.belief.modseqs.items() <= fresh.belief.modseqs.items(), client.kind
            client.connection.close()
        fresh.connection.close()
        print(f"\n{CLIENTS} clients, {crowd.commands} commands, {crowd.reconnects} new connections, 0 complaints")
