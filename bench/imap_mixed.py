"""What many clients do all day: sign in and out, look, read, mark; and how soon one that idles is told of new mail."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench import imap_search, smtp
from bench.clients import Smtp
from bench.imap import Client
from bench.imap_search import Load
from bench.meters import Meter, percentile
from bench.target import READER, Target

FOLDER = Load("INBOX", 1_000)
CONFIG = "[sessions]\nlimit_per_client = 1000\nlimit_per_account = 1000\n[smtp]\nmynetworks = ['127.0.0.0/8']\n"
COMPARED = ("logins_per_second", "commands_per_second", "told_of_append_p99_ms")
_SIGNERS = 5  # who sign in and out at one time
_DAY = (
    "NOOP", "STATUS INBOX (MESSAGES UNSEEN)", "FETCH {n}:{m} (UID FLAGS ENVELOPE)", "FETCH {n} BODY.PEEK[]", r"STORE {n} +FLAGS (\Flagged)",
    "UID SEARCH SINCE 1-Jan-2024", r"STORE {n} -FLAGS (\Flagged)", 'LIST "" *', "FETCH {n} BODYSTRUCTURE", "NOOP",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    sessions: int
    seconds: float
    messages: int  # that are told of

    @property
    def words(self) -> str:
        return f"{self.sessions} sessions"


FULL = (Day(20, 10.0, 100),)
SHORT = (Day(20, 2.0, 30),)


def mailhub() -> AbstractAsyncContextManager[Target]:
    return imap_search.mailhub((FOLDER,), CONFIG)


def dovecot() -> AbstractAsyncContextManager[Target]:
    return imap_search.dovecot((FOLDER,))


async def measure(target: Target, load: Day) -> dict[str, object]:
    """Each figure is measured by itself. `told`: milliseconds from the answer to the message's giver until EXISTS was there."""
    row: dict[str, object] = {"load": load.words}
    first = await Client.open(target)
    await first.ask("SELECT INBOX")  # the folder is known from here on
    row["logins_per_second"], row["login_cpu_ms"] = await _logins(target, load)
    row["commands_per_second"], row["command_cpu_ms"] = await _mixed(target, load)
    row.update(await _told(target, "append", load.messages, first.append))
    if "smtp" in target.ports:
        giver = await Smtp.open(target.host, target.ports["smtp"])

        async def by_smtp(folder: str) -> None:
            await giver.message(smtp.SENDER, READER.encode(), smtp.body(4096), "DATA")
            await giver.expect(b"250")

        row.update(await _told(target, "smtp", load.messages, by_smtp))
        await giver.quit()
    first.close()
    return row


async def _logins(target: Target, load: Day) -> tuple[int, float]:
    """LOGIN and LOGOUT on connections of their own, a second; CPU of the server for each."""
    meter, until, done = Meter(target.roots()), time.perf_counter() + load.seconds, 0

    async def some() -> None:
        nonlocal done
        while time.perf_counter() < until:
            client = await Client.open(target)
            await client.ask("LOGOUT")
            client.close()
            done += 1

    await asyncio.gather(*(some() for _ in range(_SIGNERS)))
    return round(done / meter.wall), round(meter.cpu() * 1_000 / done, 2)


async def _mixed(target: Target, load: Day) -> tuple[int, float]:
    """Commands a second of all sessions, each asking one after the other."""
    clients = [await Client.open(target) for _ in range(load.sessions)]
    for client in clients:
        await client.ask("SELECT INBOX")
    meter, until, done = Meter(target.roots()), time.perf_counter() + load.seconds, 0

    async def some(number: int, client: Client) -> None:
        nonlocal done
        at = number
        while time.perf_counter() < until:
            n = 1 + 37 * at % (FOLDER.messages - 10)
            await client.ask(_DAY[at % len(_DAY)].format(n=n, m=n + 9))
            at, done = at + 1, done + 1

    await asyncio.gather(*(some(number, client) for number, client in enumerate(clients)))
    figures = round(done / meter.wall), round(meter.cpu() * 1_000 / done, 3)
    for client in clients:
        client.close()
    return figures


async def _told(target: Target, way: str, messages: int, give: Callable[[str], Awaitable[None]]) -> dict[str, object]:
    """One message after the other, as the client that idles has been told of the last."""
    idler = await Client.open(target)
    await idler.ask("SELECT INBOX")
    await idler.idle()
    times = []
    for _ in range(messages):
        heard = idler.listen(b"EXISTS")
        await give("INBOX")
        began = time.perf_counter()
        async with asyncio.timeout(30):
            times.append(max(0.0, await heard - began))
    idler.close()
    return {f"told_of_{way}_p50_ms": percentile(times, 0.5), f"told_of_{way}_p99_ms": percentile(times, 0.99)}
