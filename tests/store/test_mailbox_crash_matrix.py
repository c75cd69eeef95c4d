"""Whatever is done to a mailbox, and wherever the machine stops meanwhile: what got OK is there whole, what was deleted is not,
and no UID ever stands for two messages. A moment is each write, sync, rename, link, unlink and commit."""

import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.crash_figures import chosen, in_memory, kinds, tell
from support.mailbox_crash import WHO, Owner

from mailhub.model.errors import MailError
from mailhub.model.mailbox import SEEN


def text(n: int, size: int = 40) -> bytes:
    return b"Subject: m%d\r\n\r\n%b\r\n" % (n, b"x" * size)


Story = Callable[[Owner], Awaitable[object]]


async def furnish(owner: Owner) -> None:
    """What most stories begin with: small mail and large in two folders, all of it synced."""
    await owner.append("INBOX", *(text(n) for n in range(4)), text(4, 3_000), keywords=("Work",))
    await owner.create("A.B")
    await owner.copy("INBOX", [1, 5], "A.B")
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def append(owner: Owner) -> None:
    await owner.append("INBOX", text(5), text(6, 3_000), flags=SEEN, keywords=("New",))
    await owner.append("A.B", text(7, 3_000))
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def flag(owner: Owner) -> None:
    await owner.flag("INBOX", [1, 3], "\\Flagged", "Todo")
    await owner.flag("INBOX", [5], "\\Seen", "Third")
    await owner.do(owner.store.mailboxes.sync(), owner.now())
    await owner.flag("INBOX", [1], "\\Answered", "Work")
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def copy(owner: Owner) -> None:
    await owner.copy("INBOX", [1, 2, 5], "A.B")
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def move(owner: Owner) -> None:
    await owner.move("INBOX", [2, 5], "A.B")
    await owner.move("A.B", [1], "INBOX")
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def expunge(owner: Owner) -> None:
    await owner.expunge("INBOX", [1, 5])
    await owner.expunge("A.B", [2])
    await owner.do(owner.store.mailboxes.sync(), owner.now())


async def rebuild(owner: Owner) -> None:
    await owner.flag("INBOX", [2], "\\Flagged")
    await owner.do(owner.store.mailboxes.rebuild(WHO, lambda done, total: None), owner.now())
    await owner.append("INBOX", text(8))


async def folders(owner: Owner) -> None:
    await owner.rename("A", "C")
    await owner.delete("C.B")
    await owner.create("C.B")
    await owner.append("C.B", text(9))


async def outside(owner: Owner) -> None:
    """Another program's changes are taken in."""
    await owner.meddle("A.B", ".A.B")
    await owner.append("A.B", text(9))


async def everything(owner: Owner) -> None:
    """One thing right after the other, with renames of flags still to come."""
    mailboxes = owner.store.mailboxes
    await owner.move("INBOX", [2], "A.B")
    await owner.flag("INBOX", [1, 3], "\\Flagged", "Todo")
    await owner.expunge("INBOX", [5])
    await owner.do(mailboxes.sync(), owner.now())
    await owner.copy("INBOX", [1, 3], "A.B")
    await owner.move("INBOX", [4], "A.B")
    await owner.flag("A.B", [1, 3], "\\Seen", "Third")
    await owner.rename("A", "C")
    await owner.expunge("C.B", [2])
    await owner.meddle("C.B", ".C.B")
    await owner.append("INBOX", text(7), flags=SEEN)
    await owner.do(mailboxes.rebuild(WHO, lambda done, total: None), owner.now())
    await owner.delete("C.B")
    await owner.create("C.B")
    await owner.append("C.B", text(8))


STORIES: dict[str, Story] = {
    "append": append, "flag change": flag, "copy": copy, "move": move, "expunge": expunge, "rebuild": rebuild,
    "folders": folders, "changes from outside": outside, "all of these": everything,
}  # fmt: skip


async def lived(folder: Path, story: Story, seed: int, crash_at: int | None) -> tuple[Counter[str], int]:
    """The story with a crash at one moment, and what follows it. Its moments by their kind, and how often the machine stopped."""
    owner = Owner(folder, random.Random(seed))
    await owner.open()
    await owner.store.mailboxes.folders(WHO)
    await furnish(owner)
    first, before = owner.files.points, owner.files.kinds.copy()
    owner.files.crash_at = None if crash_at is None else first + crash_at
    try:
        await story(owner)
    except (MailError, OSError):
        if not owner.files.dead:
            raise
        await owner.kill()
        await owner.switch_on()
    kinds, owner.files.crash_at = owner.files.kinds - before, None
    if not owner.files.dead:
        await owner.check()
        await owner.append("INBOX", text(9), keywords=("Work",))  # its UID is nobody's
        await owner.check()
    else:  # it stopped while nobody was waiting
        await owner.kill()
        await owner.switch_on()
    await owner.close()
    return kinds, owner.lives


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
async def test_a_crash_at_each_moment_of_a_story(name: str) -> None:
    with in_memory() as folder:
        counted, _ = await lived(folder / "whole", STORIES[name], 0, None)
        moments, crashes = counted.total(), 0
        assert moments > 5
        for moment in chosen(moments):
            crashes += (await lived(folder / str(moment), STORIES[name], moment, moment))[1]
            shutil.rmtree(folder / str(moment))
    assert crashes
    tell("mailbox", name, moments=moments, tried=len(chosen(moments)), crashes=crashes, kinds=kinds(counted))
