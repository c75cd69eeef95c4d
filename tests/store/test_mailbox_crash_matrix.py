"""Whatever is done to a mailbox, and wherever the machine stops meanwhile: what got OK is there whole, what was deleted is not,
and no UID ever stands for two messages. A moment is each write, sync, rename, link, unlink and commit."""

import os
import random
from pathlib import Path

import pytest
from support.mailbox_crash import WHO, Owner

from mailhub.model.errors import MailError
from mailhub.model.mailbox import SEEN

LIVES = int(os.environ.get("MAILHUB_CRASH_LIVES", "12"))


def text(n: int, size: int = 40) -> bytes:
    return b"Subject: m%d\r\n\r\n%b\r\n" % (n, b"x" * size)


async def story(owner: Owner) -> None:
    """Small mail and large, through every unit of the mailbox."""
    mailboxes = owner.store.mailboxes
    await owner.append("INBOX", *(text(n) for n in range(4)), text(4, 3_000), keywords=("Work",))
    await owner.create("A.B")
    await owner.copy("INBOX", [1, 5], "A.B")
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


async def lived(folder: Path, seed: int, crash_at: int | None) -> int:
    """The story with a crash at one moment, and what follows it. How many moments there were."""
    owner = Owner(folder, random.Random(seed))
    await owner.open()
    await owner.store.mailboxes.folders(WHO)
    first = owner.files.points
    owner.files.crash_at = None if crash_at is None else first + crash_at
    try:
        await story(owner)
    except (MailError, OSError):
        if not owner.files.dead:
            raise
        await owner.kill()
        await owner.switch_on()
    moments, owner.files.crash_at = owner.files.points - first, None
    if not owner.files.dead:
        await owner.check()
        await owner.append("INBOX", text(9), keywords=("Work",))  # its UID is nobody's
        await owner.check()
    else:  # it stopped while nobody was waiting
        await owner.kill()
        await owner.switch_on()
    await owner.close()
    return moments


@pytest.mark.slow
async def test_a_crash_at_each_moment_of_a_story(tmp_path: Path) -> None:
    moments = await lived(tmp_path / "whole", 0, None)
    assert moments > 100
    step = max(1, moments // (LIVES * 3))  # all of them by `make crash`
    for moment in range(1 + LIVES % step, moments, step):
        await lived(tmp_path / str(moment), moment, moment)
    print(f"\nmailbox: {len(range(1 + LIVES % step, moments, step))} crashes at {moments} moments")
