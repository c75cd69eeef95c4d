"""What an administrator of some domains may ask for. Every request that there is stands here: one that is new is refused, or this fails."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect
from support.hubs import config, send

from mailhub.config.schema import Delivery, Listener
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.control.delegated import ACTIONS, RULES, Delegated
from mailhub.control.errors import ControlError
from mailhub.control.scopes import ACTIONS as BY_HTTP
from mailhub.hub import Hub
from mailhub.model import ids
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.verdict import Action, Verdict
from mailhub.store.api import AccountRow, Body

ROOT, ANN, BEN, CARL, DORA = "root@a.test", "ann@a.test", "ben@a.test", "carl@b.test", "dora@a.test"
"""ann administers a.test; dora, who lives there, b.test, too; root runs the server."""
MINE = frozenset({"a.test"})
WHICH = words.Which(ids=("4kQW3yqBz1",))

# For each request that has a rule: such as are done, and such as are not.
SCOPED: dict[type, tuple[list[Any], list[Any]]] = {
    words.UserAdd: (
        [words.UserAdd(address="new@A.test", password="p"), words.UserAdd(address='"other"@a.test', password="p")],
        [words.UserAdd(address=one, password="p") for one in ("new@b.test", "new@a.test@b.test", "boss@a.test", "postmaster@a.test", "new", "@a.test.")],
    ),
    words.UserEnable: ([words.UserEnable(address=BEN, enabled=False)], [words.UserEnable(address=one, enabled=False) for one in (CARL, ROOT, DORA)]),
    words.UserPasswd: (
        [words.UserPasswd(address=BEN, password="p"), words.UserPasswd(address=ANN, password="p")],
        [words.UserPasswd(address=one, password="p") for one in (CARL, ROOT, DORA, "ROOT@A.TEST", '"root"@a.test', "root+x@a.test", 'ann@a.test"@b.test')],
    ),
    words.UserRemove: ([words.UserRemove(address=BEN)], [words.UserRemove(address=one) for one in (CARL, ROOT, DORA)]),
    words.UserList: ([words.UserList()], []),
    words.DomainList: ([words.DomainList()], []),
    words.DomainAdmins: (
        [words.DomainAdmins(name="A.test")],
        [words.DomainAdmins(name="b.test"), words.DomainAdmins(name="a.test", add=BEN), words.DomainAdmins(name="a.test", remove=ANN), words.DomainAdmins(name="b.test", add=ANN)],
    ),
    words.AliasAdd: (
        [words.AliasAdd(address="info@a.test", targets=("far@far.test", BEN)), words.AliasAdd(address="ben+x@a.test", targets=(BEN,))],
        [words.AliasAdd(address=one, targets=(BEN,)) for one in ("info@b.test", "@b.test", ROOT, DORA, "root+x@a.test", "boss@a.test", "postmaster@a.test", "@a.test")]
        + [words.AliasAdd(address="info@a.test", targets=(BEN, one)) for one in ("|/bin/sh@a.test", "/etc/x@a.test", ":include:/x@a.test", "\\carl@b.test", '"|x"@a.test')],
    ),
    words.AliasRemove: ([words.AliasRemove(address="team@a.test")], [words.AliasRemove(address=one) for one in ("team@b.test", "@b.test", ROOT)]),
    words.AliasList: ([words.AliasList()], []),
    words.ForwardGet: ([words.ForwardGet(address=BEN)], [words.ForwardGet(address=one) for one in (CARL, ROOT, DORA)]),
    words.ForwardSet: (
        [words.ForwardSet(address=BEN, targets=("far@far.test",), keep=True)],
        [words.ForwardSet(address=one, targets=(BEN,)) for one in (CARL, ROOT, DORA)] + [words.ForwardSet(address=BEN, targets=("|/bin/sh@a.test",))],
    ),
    words.AppPasswordList: ([words.AppPasswordList(address=BEN)], [words.AppPasswordList(address=one) for one in (CARL, ROOT)]),
    words.AppPasswordRemove: ([words.AppPasswordRemove(address=BEN, name="phone")], [words.AppPasswordRemove(address=one, name="phone") for one in (CARL, ROOT)]),
    words.SecondFactorRemove: ([words.SecondFactorRemove(address=BEN)], [words.SecondFactorRemove(address=one) for one in (CARL, ROOT, DORA)]),
    words.QuotaGet: ([words.QuotaGet(address=BEN), words.QuotaGet(address="@A.test")], [words.QuotaGet(address=one) for one in (CARL, "@b.test", ROOT, "@")]),
    words.QuotaSet: (
        [words.QuotaSet(address=BEN, storage=1_000, messages=7), words.QuotaSet(address=BEN)],
        [words.QuotaSet(address=one, storage=1) for one in (CARL, ROOT, "@a.test", "@b.test")] + [words.QuotaSet(address=BEN, storage=wrong) for wrong in (0, 1_001)],
    ),
    words.QuotaRecalculate: ([words.QuotaRecalculate(address=BEN)], [words.QuotaRecalculate(address=one) for one in (CARL, ROOT, "@a.test")]),
    words.DnsShow: ([words.DnsShow(domain="a.test")], [words.DnsShow(domain="b.test"), words.DnsShow(domain="mx.a.test")]),
    words.DkimList: ([words.DkimList(domain="a.test")], [words.DkimList(domain=one) for one in ("", "b.test")]),
    words.QueueList: ([words.QueueList()], [words.QueueList(which=words.Which(recipient="carl@b.test"))]),
    words.QuarantineList: ([words.QuarantineList(account=BEN)], [words.QuarantineList(account=one) for one in (CARL, ROOT, DORA)]),
    words.QuarantineShow: ([words.QuarantineShow(account=BEN, id=WHICH.ids[0])], [words.QuarantineShow(account=one, id=WHICH.ids[0]) for one in (CARL, ROOT)]),
    words.QuarantineRelease: ([words.QuarantineRelease(account=BEN, which=WHICH)], [words.QuarantineRelease(account=one, which=WHICH) for one in (CARL, ROOT)]),
    words.QuarantineDelete: ([words.QuarantineDelete(account=BEN, which=WHICH)], [words.QuarantineDelete(account=one, which=WHICH) for one in (CARL, ROOT)]),
}  # fmt: skip
QUOTED = ('""root""@a.test', '"\\"root\\""@a.test')
"""What is root's after one more round of quotes taken away."""
for _kind, (_, _denied) in SCOPED.items():
    for _field in {"address", "account"} & set(_kind.__struct_fields__) if _denied else ():
        _denied += [msgspec.structs.replace(_denied[0], **{_field: one}) for one in QUOTED]
