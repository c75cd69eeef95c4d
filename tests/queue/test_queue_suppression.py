"""Mail of our accounts is held back from addresses that refused it for good, again and again; and let go when that is over."""

from pathlib import Path

import msgspec
import pytest
from support.dsn_reader import read
from support.queue_world import LATER, NEVER, TAKEN, World, world

from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.queue.suppression import Suppressions
from mailhub.store.api import SuppressionRow

ALICE = "alice@mailhub.test"
DAY = 86_400


async def send(w: World, *to: str, login: str = ALICE) -> list[str]:
    """The Status of each report that it led to."""
    before = len(await w.mail(ALICE))
    await w.put(*to, sender=ALICE, login=login)
    await w.clock.advance(60)
    return [fields["Status"] for mail in (await w.mail(ALICE))[before:] for fields in read(mail).recipients]


async def test_three_refusals_and_no_more_is_tried(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["gone@far.test"] = NEVER
        for _ in range(3):
            assert await send(w, "gone@far.test") == ["5.1.1"]
        assert await send(w, "GONE@far.test", "there@far.test") == ["5.1.0"]
        assert len(w.hosts.calls) == 4
        assert w.hosts.addresses() == ["there@far.test"]
        reason = read((await w.mail(ALICE))[-1]).recipients[0]["Diagnostic-Code"]
        assert "is on the suppression list: it refused mail 3 times since" in reason
        assert "mx.far.test[192.0.2.1] said: 550 5.1.1 No such user" in reason
        assert "held back until" in reason
        await w.clock.advance(31 * DAY)
        assert await send(w, "gone@far.test") == ["5.1.1"], "it is tried again after a month"


async def test_refusals_are_remembered_over_a_crash(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["gone@far.test"] = NEVER
        for _ in range(2):
            await send(w, "gone@far.test")
        await w.crash()
        await w.reopen()
        assert await send(w, "gone@far.test") == ["5.1.1"]
        assert await send(w, "gone@far.test") == ["5.1.0"]


async def test_success_begins_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for _ in range(3):
            w.hosts.says["gone@far.test"] = NEVER
            assert await send(w, "gone@far.test") == ["5.1.1"]
            assert await send(w, "gone@far.test") == ["5.1.1"]
            w.hosts.says["gone@far.test"] = TAKEN
            assert await send(w, "gone@far.test") == []
            assert await w.store.suppressions.find("gone@far.test") is None


@pytest.mark.parametrize(
    "reply",
    [
        LATER,
        Reply(550, "5.7.1", "This is spam"),
        Reply(553, "5.1.8", "Your domain does not exist"),
        Reply(552, "5.2.2", "Mailbox full"),
        Reply(550, "5.0.0", "No"),
    ],
)
async def test_what_does_not_speak_of_the_address_does_not_count(tmp_path: Path, reply: Reply) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["gone@far.test"] = reply
        for _ in range(4):
            await send(w, "gone@far.test")
        assert await w.store.suppressions.find("gone@far.test") is None


async def test_mail_that_was_not_submitted_here_neither_counts_nor_waits(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["gone@far.test"] = NEVER
        for _ in range(4):
            assert await send(w, "gone@far.test", login="") == ["5.1.1"]
        assert await w.store.suppressions.find("gone@far.test") is None
        for _ in range(3):
            await send(w, "gone@far.test")
        assert await send(w, "gone@far.test") == ["5.1.0"]
        assert await send(w, "gone@far.test", login="") == ["5.1.1"]


async def test_our_own_addresses_are_never_held_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for _ in range(4):
            assert await send(w, "nobody@mailhub.test") == ["5.1.1"]
        await w.store.suppressions.put(SuppressionRow("bob@mailhub.test", "operator", None))
        assert await send(w, "bob@mailhub.test") == []
        assert len(await w.mail("bob@mailhub.test")) == 1


async def test_off_means_off_but_for_what_the_operator_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        off = msgspec.structs.replace(w.suppression, bounces=0)
        w.manager._shared.suppressions.configure(off)
        w.hosts.says["gone@far.test"] = NEVER
        for _ in range(5):
            assert await send(w, "gone@far.test") == ["5.1.1"]
        await w.store.suppressions.put(SuppressionRow("there@far.test", "operator", None, note="he asked us to"))
        assert await send(w, "there@far.test") == ["5.1.0"]
        suppressions = Suppressions(w.store.suppressions, off, w.clock)
        refusal = await suppressions.refusal(ALICE, "There@far.test")
        assert refusal is not None
        assert (
            refusal.text == "<There@far.test> is on the suppression list:\nput there by the operator (he asked us to)"
        )


class Away:
    """A list that can not be asked after some answers."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    async def find(self, address: str) -> None:
        self.answers -= 1
        if self.answers < 0:
            raise Temporary("the store is away")


async def test_a_list_that_can_not_be_asked_puts_mail_off(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        suppressions = w.manager._shared.suppressions
        suppressions._store, kept = Away(0), suppressions._store
        assert await send(w, "there@far.test") == []
        assert w.hosts.calls == []
        suppressions._store = kept
        await w.clock.advance(DAY)
        assert w.hosts.addresses() == ["there@far.test"]


async def test_a_list_that_can_not_be_asked_any_more_keeps_nothing_from_being_recorded(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager._shared.suppressions._store = Away(1)
        assert await send(w, "there@far.test") == []
        await w.clock.advance(DAY)
        assert w.hosts.addresses() == ["there@far.test"]
        assert len(w.hosts.calls) == 1
        assert (await w.store.queue.counts()).items == 0
