"""Special-use folders: a fresh account gets them, and one that is gone is made again by the first mail that is to go there."""

from pathlib import Path

from support.mailbox_room import ALICE, MailboxRoom, mailbox_room

from mailhub.mailbox.service import SPECIAL_USE
from mailhub.model import ids
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Fate, NewContent, NewItem, NewRecipient, Outcome, Settle


async def delivered(it: MailboxRoom, folder: str) -> None:
    number = it.store.queue.new_id()
    item = NewItem(number, NewContent(number, b"", Body(2, b"\r\n")), "a@b.c", (NewRecipient(0, ALICE),), 0, 0)
    put = await it.store.queue.put(item)
    file = f"1.Q{ids.text(number)}R0.mx"
    filing = await it.service.stage(ALICE, folder, head=b"", content=put.content, file=file, date=1)
    done = Outcome(0, Fate.DELIVERED, Reply(250, "2.0.0", "Ok"), filings=(filing,))
    await it.store.queue.settle(Settle(put.id, put.lease, (done,)))


async def test_made_on_first_use(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        await it.alice.folders()
        await it.alice.delete("Junk")
        await delivered(it, "Junk")
        junk = await it.alice.find("Junk")
        assert (junk.special_use, junk.messages, junk.subscribed) == ("\\Junk", 1, True)
        assert (await it.alice.find("INBOX")).messages == 0


async def test_no_second_folder_for_a_use(tmp_path: Path) -> None:
    """Whoever has called another folder his Junk finds it there."""
    async with mailbox_room(tmp_path) as it:
        await it.alice.folders()
        await it.alice.delete("Junk")
        await it.alice.create("Spam", "\\Junk")
        await delivered(it, "Junk")
        assert {
            folder.name: folder.messages for folder in await it.alice.folders() if folder.special_use == "\\Junk"
        } == {"Spam": 1}
        assert not any(folder.name == "Junk" for folder in await it.alice.folders())


async def test_a_fresh_account_that_begins_with_a_folder_gets_them_too(tmp_path: Path) -> None:
    """Also where that folder is one of them."""
    async with mailbox_room(tmp_path) as it:
        await it.alice.create("Work")
        await it.service.account("bob@mailhub.test").create("Sent")
        for account, more in ((it.alice, {"Work": ""}), (it.service.account("bob@mailhub.test"), {})):
            found = {folder.name: folder.special_use for folder in await account.existing()}
            assert found == {"INBOX": "", **dict(SPECIAL_USE), **more}


async def test_and_one_that_begins_with_a_subscription(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        await room.alice.subscribe("News")
        assert {folder.special_use for folder in await room.alice.folders()} >= {"\\Sent", "\\Trash", "\\Junk"}
        assert "News" in await room.alice.subscriptions()