EVERY: tuple[type[words.Request[Any]], ...] = get_args(words.AnyRequest)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    options: dict[str, Any] = {
        "domains": ("a.test",),
        "delivery": Delivery(relayhost="[127.0.0.1]:1"),
        "web": Web(admins=(ROOT,)),
    }
    listeners = (Listener(protocol="smtp"),)
    async with Hub(config(tmp_path, listener=listeners, **options), clock=VirtualClock(1_800_000_000.0)) as hub:
        await hub.directory.add_domain("b.test")
        for account in (ROOT, ANN, BEN, CARL, DORA):
            await hub.directory.add_account(account, None)
        for domain, account in (("a.test", ANN), ("a.test", DORA), ("b.test", DORA)):
            await hub.directory.add_admin(domain, account)
        await hub.directory.set_alias("team@a.test", [BEN])
        await hub.directory.set_alias("team@b.test", [CARL])
        await hub.control.perform(words.QuotaSet(address="@a.test", storage=1_000))
        yield hub


@pytest.fixture
def delegated(hub: Hub) -> Delegated:
    return Delegated(
        hub.control, hub.directory, hub.router, {ROOT, "boss@a.test", "@a.test"}, {"postmaster@a.test"}, "+"
    )


def made(kind: inspect.Type) -> Any:
    """Some value of the type, as small as it may be."""
    match kind:
        case inspect.StrType():
            return "x" * (kind.min_length or 0)
        case inspect.IntType():
            return kind.ge or 0
        case inspect.FloatType():
            return float(kind.ge or 0)
        case inspect.BoolType():
            return False
        case inspect.BytesType():
            return b""
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.VarTupleType():
            return tuple(made(kind.item_type) for _ in range(kind.min_length or 0))
        case inspect.StructType():
            return kind.cls(**{one.name: made(one.type) for one in kind.fields if one.required})
    raise AssertionError(kind)


