"""Mail for users of the system when all processes are killed: nothing is lost, nothing is half there, mailboxes get it once."""

import asyncio
import random
import re
from collections.abc import Iterator

import pytest
from support.hubs import until
from support.system_server import DOMAIN, RUNS_AS, serving
from support.system_users import SystemUsers, system_users

SIZE = 300_000  # octets of a message: it is not written at one blow
MESSAGES = 8


@pytest.fixture
def place() -> Iterator[SystemUsers]:
    with system_users(RUNS_AS, "bob", "eve") as users:
        yield users


def text(n: int) -> str:
    return f"Subject: number {n}\n\n" + f"{n:06} line of it\n" * (SIZE // 22) + f"the end of {n}\n"


async def test_killed_after_the_mailbox_and_before_the_record(place: SystemUsers) -> None:
    """The mailbox has it, and a command of the same .forward still runs: the mailbox does not get it again, the command does."""
    started = place.home("bob") / "started"
    place.write(
        "bob",
        ".forward",
        f'\\bob, {place.home("bob")}/copy, {place.home("bob")}/Maildir/, "|echo $QUEUE_ID >> started; cat go"',
    )
    go = place.home("bob") / "go"
    await _fifo(place)
    async with serving(place) as server:
        await server.send(f"bob@{DOMAIN}")
        await until(lambda: started.exists() and started.read_text())
        assert place.inbox("bob").count("Subject: x") == 1
        await server.kill()
    go.unlink()
    go.touch(0o666)
    (new,) = (place.home("bob") / "Maildir/new").iterdir()
    new.rename(place.home("bob") / "Maildir/cur" / f"{new.name}:2,S")  # somebody has looked at it meanwhile
    async with serving(place) as server:
        for _ in range(4):
            await server.logged("status=sent")
    assert place.inbox("bob").count("Subject: x") == 1
    assert (place.home("bob") / "copy").read_text().count("Subject: x") == 1
    assert list((place.home("bob") / "Maildir/new").iterdir()) == []
    ids = started.read_text().split()
    assert len(ids) == 2
    assert len(set(ids)) == 1


async def _fifo(place: SystemUsers) -> None:
    process = await asyncio.create_subprocess_exec(*place.as_user("bob"), "mkfifo", str(place.home("bob") / "go"))
    assert await process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_killed_at_any_moment(place: SystemUsers, seed: int) -> None:
    chance = random.Random(seed)
    inbox = place.mail / "bob"

    def grown(before: int) -> bool:
        return inbox.exists() and inbox.stat().st_size > before

    sent = 0
    while sent < MESSAGES:
        async with serving(place) as server:
            before = inbox.stat().st_size if inbox.exists() else 0
            for _ in range(4):
                await server.send(f"bob@{DOMAIN}", text=text(sent))
                sent += 1
            limit = before + chance.randrange(3 * SIZE)
            await until(lambda limit=limit: grown(limit))  # type: ignore[misc]
            await server.kill()
    async with serving(place) as server:
        found = place.inbox("bob")
        while len(re.findall("^the end of ", found, re.MULTILINE)) < MESSAGES or (place.mail / "bob.lock").exists():
            await server.logged("status=")
            found = place.inbox("bob")
    messages = re.split(r"^From s@far", place.inbox("bob"), flags=re.MULTILINE)[1:]
    numbers = sorted(int(re.findall(r"Subject: number (\d+)", one)[0]) for one in messages)
    assert numbers == list(range(MESSAGES))
    for one in messages:
        n = int(re.findall(r"Subject: number (\d+)", one)[0])
        assert one.endswith(text(n).partition("\n\n")[2] + "\n")
    assert sorted(file.name for file in place.mail.iterdir()) == ["bob"]
