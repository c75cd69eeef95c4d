"""Which way mail goes, on a real directory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config import schema
from mailhub.delivery.router import LOOP, NO_DOMAIN, UNKNOWN, Known, Router
from mailhub.delivery.routes import Expand, Local, Refuse, Relay
from mailhub.directory import Directory, Hasher
from mailhub.model.clock import VirtualClock
from mailhub.store.sqlite import SqliteStore


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    clock = VirtualClock()
    store = SqliteStore(tmp_path, schema.Store(free_space_floor=0), clock, "mx.test")
    await store.open()
    hasher = Hasher(1, 1)
    directory = Directory(store.directory, schema.Auth(), hasher, domains=["a.test", "b.test"])
    await directory.add_account("alice@a.test", None)
    await directory.add_account("zoe@a.test", None)
    await directory.add_account("carol@b.test", None)
    yield directory
    hasher.close()
    await store.close()


@pytest.fixture
def router(directory: Directory) -> Router:
    return Router(directory, schema.Delivery(), "a.test")


@pytest.mark.parametrize("address", ["alice@a.test", "ALICE@A.Test", '"alice"@a.test'])
async def test_an_account_is_found_in_any_case_and_quoting(router: Router, address: str) -> None:
    assert await router.route(address) == Local("alice@a.test")
    assert await router.peek(address) is Known.LOCAL


async def test_others_are_relayed_to_their_domain(router: Router) -> None:
    assert await router.route("Someone@Far.Test") == Relay("far.test")
    assert await router.peek("someone@far.test") is Known.RELAY
    assert await router.route("someone@[192.0.2.1]") == Relay("[192.0.2.1]")


@pytest.mark.parametrize(
    "address", ["nobody@a.test", "someone%far.test@a.test", "far.test!someone@a.test", '"someone@far.test"@a.test']
)
async def test_what_is_behind_the_last_at_decides(router: Router, address: str) -> None:
    assert await router.route(address) == Refuse(UNKNOWN)
    assert await router.peek(address) is Known.UNKNOWN


async def test_an_address_without_domain_is_refused_but_for_postmaster(router: Router) -> None:
    assert await router.route("alice") == Refuse(NO_DOMAIN)
    assert await router.route("Postmaster") == Local("alice@a.test")


async def test_the_tag_of_an_address_is_its_detail(router: Router, directory: Directory) -> None:
    assert await router.route("alice+lists@a.test") == Local("alice@a.test", detail="lists")
    await directory.set_alias("alice+lists@a.test", ["carol@b.test"])
    assert await router.route("alice+lists@a.test") == Expand(("carol@b.test",))
    await directory.set_alias("team@a.test", ["zoe@a.test"])
    assert await router.route("team+x@a.test") == Expand(("zoe@a.test",))
    assert await router.route("+lists@a.test") == Refuse(UNKNOWN)
    router.configure(schema.Delivery(recipient_delimiter=""))
    assert await router.route("alice+x@a.test") == Refuse(UNKNOWN)


async def test_an_alias_goes_before_an_account(router: Router, directory: Directory) -> None:
    await directory.set_alias("alice@a.test", ["x@far.test", "zoe@a.test"])
    assert await router.route("alice@a.test") == Expand(("x@far.test", "zoe@a.test"))


async def test_an_alias_to_itself_keeps_a_copy_where_there_is_an_account(router: Router, directory: Directory) -> None:
    await directory.set_alias("alice@a.test", ["alice@a.test", "x@far.test"])
    assert await router.route("alice@a.test", ("alice@a.test",)) == Local("alice@a.test")
    await directory.set_alias("ghost@a.test", ["ghost@a.test"])
    assert await router.route("ghost@a.test", ("ghost@a.test",)) == Refuse(LOOP)


async def test_a_catch_all_takes_what_is_for_nobody_else(router: Router, directory: Directory) -> None:
    await directory.set_alias("@a.test", ["carol@b.test"])
    assert await router.route("nobody@a.test") == Expand(("carol@b.test",))
    assert await router.route("alice@a.test") == Local("alice@a.test")
    assert await router.route("nobody@b.test") == Refuse(UNKNOWN)
    assert await router.route("alice+x@a.test") == Local("alice@a.test", detail="x")


async def test_a_catch_all_that_leads_to_nobody_ends(router: Router, directory: Directory) -> None:
    await directory.set_alias("@a.test", ["gone@a.test"])
    assert await router.route("nobody@a.test") == Expand(("gone@a.test",))
    assert await router.route("gone@a.test", ("nobody@a.test",)) == Expand(("gone@a.test",))
    assert await router.route("gone@a.test", ("nobody@a.test", "gone@a.test")) == Refuse(LOOP)


async def test_every_domain_of_ours_has_a_postmaster(router: Router, directory: Directory) -> None:
    assert await router.route("postmaster@b.test") == Expand(("postmaster@a.test",))
    assert await router.route("POSTMASTER@a.test", ("postmaster@b.test",)) == Local("alice@a.test")
    await directory.set_alias("@a.test", ["zoe@a.test"])
    assert await router.route("postmaster@a.test") == Expand(("zoe@a.test",))
    await directory.set_alias("postmaster@a.test", ["carol@b.test"])
    assert await router.route("postmaster@a.test") == Expand(("carol@b.test",))
    await directory.add_account("postmaster@b.test", None)
    assert await router.route("postmaster@b.test") == Local("postmaster@b.test")


async def test_a_main_domain_without_accounts_gives_its_postmaster_to_the_first_of_all(directory: Directory) -> None:
    for name in ("alice@a.test", "zoe@a.test"):
        await directory.remove_account(name)
    router = Router(directory, schema.Delivery(), "a.test")
    assert await router.route("postmaster") == Local("carol@b.test")
    await directory.remove_account("carol@b.test")
    assert await router.route("postmaster") == Refuse(UNKNOWN)