async def refused(delegated: Delegated, request: words.Request[Any], domains: frozenset[str] = MINE) -> bool:
    try:
        await delegated.perform(request, domains)
    except ControlError as error:
        return error.kind == "denied"
    return False


def test_each_rule_is_looked_at_here() -> None:
    assert SCOPED.keys() == RULES.keys()
    assert set(ACTIONS) <= set(BY_HTTP), "what no browser may do, no administrator of a domain may"


async def test_what_has_no_rule_is_refused(delegated: Delegated) -> None:
    without = [kind for kind in EVERY if kind not in SCOPED]
    assert {words.Status, words.TokenAdd, words.TraceFind, words.QueueShow, words.SievePut, words.JunkTrain} <= set(
        without
    )
    for kind in without:
        request = made(inspect.type_info(kind))
        assert type(request) is kind
        assert await refused(delegated, request), kind


async def test_what_has_one_is_held_to_the_domains(delegated: Delegated) -> None:
    for kind, (done, denied) in SCOPED.items():
        for request in (*done, *denied):
            for others in (frozenset[str](), frozenset({"c.test"})):
                assert kind in LISTS or await refused(delegated, request, others), request
        for request in denied:
            assert await refused(delegated, request), request
    for done, _ in SCOPED.values():
        for request in done:
            assert not await refused(delegated, request), request


async def test_where_nobody_is_named_postmaster_no_name_of_the_main_domain_is_made(
    hub: Hub, delegated: Delegated
) -> None:
    """It could be the one that gets the mail."""
    await hub.directory.remove_account(ROOT)
    first = words.UserAdd(address="0@a.test", password="p"), words.AliasAdd(address="info@a.test", targets=(BEN,))
    for request in first:
        assert await refused(delegated, request)
    assert not await refused(delegated, words.UserAdd(address="0@b.test", password="p"), frozenset({"b.test"}))
    await hub.directory.set_alias("postmaster@a.test", [DORA])
    for request in first:
        assert not await refused(delegated, request)


async def test_nobody_on_the_way_of_the_servers_mail_is_touched(hub: Hub, delegated: Delegated) -> None:
    reset = words.UserPasswd(address=BEN, password="p")
    assert not await refused(delegated, reset)
    await hub.directory.set_alias("postmaster@a.test", ["Team@a.test", "far@far.test"])
    for request in (reset, words.AliasAdd(address="team@a.test", targets=(ANN,)), words.UserPasswd(address="ben+x@a.test", password="p")):  # fmt: skip
        assert await refused(delegated, request)
    assert not await refused(delegated, words.UserPasswd(address=ANN, password="p"))


async def test_aliases_of_those_who_may_do_more_are_not_listed_and_not_told_apart(
    hub: Hub, delegated: Delegated
) -> None:
    for address in (ROOT, DORA, "@a.test", "postmaster@a.test", "mine@a.test"):
        await hub.directory.set_alias(address, ["far@far.test"])
    assert [one.address for one in await delegated.perform(words.AliasList(), MINE)] == ["mine@a.test", "team@a.test"]
    said = set()
    for address in (ROOT, DORA, "root+x@a.test", "boss@a.test", *QUOTED):
        with pytest.raises(ControlError) as caught:
            await delegated.perform(words.ForwardGet(address=address), MINE)
        said.add(str(caught.value).replace(address, "NAME"))
    assert len(said) == 1


LISTS = {words.UserList, words.AliasList, words.DomainList, words.QueueList}


async def test_lists_have_nothing_of_others(hub: Hub, delegated: Delegated) -> None:
    assert [one.name for one in await delegated.perform(words.DomainList(), MINE)] == ["a.test"]
    users = await delegated.perform(words.UserList(), MINE)
    assert [one.address for one in users] == sorted([ANN, BEN, DORA, ROOT])
    assert [one.address for one in await delegated.perform(words.AliasList(), MINE)] == ["team@a.test"]
    assert await delegated.perform(words.UserList(containing="@b.test"), MINE) == ()
    for kind in LISTS:
        assert await delegated.perform(kind(), frozenset()) == ()


