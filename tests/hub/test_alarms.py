"""What is wrong is said in words, by status, /health and /metrics, as long as it is wrong: a bad sector, no name servers, a clock that jumps."""

import asyncio
import imaplib
from pathlib import Path

import aiohttp
from support.bad_disk import EIO, BadDisk
from support.dns import DnsServer
from support.hubs import LISTENERS, PASSWORD, config, messages, running, send, trusting, until
from support.server import free_port

from mailhub.config.schema import Listener, Queue, Resolver, Smtp, Store
from mailhub.control.words import Status
from mailhub.hub import Hub
from mailhub.hub_status import status_of
from mailhub.model.clock import SystemClock
from mailhub.store.sqlite import SqliteStore

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
QUICK = {"smtp": Smtp(greet_pause=0.0), "queue": Queue(retry=(1.0,))}


class JumpingClock(SystemClock):
    """Real time, whose wall clock is set by `jump`."""

    def __init__(self) -> None:
        self.jump = 0.0

    def now(self) -> float:
        return super().now() + self.jump


async def alarms(hub: Hub) -> dict[str, str]:
    return (await status_of(hub, Status())).alarms


def fetched(hub: Hub, account: str) -> list[str]:
    """What FETCH says of each message of the inbox."""
    with imaplib.IMAP4_SSL("127.0.0.1", hub.port("imaps"), ssl_context=trusting()) as client:
        client.login(account, PASSWORD)
        count = int(client.select()[1][0] or b"0")
        return [client.fetch(str(n), "(BODY.PEEK[])")[0] for n in range(1, count + 1)]


async def test_one_file_that_can_not_be_read(tmp_path: Path) -> None:
    disk, clock = BadDisk(), SystemClock()
    store = SqliteStore(tmp_path / "var", Store(free_space_floor=0), clock, "mailhub.test", disk)
    async with Hub(config(tmp_path / "var", **QUICK), clock=clock, store=store) as hub:
        for account in (ALICE, BOB):
            await hub.directory.add_account(account, PASSWORD)
            await send(hub, "a@example.org", account)
            await send(hub, "a@example.org", account)
        assert len(await messages(hub, ALICE)) == 2
        await store._filer.catch_up()
        first = sorted((tmp_path / "var/mail/mailhub.test/alice/Maildir/new").iterdir())[0]
        disk.bad[first.name] = EIO
        assert sorted(await asyncio.to_thread(fetched, hub, ALICE)) == ["NO", "OK"]
        assert await asyncio.to_thread(fetched, hub, BOB) == ["OK", "OK"]
        disk.bad.clear()
        assert await asyncio.to_thread(fetched, hub, ALICE) == ["OK", "OK"]


async def test_an_account_whose_folder_can_not_be_written(tmp_path: Path) -> None:
    """Others' mail is delivered; what waits is said, and comes once the disk is well."""
    disk, clock = BadDisk(), SystemClock()
    store = SqliteStore(tmp_path / "var", Store(free_space_floor=0), clock, "mailhub.test", disk)
    door = Listener(protocol="http", port=free_port())
    async with Hub(config(tmp_path / "var", listener=(*LISTENERS, door), **QUICK), clock=clock, store=store) as hub:
        for account in (ALICE, BOB):
            await hub.directory.add_account(account, PASSWORD)
        disk.bad["mailhub.test/alice"] = EIO
        for account in (ALICE, BOB):
            await send(hub, "a@example.org", account)
        await until(lambda: store.troubles())
        assert "alice@mailhub.test" in (await alarms(hub))["files"]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{door.port}/health") as answer:
                assert answer.status == 200
                assert await answer.json() == {"status": "ready", "alarms": ["files"], "see": "mailhub status"}
            async with http.get(f"http://127.0.0.1:{door.port}/metrics") as answer:
                assert 'mailhub_alarm{room="files"} 1.0' in await answer.text()
        while await asyncio.to_thread(fetched, hub, BOB) != ["OK"]:
            await asyncio.sleep(0.01)
        disk.bad.clear()
        while await alarms(hub):
            await asyncio.sleep(0.01)
        while not await asyncio.to_thread(fetched, hub, ALICE):
            await asyncio.sleep(0.01)


async def test_no_name_server_answers(tmp_path: Path) -> None:
    place = ("127.0.0.1", free_port())
    resolver = Resolver(nameservers=(f"{place[0]}:{place[1]}",), timeout=1.0, tries=1)
    async with Hub(config(tmp_path / "var", resolver=resolver, **QUICK)) as hub:
        for n in range(4):
            await send(hub, ALICE, f"x@far{n}.test")
        while "dns" not in await alarms(hub):
            await asyncio.sleep(0.01)
        assert "resolver.nameservers" in (await alarms(hub))["dns"]
        assert (await status_of(hub, Status())).queue_recipients == 4, "all are kept"
        async with DnsServer({("far0.test", "A"): ["127.0.0.9"]}, place):
            while "dns" in await alarms(hub):
                await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_forward_and_back(tmp_path: Path) -> None:
    clock = JumpingClock()
    async with running(tmp_path / "var", ALICE, clock=clock, **QUICK) as hub:
        assert await alarms(hub) == {}
        for jump, word in ((40 * 86_400.0, "forward"), (-40 * 86_400.0, "back")):
            await send(hub, "a@example.org", ALICE)
            clock.jump = jump
            assert f"set {word} by 34560" in (await alarms(hub))["clock"]
            await send(hub, "a@example.org", ALICE)
        clock.jump = 0.0
        assert len(await messages(hub, ALICE)) == 4
        assert await alarms(hub) == {}
        assert (await status_of(hub, Status())).outcomes == {"sent": 4}
