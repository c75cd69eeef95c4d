"""Scripts and marks of accounts: the same on either store."""

from typing import Any

import pytest
from support.stores import queued

from mailhub.config import schema
from mailhub.mailbox.scripts import BadScript, Scripts
from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent
from mailhub.model.reply import Reply
from mailhub.store.api import (
    AccountRow,
    Birth,
    Fate,
    Outcome,
    ScriptLimits,
    ScriptRow,
    Settle,
    SieveMark,
)

ALICE, BOB = "alice@x.test", "bob@x.test"


async def test_scripts_are_kept_by_account(store: Any) -> None:
    scripts = Scripts(store.sieve, schema.Sieve())
    await scripts.put(ALICE, "a", b"keep;")
    await scripts.put(ALICE, "b", b"stop;")
    await scripts.put(BOB, "a", b"discard;")
    assert await store.sieve.active(ALICE) is None
    await scripts.activate(ALICE, "b")
    assert await scripts.list(ALICE) == [ScriptRow("a", 5, False), ScriptRow("b", 5, True)]
    await scripts.put(ALICE, "b", b"keep; stop;")
    assert await store.sieve.active(ALICE) == b"keep; stop;"
    await scripts.rename(ALICE, "b", "c")
    assert await store.sieve.active(ALICE) == b"keep; stop;"
    with pytest.raises(Permanent, match="active"):
        await scripts.delete(ALICE, "c")
    await scripts.activate(ALICE, "")
    await scripts.delete(ALICE, "c")
    assert await scripts.get(BOB, "a") == b"discard;"
    assert await store.sieve.active(BOB) is None


async def test_what_is_not_there_or_there_already(store: Any) -> None:
    scripts = Scripts(store.sieve, schema.Sieve())
    await scripts.put(ALICE, "a", b"keep;")
    await scripts.put(ALICE, "b", b"keep;")
    for call in (
        scripts.get(ALICE, "x"),
        scripts.activate(ALICE, "x"),
        scripts.delete(ALICE, "x"),
        scripts.rename(ALICE, "x", "y"),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(Exists):
        await scripts.rename(ALICE, "a", "b")
    for name in ("", "a\nb", "a\u2028b", "x" * 129):
        with pytest.raises(Permanent):
            await scripts.put(ALICE, name, b"keep;")
    with pytest.raises(BadScript, match="line 1, column 1: unknown command"):
        await scripts.put(ALICE, "a", b"frop;")


async def test_limits(store: Any) -> None:
    scripts = Scripts(store.sieve, schema.Sieve(script_count=2, script_limit=20, quota=30))
    await scripts.put(ALICE, "a", b"keep;" + b" " * 15)
    with pytest.raises(LimitReached, match=r"sieve\.quota"):
        await scripts.put(ALICE, "b", b"keep;" + b" " * 6)
    with pytest.raises(BadScript, match="more than 20 octets"):
        await scripts.put(ALICE, "a", b" " * 21)
    await scripts.put(ALICE, "b", b"keep;")
    with pytest.raises(LimitReached, match=r"sieve\.script_count"):
        await scripts.put(ALICE, "c", b"keep;")
    await scripts.check_space(ALICE, "b", 10)
    with pytest.raises(LimitReached, match=r"sieve\.quota"):
        await scripts.check_space(ALICE, "b", 11)
    with pytest.raises(LimitReached, match=r"sieve\.script_limit"):
        await scripts.check_space(ALICE, "b", 21)


async def test_they_go_with_their_account(store: Any) -> None:
    scripts = Scripts(store.sieve, schema.Sieve())
    await store.directory.put_account(AccountRow(ALICE, ""))
    await scripts.put(ALICE, "a", b"keep;")
    await store.directory.delete_account(ALICE)
    assert await scripts.list(ALICE) == []


async def test_names_are_compared_octet_by_octet(store: Any) -> None:
    limits = ScriptLimits(10, 1_000)
    names = ["A", "a", "a ", "a\u0301", "\u00e1"]
    for name in names:
        await store.sieve.put(ALICE, name, name.encode(), limits)
    assert [row.name for row in await store.sieve.scripts(ALICE)] == names
    await store.sieve.activate(ALICE, "a ")
    assert await store.sieve.active(ALICE) == b"a "
    assert sum(row.active for row in await store.sieve.scripts(ALICE)) == 1
    assert await store.sieve.active("ALICE@x.test") is None


async def settled(store: Any, marks: tuple[SieveMark, ...] = (), once: SieveMark | None = None) -> int:
    """A message with those marks is settled; how many letters were born of it."""
    put = await store.queue.put(queued(store, "b@d.test"))
    before = (await store.queue.counts()).items
    born = queued(store, "c@d.test")
    births = () if once is None else (Birth(born, once),)
    outcome = Outcome(0, Fate.DELIVERED, Reply(250, "2.0.0", "Ok"))
    await store.queue.settle(Settle(put.id, put.lease, (outcome,), births=births, marks=marks))
    return int((await store.queue.counts()).items - before + 1)


async def test_marks_are_seen_until_they_end(store: Any) -> None:
    await settled(
        store, (SieveMark(ALICE, "x" * 5_000, 1e10), SieveMark(ALICE, "short", 1.0), SieveMark(BOB, "b", 1e10))
    )
    assert await store.sieve.seen(ALICE, 5.0) == {"x" * 5_000}
    assert await store.sieve.seen(BOB, 1e10) == frozenset()


async def test_what_is_done_once_is_done_again_when_its_time_is_over(store: Any) -> None:
    assert await settled(store, once=SieveMark(ALICE, "vacation", 1e10)) == 1
    assert await settled(store, once=SieveMark(ALICE, "vacation", 2e10)) == 0
    assert await settled(store, once=SieveMark(ALICE, "other", 1.0)) == 1
    assert await settled(store, once=SieveMark(ALICE, "other", 2.0)) == 1


async def test_marks_of_an_account_are_bounded(store: Any) -> None:
    await settled(store, tuple(SieveMark(ALICE, f"{n:04}", 1e10 + n) for n in range(1_200)))
    assert await store.sieve.seen(ALICE, 5.0) == {f"{n:04}" for n in range(200, 1_200)}
