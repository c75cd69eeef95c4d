"""Scripts and marks of accounts in the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config import schema
from mailhub.mailbox.scripts import BadScript, Scripts
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent
from mailhub.store.api import AccountRow, ScriptRow
from mailhub.store.sqlite import SqliteStore

ALICE, BOB = "alice@x.test", "bob@x.test"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path, schema.Store(), VirtualClock(), "mx.test")
    await made.open()
    yield made
    await made.close()


async def test_scripts_are_kept_by_account(store: SqliteStore) -> None:
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


async def test_what_is_not_there_or_there_already(store: SqliteStore) -> None:
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


async def test_limits(store: SqliteStore) -> None:
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


async def test_they_go_with_their_account(store: SqliteStore) -> None:
    scripts = Scripts(store.sieve, schema.Sieve())
    await store.directory.put_account(AccountRow(ALICE, ""))
    await scripts.put(ALICE, "a", b"keep;")
    await store.directory.delete_account(ALICE)
    assert await scripts.list(ALICE) == []
