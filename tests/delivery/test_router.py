"""Which way mail goes, on a real directory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailhub.config import lookup, schema
from mailhub.delivery.router import BAD_ADDRESS, LOOP, NO_DOMAIN, UNKNOWN, Known, Router
from mailhub.delivery.routes import Expand, Hold, Local, Refuse, Relay
from mailhub.directory import Directory, Hasher
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply
from mailhub.store.sqlite import SqliteStore
from mailhub.tables import Tables


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
    return Router(directory, schema.Delivery(), "a.test", Tables(VirtualClock()))


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


async def test_answers_to_our_reports_go_to_postmaster(router: Router, directory: Directory) -> None:
    assert await router.route("MAILER-DAEMON@b.test") == Expand(("postmaster@b.test",))
    assert await router.peek("mailer-daemon@a.test") is Known.LOCAL
    assert await router.route("mailer-daemon@far.test") == Relay("far.test")
    await directory.set_alias("mailer-daemon@a.test", ["zoe@a.test"])
    assert await router.route("mailer-daemon@a.test") == Expand(("zoe@a.test",))


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


async def test_where_nobody_was_named_an_administrator_of_the_server_is_postmaster(directory: Directory) -> None:
    admins = ("gone@a.test", "Carol@b.test", "zoe@a.test")
    router = Router(directory, schema.Delivery(), "a.test", Tables(VirtualClock()), admins=admins)
    assert await router.route("postmaster") == Local("carol@b.test")
    assert await router.has_postmaster()
    await directory.set_alias("postmaster@a.test", ["zoe@a.test"])
    assert await router.route("postmaster") == Expand(("zoe@a.test",))


async def test_who_is_named_postmaster(router: Router, directory: Directory) -> None:
    assert not await router.has_postmaster()
    for name in ("postmaster@a.test", "@a.test"):
        await directory.set_alias(name, ["zoe@a.test"])
        assert await router.has_postmaster()
        await directory.remove_alias(name)
    assert not await router.has_postmaster()
    await directory.add_account("postmaster@a.test", None)
    assert await router.has_postmaster()


async def test_other_domains_get_nothing_of_the_main_domains_postmaster(router: Router, directory: Directory) -> None:
    await asyncio.gather(*(directory.add_account(f"a{n:04}@b.test", None) for n in range(1_100)))
    assert await router.route("postmaster") == Local("alice@a.test")
    await directory.add_account("0@a.test", None)
    assert await router.route("postmaster") == Local("alice@a.test"), "who comes later gets no mail of who was there"
    await directory.remove_account("alice@a.test")
    await directory.remove_account("0@a.test")
    assert await router.route("postmaster") == Local("zoe@a.test")
    await directory.remove_account("zoe@a.test")
    assert await router.route("postmaster") == Refuse(UNKNOWN)


def ways(directory: Directory, **options: Any) -> Router:
    """A router with options of [delivery]; tables as they are written in TOML."""
    plain = ("default_transport", "relayhost")
    made = {name: value if name in plain else lookup.read(value) for name, value in options.items()}
    return Router(directory, schema.Delivery(**made), "a.test", Tables(VirtualClock()))


TABLE = {
    "user+tag@far.test": "smtp:[tag.test]", "user@far.test": ":[user.test]:26", "far.test": "lmtp:inet:far.test",
    ".far.test": "relay:", "gone.test": "error:5.1.6 moved away", "bad.test": "error:", "late.test": "retry:4.7.7 not yet",
    "code.test": "error:450 4.2.2 text", "kept.test": "hold:look first", "void.test": "discard:spam", "prog.test": "pipe:filter",
    "prog2.test": "filter:elsewhere", "same.test": ":",
}  # fmt: skip


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("User+Tag@far.test", Relay("[tag.test]", "smtp")), ("user+other@far.test", Relay("[user.test]:26")),
        ("user@far.test", Relay("[user.test]:26")), ("other@far.test", Relay("inet:far.test", "lmtp")),
        ("x@sub.far.test", Relay("sub.far.test")), ("x@deep.sub.far.test", Relay("deep.sub.far.test")),
        ("x@gone.test", Refuse(Reply(550, "5.1.6", "moved away"))),
        ("x@bad.test", Refuse(Reply(550, "5.0.0", "Address is undeliverable"))),
        ("x@late.test", Refuse(Reply(450, "4.7.7", "not yet"))),
        ("x@code.test", Refuse(Reply(550, "5.2.2", "text"))),
        ("x@kept.test", Hold(Reply(450, "4.7.0", "look first"))), ("x@void.test", Relay("spam", "discard")),
        ("x@prog.test", Relay("prog.test", "filter")), ("x@prog2.test", Relay("elsewhere", "filter")),
        ("x@same.test", Relay("same.test")), ("x@notfar.test", Relay("notfar.test")),
        ("alice@a.test", Local("alice@a.test")),
    ],
)  # fmt: skip
async def test_the_transport_table(directory: Directory, address: str, route: object) -> None:
    assert await ways(directory, transport=TABLE).route(address) == route


async def test_a_star_is_for_everybody_and_patterns_see_whole_addresses(directory: Directory, tmp_path: Path) -> None:
    patterns = tmp_path / "patterns"
    patterns.write_text("/^far\\.test$/ smtp:[wrong]\n/^x@far/ smtp:[right]\n")
    router = ways(directory, transport=[f"regexp:{patterns}", {"*": "smtp:[all]", "a.test": ":"}])
    assert await router.route("x@far.test") == Relay("[right]", "smtp")
    assert await router.route("y@far.test") == Relay("[all]", "smtp")
    assert await router.route("alice@a.test") == Local("alice@a.test")
    assert await router.route("carol@b.test") == Relay("[all]", "smtp")


async def test_the_table_sends_our_own_elsewhere_and_makes_nobody_known(directory: Directory) -> None:
    table = {
        "a.test": "lmtp:unix:/run/inner",
        "bot@a.test": "pipe:bot",
        "team@a.test": "smtp:[never]",
        "far.test": "local:",
    }
    router = ways(directory, transport=table)
    await directory.set_alias("team@a.test", ["alice@a.test"])
    assert await router.route("alice+x@a.test") == Relay("unix:/run/inner", "lmtp")
    assert await router.route("nobody@a.test") == Refuse(UNKNOWN)
    assert await router.route("bot@a.test") == Relay("a.test", "bot")
    assert await router.route("team@a.test") == Expand(("alice@a.test",))
    assert [await router.peek(f"{user}@a.test") for user in ("alice", "nobody", "bot", "team")] == [
        Known.LOCAL, Known.UNKNOWN, Known.LOCAL, Known.LOCAL,
    ]  # fmt: skip


async def test_no_line_of_the_table_opens_the_relay(directory: Directory) -> None:
    router = ways(
        directory, transport={"far.test": "local:", "else.test": "lmtp:unix:/run/inner", "gone.test": "error:no"}
    )
    assert await router.peek("x@else.test") is Known.RELAY
    assert await router.route("x@far.test") == Refuse(UNKNOWN)
    with pytest.raises(Permanent) as refused:
        await router.peek("x@gone.test")
    assert refused.value.reply == Reply(550, "5.0.0", "no")


async def test_a_relayhost_takes_what_no_table_names(directory: Directory) -> None:
    router = ways(directory, relayhost="[smart.test]:587", transport={"direct.test": "smtp:", "null.test": ":"})
    assert await router.route("x@far.test") == Relay("[smart.test]:587")
    assert await router.route("x@null.test") == Relay("[smart.test]:587")
    assert await router.route("x@direct.test") == Relay("direct.test", "smtp")
    assert await router.route("alice@a.test") == Local("alice@a.test")


async def test_relayhost_and_transport_of_a_sender(directory: Directory) -> None:
    router = ways(
        directory,
        relayhost="[all.test]",
        sender_relayhost={
            "alice@a.test": "[one.test]",
            "@b.test": "[b.test]",
            "zoe@a.test": "DUNNO",
            "<>": "[null.test]",
        },
        sender_default_transport={"carol@b.test": "second:", "dan@b.test": "second:[fix.test]"},
    )
    senders = ("Alice+tag@a.test", "x@b.test", "zoe@a.test", "", "carol@b.test", "dan@b.test", "far@far.test")
    assert [await router.route("x@far.test", sender=sender) for sender in senders] == [
        Relay("[one.test]"), Relay("[b.test]"), Relay("[all.test]"), Relay("[null.test]"), Relay("[b.test]", "second"),
        Relay("[fix.test]", "second"), Relay("[all.test]"),
    ]  # fmt: skip


async def test_a_default_transport_that_is_a_word(directory: Directory) -> None:
    router = ways(directory, default_transport="error:5.7.1 inside only", relayhost="[smart.test]")
    assert await router.route("x@far.test") == Refuse(Reply(550, "5.7.1", "inside only"))
    assert await ways(directory, default_transport="hold").route("x@far.test") == Hold(
        Reply(450, "4.7.0", "Held until the operator decides")
    )
    router = ways(directory, default_transport="pipe:bsmtp")
    assert await router.route("x@far.test") == Relay("far.test", "bsmtp")


@pytest.mark.parametrize("table", ["static:smtp:[x]", "pattern", "randmap:{smtp:[x], smtp:[x]}"])
async def test_a_table_that_knows_everybody_makes_nobody_known(
    directory: Directory, tmp_path: Path, table: str
) -> None:
    (tmp_path / "t").write_text("/@/ smtp:[x]\n")
    router = ways(directory, transport=f"regexp:{tmp_path}/t" if table == "pattern" else table)
    assert await router.route("nobody@a.test") == Refuse(UNKNOWN)
    assert await router.route("alice@a.test") == Relay("[x]", "smtp")
    assert await router.route("x@far.test") == Relay("[x]", "smtp")


async def test_a_filter_is_given_in_the_same_words(router: Router) -> None:
    asked = [
        ("smtp:[f]:26", "x@far.test"),
        ("lmtp:unix:/f", "alice@a.test"),
        ("smtp:", "x@far.test"),
        ("local:", "alice@a.test"),
    ]
    assert [await router.filtered(order, address, ()) for order, address in asked] == [
        Relay("[f]:26", "smtp"), Relay("unix:/f", "lmtp"), Relay("far.test", "smtp"), Local("alice@a.test"),
    ]  # fmt: skip
    assert await router.filtered("error:5.7.1 never", "x@far.test", ()) == Refuse(Reply(550, "5.7.1", "never"))


@pytest.mark.parametrize("text", ["|id", "/tmp/x", ":include:/etc/passwd"])
async def test_what_a_user_has_written_is_carried_out_by_nobody_else(router: Router, text: str) -> None:
    """It stood in a .forward, and users of the system have no mail any more."""
    route = await router.route(text, ("alice@a.test", "|forward"))
    assert isinstance(route, Refuse)
    assert route.reply.temporary


async def test_an_address_from_a_list_that_no_path_can_hold_is_refused(router: Router) -> None:
    for address in (
        "a b@far.test",
        "a>b@far.test",
        "a@b@far.test",
        "@far.test",
        "a@far.test\r\nRCPT",
        "x" * 400 + "@far.test",
    ):
        assert await router.route(address, ("list@a.test",)) == Refuse(BAD_ADDRESS), address
