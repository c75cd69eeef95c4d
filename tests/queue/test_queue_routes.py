"""What the queue does with the words of a transport table."""

from pathlib import Path

import msgspec
from support.queue_world import World, world

from mailhub.config.lookup import Lookup
from mailhub.store.api import Act, QueueFilter, State

TABLE = Lookup(
    (
        (
            ("kept.test", "hold:look first"), ("gone.test", "error:5.1.6 moved"), ("late.test", "retry:4.7.7 not yet"),
            ("void.test", "discard:"), ("none.test", "nowhere:x"),
        ),
    )
)  # fmt: skip


async def table(w: World, lookup: Lookup) -> None:
    w.router.configure(msgspec.structs.replace(w.delivery, transport=lookup))


async def test_each_word_of_the_table(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await table(w, TABLE)
        to = [f"x@{name}.test" for name in ("kept", "gone", "late", "void", "none", "far")]
        await w.put(*to, sender="alice@mailhub.test")
        await w.manager.idle()
        (item,) = await w.queued()
        assert {r.address: (r.state, str(r.last)) for r in item.recipients} == {
            "x@kept.test": (State.HOLD, "450 4.7.0 look first"),
            "x@late.test": (State.DEFERRED, "450 4.7.7 not yet"),
            "x@none.test": (State.DEFERRED, "451 4.3.5 Mail transport unavailable"),
        }
        assert w.hosts.addresses() == ["x@far.test"]
        (bounce,) = await w.mail("alice@mailhub.test")
        assert b"Status: 5.1.6" in bounce
        assert b"x@void.test" not in bounce


async def test_what_is_held_goes_on_when_it_is_released_and_the_table_has_changed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await table(w, TABLE)
        await w.put("x@kept.test")
        await w.clock.advance(10 * 86400)
        assert [r.state for r in (await w.queued())[0].recipients] == [State.HOLD]
        await table(w, Lookup())
        await w.queue.act_on_all(Act.UNHOLD, QueueFilter(), w.clock.now())
        w.manager.wake()
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@kept.test"]
