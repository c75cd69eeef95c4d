"""Retention: what has been in its folder long enough leaves it, on the clock, in all accounts, and nothing else does."""

from pathlib import Path

from support.hubs import running
from support.mailbox_room import MailboxRoom, mailbox_room

from mailhub.config.schema import AutoExpunge, Mailbox
from mailhub.jobs.autoexpunge import Retention
from mailhub.model.clock import VirtualClock

DAY = 86_400
TEXT = b"Subject: x\r\n\r\n"
ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"


async def uids(it: MailboxRoom, folder: str) -> list[int]:
    view = await it.store.mailboxes.view((await it.alice.find(folder)).id)
    return list(view.uids)


async def test_age_counts_from_when_mail_came_into_the_folder(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        await it.alice.folders()
        await it.put(TEXT, TEXT)
        await it.put(TEXT, folder="Trash")
        await it.clock.advance(20 * DAY)
        view = await it.view()
        await view.move([1], await it.alice.find("Trash"))
        await view.copy([2], await it.alice.find("Trash"))
        view.close()
        job = Retention((AutoExpunge(folder="Trash", age=30 * DAY),), it.store.mailboxes, it.clock)
        await it.clock.advance(11 * DAY)
        await job.work()
        assert await uids(it, "Trash") == [2, 3], "these are 11 days in Trash, however old they are"
        await it.clock.advance(20 * DAY)
        await job.work()
        assert (await uids(it, "Trash"), await uids(it, "INBOX")) == ([], [2])


async def test_the_newest_stay_and_folders_below_are_meant_by_a_star(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        for name in ("Lists.a", "Lists.b", "Lists*x"):
            await it.alice.create(name)
            await it.put(*[TEXT] * 5, folder=name)
        await it.put(*[TEXT] * 5, folder="Lists")
        await Retention((AutoExpunge(folder="Lists.*", count=2),), it.store.mailboxes, it.clock).work()
        found = {name: await uids(it, name) for name in ("Lists", "Lists.a", "Lists.b", "Lists*x")}
        assert found == {"Lists": [1, 2, 3, 4, 5], "Lists.a": [4, 5], "Lists.b": [4, 5], "Lists*x": [1, 2, 3, 4, 5]}


async def test_a_hub_does_it_every_day(tmp_path: Path) -> None:
    clock = VirtualClock()
    mailbox = Mailbox(autoexpunge=(AutoExpunge(folder="Junk", age=DAY),))
    async with running(tmp_path, ANN, BOB, clock=clock, mailbox=mailbox, domains=("mailhub.test",)) as hub:
        for who in (ANN, BOB):
            mail = hub.mailboxes.account(who)
            writer = mail.body_writer()
            writer.feed(TEXT)
            await mail.append(await mail.find("Junk"), [(await writer.finish(), None, 0, ())])
        await clock.advance(3 * DAY)
        assert [(await hub.mailboxes.account(who).find("Junk")).messages for who in (ANN, BOB)] == [0, 0]
