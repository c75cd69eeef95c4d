"""Greylisting on a real store and a virtual clock: who waits, who comes again, who is asked no more, and what is forgotten."""

from typing import Any

import msgspec
import pytest
from support.stores import Stores

from mailhub.config.schema import Greylist as Section
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Origin
from mailhub.model.verdict import Action
from mailhub.policy.account_limits import digest
from mailhub.policy.caller import Caller
from mailhub.policy.check import Statement
from mailhub.policy.greylist import Greylist
from mailhub.policy.visit import Visit
from mailhub.store.api import Attempts

DAY = 86_400
BOB = "bob@mailhub.test"


class Door:
    """A server's greylist, and strangers before it."""

    def __init__(self, store: Any, clock: VirtualClock, **options: object) -> None:
        self.store, self.clock = store, clock
        self.configure(**options)

    def configure(self, **options: object) -> None:
        config = msgspec.structs.replace(Section(), **options)
        self.check = Greylist(config, self.store.greylist, self.store.guard, self.clock)

    async def says(
        self,
        client: str = "192.0.2.1",
        sender: str = "ann@far.test",
        to: str = BOB,
        *,
        trusted: bool = False,
        spf: str = "",
    ) -> str:
        """The reply where the letter is put off, the reason where it is passed with a word, "" where nothing is said."""
        visit = Visit(Origin(client=client), "smtp", None, Caller(client, None, None))  # type: ignore[arg-type]
        visit.sender, visit.recipient, visit.trusted = sender, to, trusted
        if spf:
            visit.statements["spf"] = Statement(spf)
        said = await self.check.ask(visit) if self.check.concerns(visit) else None
        if said is None:
            return ""
        assert (said.action is Action.TEMPFAIL) == (said.reply is not None)
        return said.reason if said.reply is None else str(said.reply)


@pytest.fixture
def door(store: Any) -> Door:
    return Door(store, VirtualClock())


async def test_a_stranger_waits_and_is_known_when_he_has_come_again(door: Door) -> None:
    assert await door.says() == "450 4.2.0 Greylisted, try again in 300 seconds"
    await door.clock.advance(100)
    assert await door.says() == "450 4.2.0 Greylisted, try again in 200 seconds"
    await door.clock.advance(200)
    assert await door.says() == "it came again after 300 seconds"
    for _ in range(3):
        assert await door.says() == ""
        await door.clock.advance(30 * DAY)  # each letter renews it
    assert await door.says() == ""
    await door.clock.advance(37 * DAY)
    assert "Greylisted" in await door.says()


async def test_a_neighbour_may_come_again_and_another_sender_or_recipient_is_another_letter(door: Door) -> None:
    await door.says()
    await door.clock.advance(400)
    for other in ({"sender": "eve@far.test"}, {"to": "eve@mailhub.test"}, {"client": "192.0.3.1"}, {"sender": ""}):
        assert "Greylisted" in await door.says(**other)
    assert "came again" in await door.says(client="192.0.2.77", to="BOB@Mailhub.test")
    assert "Greylisted" in await door.says(client="2001:db8::1")
    await door.clock.advance(400)
    assert "came again" in await door.says(client="2001:db8::2:1")


async def test_who_comes_again_too_late_is_a_stranger_once_more(door: Door) -> None:
    await door.says()
    await door.clock.advance(3 * DAY)
    assert "try again in 300" in await door.says()


async def test_a_network_that_came_again_often_is_asked_no_more(door: Door) -> None:
    for n in range(5):
        assert "Greylisted" in await door.says(sender=f"a{n}@far.test")
    await door.clock.advance(301)
    for n in range(5):
        assert "came again" in await door.says(sender=f"a{n}@far.test")
    assert await door.says(sender="new@far.test") == ""
    for _ in range(3):
        await door.clock.advance(30 * DAY)
        assert await door.says(sender="newer@far.test") == ""
    await door.clock.advance(37 * DAY)
    assert "Greylisted" in await door.says(sender="newest@far.test")


async def test_who_is_not_asked(door: Door) -> None:
    assert await door.says(trusted=True) == await door.says(client="") == await door.says(client="unix:") == ""
    assert await door.says(spf="pass") == ""
    assert "Greylisted" in await door.says(spf="softfail")
    await door.store.guard.add_sent(BOB, 1, 1, 1, [digest("friend@far.test")], 100)
    assert await door.says(sender="Friend@far.test") == ""
    assert "Greylisted" in await door.says(sender="friend@far.test", to="eve@mailhub.test")
    door.configure(allow=("192.0.2.0/28", "2001:db8::/32"))
    assert await door.says(client="192.0.2.9") == await door.says(client="2001:db8::9") == ""
    assert "Greylisted" in await door.says(client="192.0.2.99", sender="x@far.test")


async def test_a_clock_that_is_set_back_begins_anew(door: Door) -> None:
    await door.clock.advance(10_000)
    await door.says()
    door.clock._time -= 5_000
    assert "try again in 300" in await door.says()
    await door.clock.advance(301)
    assert "came again" in await door.says()


async def test_what_is_remembered_is_bounded_and_forgotten_in_time(door: Door, stores: Stores) -> None:
    door.configure(limit=50)
    assert "Greylisted" in await door.says(sender="kept@far.test")
    await door.clock.advance(301)
    assert "came again" in await door.says(sender="kept@far.test")
    for n in range(100):
        await door.says(sender=f"{n}@flood.test")
    assert stores.count("greylist") == 50
    assert await door.says(sender="kept@far.test") == "", "a flood of strangers does not push out who is known"
    await door.clock.advance(3 * DAY)
    await door.says(sender="last@far.test")
    assert stores.count("greylist") == 3, "the letter and the network that are known, and the new one"


async def test_it_outlives_a_restart(door: Door) -> None:
    await door.says()
    await door.store.close()
    await door.clock.advance(301)
    await door.store.open()
    door.configure()
    assert "came again" in await door.says()


async def test_rows_are_set_and_found(door: Door, stores: Stores) -> None:
    for passes in (0, 3):
        await door.store.greylist.put(b"x", Attempts(1.0, passes, 9.0), 2.0, 10)
        assert await door.store.greylist.find(b"x") == Attempts(1.0, passes, 9.0)
    assert await door.store.greylist.find(b"y") is None
    assert stores.count("greylist") == 1