async def test_the_records_of_a_domain_tell_nothing_of_the_server(hub: Hub, delegated: Delegated) -> None:
    asked = words.DnsShow(domain="a.test")
    whole, theirs = await hub.control.perform(asked), await delegated.perform(asked, MINE)
    assert whole.notes
    assert (theirs.records, theirs.notes) == (whole.records, ())
    assert "setup.ports" in whole.zone
    assert "setup.ports" not in theirs.zone


async def test_lists_are_read_over_what_others_have(hub: Hub, delegated: Delegated) -> None:
    for n in range(1_100):
        await hub.store.directory.put_account(AccountRow(f"b{n:04}@b.test", ""))
    first = await delegated.perform(words.UserList(limit=2), MINE)
    assert [one.address for one in first] == [ANN, BEN]
    rest = await delegated.perform(words.UserList(limit=2, after=BEN), MINE)
    assert [one.address for one in rest] == [DORA, ROOT]


async def test_who_has_both_domains_may_do_more(delegated: Delegated) -> None:
    both = frozenset({"a.test", "b.test"})
    assert not await refused(delegated, words.UserPasswd(address=DORA, password="p"), both)
    assert await refused(delegated, words.UserPasswd(address=ROOT, password="p"), both)


async def test_who_comes_back_under_the_name_of_an_administrator_is_none(hub: Hub) -> None:
    await hub.directory.remove_account(DORA)
    await hub.directory.add_account(DORA, None)
    assert await hub.directory.administered(DORA) == ()
    await hub.directory.add_domain("c.test")
    await hub.directory.add_admin("c.test", ANN)
    await hub.directory.remove_domain("c.test")
    await hub.directory.add_domain("c.test")
    assert await hub.directory.administered(ANN) == ("a.test",)


async def test_a_domain_goes_not_before_its_tokens(hub: Hub) -> None:
    await hub.directory.add_domain("c.test")
    await hub.control.perform(words.TokenAdd(name="script", scopes=("user:write@C.test",)))
    with pytest.raises(ControlError, match="'script'"):
        await hub.control.perform(words.DomainRemove(name="c.test"))
    await hub.control.perform(words.TokenRemove(name="script"))
    await hub.control.perform(words.DomainRemove(name="c.test"))


async def put(hub: Hub, sender: str, *recipients: str) -> str:
    """A message that waits. Its id."""
    number, letter = hub.spool.new_id(), b"Subject: hello\r\n\r\ntext\r\n"
    envelope = Envelope(sender, tuple(map(Recipient, recipients)))
    await hub.spool.put(number, envelope, Body(len(letter), letter), b"", Origin(), held=True)
    return ids.text(number)


async def test_a_senders_administrator_does_not_learn_where_it_goes_beyond(hub: Hub, delegated: Delegated) -> None:
    """What an alias of another domain leads to, or what a host says about it, is not his."""
    sent = await put(hub, BEN, "eve@far.test", ANN, "|/usr/bin/filter ben@a.test")
    await put(hub, CARL, "zoe@far.test")
    await put(hub, "", CARL)
    (mine,) = await delegated.perform(words.QueueList(), MINE)
    assert (mine.id, mine.sender) == (sent, BEN)
    assert [to.address for to in mine.recipients] == ["@far.test", ANN]
    for which in (words.Which(sender=CARL), words.Which(recipient="@b.test"), words.Which(sender="@b.test")):
        assert await delegated.perform(words.QueueList(which=which), MINE) == ()
    for which in (words.Which(sender=BEN), words.Which(recipient="@far.test"), words.Which(ids=(sent,))):
        assert await delegated.perform(words.QueueList(which=which), MINE) == (mine,)
    assert await refused(delegated, words.QueueList(which=words.Which(recipient="eve@far.test")))


async def test_a_recipients_administrator_does_not_learn_of_the_others(hub: Hub, delegated: Delegated) -> None:
    await put(hub, "eve@far.test", BEN, CARL, "zoe@far.test")
    (mine,) = await delegated.perform(words.QueueList(), MINE)
    assert [to.address for to in mine.recipients] == [BEN]
    (theirs,) = await delegated.perform(words.QueueList(), frozenset({"b.test"}))
    assert [to.address for to in theirs.recipients] == [CARL]


