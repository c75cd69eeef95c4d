"""Whose an address is: aliases through all levels, tags, domains, quotes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import lookup, schema
from mailhub.delivery.router import Router
from mailhub.delivery.routes import Expand, Local
from mailhub.directory import Directory, Hasher
from mailhub.model.clock import VirtualClock
from mailhub.policy import Policy
from mailhub.store.sqlite import SqliteStore
from mailhub.tables import Tables

ALICE = "alice@mailhub.test"


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    store = SqliteStore(tmp_path, schema.Store(free_space_floor=0), VirtualClock(), "mx.test")
    await store.open()
    hasher = Hasher(1, 1)
    directory = Directory(store.directory, schema.Auth(), hasher, domains=["mailhub.test"])
    for name in ("alice", "bob", "loop1"):
        await directory.add_account(f"{name}@mailhub.test", None)
    yield directory
    hasher.close()
    await store.close()


def room(**settings: Any) -> tuple[Policy, SmallRouter]:
    router = SmallRouter((ALICE, "bob@mailhub.test"))
    return Policy(schema.Smtp(**settings), "mx", router, MemorySpool(), VirtualClock()), router  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        ("level0@mailhub.test", True), ("level40@mailhub.test", True), ("loop1@mailhub.test", True), ("loop2@mailhub.test", True),
        ("wide@mailhub.test", True), ("far@mailhub.test", False), ("bob@mailhub.test", False), ("endless1@mailhub.test", False),
        ('"level0"@mailhub.test', True), ("level0+tag@mailhub.test", True),
    ],
)  # fmt: skip
async def test_aliases_are_followed_through_all_levels(sender: str, allowed: bool, directory: Directory) -> None:
    chain = {f"level{n}": (f"level{n + 1}@mailhub.test",) for n in range(41)} | {"level41": (ALICE,)}
    loops = {"loop1": ("loop2@mailhub.test",), "loop2": ("loop1@mailhub.test", ALICE)}
    endless = {"endless1": ("endless2@mailhub.test",), "endless2": ("endless1@mailhub.test", "bob@mailhub.test")}
    wide = {"wide": (*(f"x{n}@far.example" for n in range(500)), ALICE), "far": ("x@far.example", "bob@mailhub.test")}
    for name, targets in (chain | loops | endless | wide).items():
        await directory.set_alias(f"{name}@mailhub.test", targets)
    policy = Policy(
        schema.Smtp(),
        "mx",
        Router(directory, schema.Delivery(), "mailhub.test", Tables(VirtualClock())),
        MemorySpool(),
        VirtualClock(),
    )  # type: ignore[arg-type]
    assert (await policy.owns(ALICE, sender)) is allowed
    assert (await policy.owns(ALICE, sender)) is allowed


async def test_what_leads_where_is_asked_once_in_a_while() -> None:
    policy, router = room()
    router.routes["info@mailhub.test"] = Expand(("team@mailhub.test",))
    router.routes["team@mailhub.test"] = Expand((ALICE,))
    router.routes[ALICE] = Local(ALICE)
    for _ in range(5):
        assert await policy.owns(ALICE, "info@mailhub.test")
    assert router.routed == ["info@mailhub.test", "team@mailhub.test", ALICE]
    assert isinstance(policy.clock, VirtualClock)
    await policy.clock.advance(11)
    del router.routes["team@mailhub.test"]
    assert not await policy.owns(ALICE, "info@mailhub.test")


@pytest.mark.parametrize("sender", ['"bob"@far.example', '"b\\ob"@far.example', "BOB@far.example", "bob+x@far.example"])
async def test_quotes_are_no_way_round_the_table_of_owners(sender: str) -> None:
    policy, router = room(sender_login=lookup.read({"bob@far.example": "bob@mailhub.test"}))
    router.routes["bob@far.example"] = Local(ALICE)
    assert not await policy.owns(ALICE, sender)


async def test_a_domain_may_have_owners() -> None:
    policy, _ = room(
        sender_login=lookup.read({"@far.example": f"{ALICE}, bob@mailhub.test", "ceo@far.example": "bob@mailhub.test"})
    )
    for sender, owned in {"any@far.example": True, "any+tag@far.example": True, "ceo@far.example": False, "ceo+tag@far.example": False,
                          "any@sub.far.example": False}.items():  # fmt: skip
        assert await policy.owns(ALICE, sender) is owned, sender
