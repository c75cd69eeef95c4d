"""A special-use folder that is gone is made again by the first mail that is to go there."""

from pathlib import Path

from support.mailbox_room import ALICE, mailbox_room

from mailhub.model import ids
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Fate, NewContent, NewItem, NewRecipient, Outcome, Settle


async def test_made_on_first_use(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        await it.alice.folders()
        await it.alice.delete("Junk")
        number = it.store.queue.new_id()
        item = NewItem(number, NewContent(number, b"", Body(2, b"\r\n")), "a@b.c", (NewRecipient(0, ALICE),), 0, 0)
        put = await it.store.queue.put(item)
        file = f"1.Q{ids.text(number)}R0.mx"
        filing = await it.service.stage(ALICE, "Junk", head=b"", content=put.content, file=file, date=1)
        done = Outcome(0, Fate.DELIVERED, Reply(250, "2.0.0", "Ok"), filings=(filing,))
        await it.store.queue.settle(Settle(put.id, put.lease, (done,)))
        junk = await it.alice.find("Junk")
        assert (junk.special_use, junk.messages, junk.subscribed) == ("\\Junk", 1, True)
        assert (await it.alice.find("INBOX")).messages == 0