async def test_of_what_was_said_of_others_the_codes_are_told(hub: Hub, delegated: Delegated) -> None:
    await send(hub, BEN, "eve@far.test")
    await hub.queue.idle()
    (whole,) = await hub.control.perform(words.QueueList())
    (mine,) = await delegated.perform(words.QueueList(), MINE)
    assert whole.recipients[0].last.startswith(mine.recipients[0].last)
    assert re.fullmatch(r"4\d\d 4\.\d\.\d", mine.recipients[0].last)


async def test_pages_of_the_queue_follow_each_other(hub: Hub, delegated: Delegated) -> None:
    sent = [await put(hub, *(pair if n % 2 else pair[::-1])) for n, pair in enumerate([(BEN, "eve@far.test")] * 7)]
    await put(hub, CARL, "eve@far.test")
    found: list[str] = []
    while page := await delegated.perform(words.QueueList(limit=3, after=found[-1] if found else ""), MINE):
        found += [one.id for one in page]
    assert found == sent


async def test_who_may_do_less_is_told_of_a_whole_domain_all_the_same(delegated: Delegated) -> None:
    quota = await delegated.perform(words.QuotaGet(address="@a.test"), MINE, frozenset())
    assert quota.storage_limit == 1_000
    with pytest.raises(ControlError):
        await delegated.perform(words.QuotaGet(address=ANN), MINE, frozenset())


async def held(hub: Hub, sender: str, *recipients: str) -> str:
    """A message in quarantine. Its id."""
    number, letter = hub.spool.new_id(), b"Subject: odd\r\n\r\ntext\r\n"
    envelope = Envelope(sender, tuple(map(Recipient, recipients)))
    verdict = Verdict(Action.QUARANTINE, 7.0, ())
    await hub.spool.put(number, envelope, Body(len(letter), letter), b"", Origin(), held=True, verdict=verdict)
    return ids.text(number)


async def test_what_is_held_for_a_domain_and_for_nobody_else(hub: Hub, delegated: Delegated) -> None:
    mine = [await held(hub, "x@far.test", *to) for to in ((BEN,), (BEN, "team@a.test"), (BEN,))]
    others = [await held(hub, "x@far.test", *to) for to in ((CARL,), (BEN, CARL), (ROOT,), (BEN, DORA))]
    await put(hub, "x@far.test", BEN)
    found: list[str] = []
    while page := await delegated.perform(words.QuarantineList(limit=2, after=found[-1] if found else ""), MINE):
        found += [one.message.id for one in page]
    assert found == mine
    assert await delegated.perform(words.QuarantineList(which=words.Which(recipient=CARL)), MINE) == ()
    for one in others:
        with pytest.raises(ControlError):
            await delegated.perform(words.QuarantineShow(id=one), MINE)
    shown = await delegated.perform(words.QuarantineShow(id=mine[0]), MINE)
    assert shown.quarantined.message.id == mine[0]
    both = words.Which(ids=(mine[0], *others))
    assert (await delegated.perform(words.QuarantineDelete(which=both), MINE)).messages == 1
    assert (await delegated.perform(words.QuarantineRelease(which=words.Which()), MINE)).messages == 2
    assert await delegated.perform(words.QuarantineList(), MINE) == ()
    assert [one.message.id for one in await hub.control.perform(words.QuarantineList())] == others


async def test_where_an_alias_of_others_leads_is_not_told(hub: Hub, delegated: Delegated) -> None:
    await hub.directory.set_alias("list@b.test", ["eve@secret.test"])
    await send(hub, BEN, "list@b.test")
    await hub.queue.idle()
    (whole,) = await hub.control.perform(words.QueueList())
    assert [(to.address, to.named) for to in whole.recipients] == [("eve@secret.test", "list@b.test")]
    (mine,) = await delegated.perform(words.QueueList(), MINE)
    assert [(to.address, to.named, to.remote, to.tls) for to in mine.recipients] == [("@b.test", "", "", "")]
