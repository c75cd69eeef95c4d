"""Mail that is passed on, over several whole servers: sealed (ARC), believed by who trusts the sealer; and our own reports, signed."""

from collections.abc import AsyncIterator
from typing import Literal

import aiosmtplib
import dkim as dkimpy
import pytest
from msgspec.structs import replace

from mailhub.config.schema import Arc, Dkim, Dmarc, Filter
from mailhub.control import words
from mailhub.testing import AsyncInternet, AsyncMailHub

TEXT = "From: Ann <ann@a.test>\r\nTo: list@b.test\r\nSubject: passed on\r\n\r\nHello\r\n"


@pytest.fixture
async def net() -> AsyncIterator[AsyncInternet]:
    async with AsyncInternet() as net:
        yield net


async def keys(net: AsyncInternet, hub: AsyncMailHub, domain: str) -> dict[bytes, bytes]:
    """DKIM keys of the domain, published."""
    made = await hub.hub.control.perform(words.DkimCreate(domain=domain))
    for one in made:
        net.dns.zone[one.name, "TXT"] = [f'"{one.record[:200]}" "{one.record[200:]}"']
    return {f"{one.name}.".encode(): one.record.encode() for one in made}


async def post(hub: AsyncMailHub, text: str, sender: str, recipient: str) -> None:
    """As a user of this host."""
    await aiosmtplib.send(
        text, sender=sender, recipients=[recipient], hostname=hub.host, port=hub.port("smtp"), start_tls=False
    )


async def alias(hub: AsyncMailHub, address: str, *targets: str) -> None:
    await hub.hub.directory.set_alias(address, targets)


async def test_two_forwarders_seal_and_the_last_host_believes_whom_it_trusts(net: AsyncInternet) -> None:
    a, b, c = await net.hub("a.test"), await net.hub("b.test"), await net.hub("c.test")
    settings = {"dmarc": Dmarc(reject="reject"), "filter": Filter(junk_score=100.0)}
    d = await net.hub("d.test", arc=Arc(trusted_sealers=("b.test", "C.test")), **settings)
    doubting = await net.hub("e.test", arc=Arc(trusted_sealers=("b.test",)), **settings)
    for hub in (d, doubting):
        await hub.add_account("dan@d.test" if hub is d else "dan@e.test")
    net.dns.zone["a.test", "TXT"] = [f'"v=spf1 ip4:{a.host} -all"']
    net.dns.zone["_dmarc.a.test", "TXT"] = ['"v=DMARC1; p=reject"']
    records = await keys(net, b, "b.test") | await keys(net, c, "c.test")
    await alias(b, "list@b.test", "on@c.test")
    await alias(c, "on@c.test", "dan@d.test", "dan@e.test")
    await post(a, TEXT, "ann@a.test", "list@b.test")
    await net.settled()
    (message,) = await d.inbox("dan@d.test")
    told = message.headers.get("Authentication-Results")
    assert "arc=pass header.d=c.test" in told
    assert "dmarc=fail" in told
    assert message.raw.count(b"ARC-Seal: ") == 2
    raw = message.raw[message.raw.index(b"ARC-Seal: ") :]
    status, sets, reason = dkimpy.arc_verify(raw, dnsfunc=lambda name, timeout=5: records.get(name))
    assert (status, [one["as-valid"] for one in sets]) == (b"pass", [True, True]), reason
    assert "b.test, who is trusted" in message.headers.get("X-Mailhub-Verdict")
    assert not list(await doubting.inbox("dan@e.test")), "c.test is nobody to it, and what b.test said came by c.test"


async def test_a_message_that_was_changed_on_its_way_breaks_the_chain_and_is_sealed_as_broken(
    net: AsyncInternet,
) -> None:
    a, b, c = await net.hub("a.test"), await net.hub("b.test"), await net.hub("c.test")
    await c.add_account("carl@c.test")
    await keys(net, b, "b.test")
    sealed = (
        b"ARC-Seal: a=rsa-sha256; b=AAAA; cv=none; d=z.test; i=1; s=x; t=1\r\nARC-Message-Signature: a=rsa-sha256; b=AAAA; "
        b"bh=AAAA; c=relaxed/relaxed; d=z.test; h=from; i=1; s=x; t=1\r\nARC-Authentication-Results: i=1; z.test; dmarc=pass\r\n"
    )
    await alias(b, "list@b.test", "carl@c.test")
    await post(a, sealed.decode() + TEXT, "ann@a.test", "list@b.test")
    await net.settled()
    (message,) = await c.inbox("carl@c.test")
    assert b"cv=fail; d=b.test; i=2" in b" ".join(message.raw.split())
    assert "arc=fail" in message.headers.get("Authentication-Results")


async def test_no_seal_without_a_key_or_where_it_is_off_and_none_on_mail_of_ours(net: AsyncInternet) -> None:
    a, c = await net.hub("a.test"), await net.hub("c.test")
    keyless, off = await net.hub("b.test"), await net.hub("o.test", arc=Arc(seal=False))
    await keys(net, off, "o.test")
    await keys(net, a, "a.test")
    await c.add_account("carl@c.test")
    await alias(keyless, "list@b.test", "carl@c.test")
    await alias(off, "list@o.test", "carl@c.test")
    await alias(a, "own@a.test", "carl@c.test")
    await post(a, TEXT, "ann@a.test", "list@b.test")
    await post(a, TEXT, "ann@a.test", "list@o.test")
    await a.add_account("ann@a.test")
    where = {"hostname": a.host, "port": a.port("submission"), "username": "ann@a.test", "password": "password"}
    await aiosmtplib.send(TEXT, sender="ann@a.test", recipients=["own@a.test"], tls_context=a.client_tls(), **where)  # type: ignore[arg-type]
    await net.settled()
    found = await c.inbox("carl@c.test")
    assert len(found) == 3
    assert not any(b"ARC-" in message.raw for message in found)


async def test_reports_and_answers_of_ours_are_signed(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await b.add_account("bob@b.test")
    await a.add_account("ann@a.test")
    await keys(net, a, "a.test")
    script = 'require "vacation"; vacation "I am away";'
    await a.hub.control.perform(words.SievePut(account="ann@a.test", name="away", text=script))
    await a.hub.control.perform(words.SieveActivate(account="ann@a.test", name="away"))
    await alias(a, "broken@a.test", "nobody@a.test")
    letter = TEXT.replace("ann@a.test", "bob@b.test").replace("list@b.test", "ann@a.test")
    await post(b, letter, "bob@b.test", "broken@a.test")
    await post(b, letter, "bob@b.test", "ann@a.test")
    await net.settled()
    report, answer = sorted(await b.inbox("bob@b.test"), key=lambda message: message.subject, reverse=True)
    assert "ndeliver" in report.subject
    assert "away" in answer.text
    for message in (report, answer):
        assert "dkim=pass" in message.headers.get("Authentication-Results"), message.subject


async def test_a_stranger_gets_no_signature_of_ours_by_a_script_that_changes_his_mail(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await b.add_account("bob@b.test")
    await a.add_account("ann@a.test")
    await keys(net, a, "a.test")
    script = 'require "editheader"; addheader "X-Seen" "yes"; redirect "bob@b.test";'
    await a.hub.control.perform(words.SievePut(account="ann@a.test", name="on", text=script))
    await a.hub.control.perform(words.SieveActivate(account="ann@a.test", name="on"))
    forged = TEXT.replace("Ann <ann@a.test>", "Boss <boss@a.test>")
    await post(b, forged, "bob@b.test", "ann@a.test")
    await net.settled()
    (message,) = await b.inbox("bob@b.test")
    assert b"X-Seen: yes" in message.raw
    assert b"DKIM-Signature" not in message.raw


async def lead_on(hub: AsyncMailHub, way: str, account: str, target: str) -> None:
    """Mail for the account goes on to another host."""
    if way == "alias":
        await alias(hub, account, target)
        return
    await hub.add_account(account)
    if way == "forward":
        await hub.hub.control.perform(words.ForwardSet(address=account, targets=(target,)))
        return
    script = f'redirect "{target}";'
    await hub.hub.control.perform(words.SievePut(account=account, name="on", text=script))
    await hub.hub.control.perform(words.SieveActivate(account=account, name="on"))


@pytest.mark.parametrize("way", ["alias", "forward", "redirect"])
async def test_each_way_out_is_sealed_and_where_that_is_wanted_signed(net: AsyncInternet, way: str) -> None:
    a, c = await net.hub("a.test"), await net.hub("c.test")
    b = await net.hub("b.test", dkim=Dkim(sign_forwarded=True))
    await c.add_account("carl@c.test")
    records = await keys(net, b, "b.test")
    await lead_on(b, way, "on@b.test", "carl@c.test")
    await post(a, TEXT.replace("ann@a.test", "ann@a.example"), "ann@a.example", "on@b.test")
    await net.settled()
    (message,) = await c.inbox("carl@c.test")
    told = message.headers.get("Authentication-Results")
    assert "arc=pass header.d=b.test" in told
    assert told.count("dkim=pass header.d=b.test") == 2
    raw = message.raw[message.raw.index(b"ARC-Seal: ") :]
    assert dkimpy.arc_verify(raw, dnsfunc=lambda name, timeout=5: records.get(name))[0] == b"pass"


@pytest.mark.parametrize(
    "author",
    ["Boss <boss@B.test>", "boss@pay.b.test", "boss@test", '"boss@b.test" <x@a.example>', "x@a.example, boss@b.test", "Boss", "x@a.example\r\nFrom: boss@b.test"],
)  # fmt: skip
async def test_a_forged_author_of_the_forwarding_domain_is_not_signed_for(net: AsyncInternet, author: str) -> None:
    a, c = await net.hub("a.test"), await net.hub("c.test")
    b = await net.hub("b.test", dkim=Dkim(sign_forwarded=True))
    await c.add_account("carl@c.test")
    await keys(net, b, "b.test")
    await alias(b, "on@b.test", "carl@c.test")
    await post(a, TEXT.replace("Ann <ann@a.test>", author), "x@a.example", "on@b.test")
    await net.settled()
    (message,) = await c.inbox("carl@c.test")
    assert b"ARC-Seal: " in message.raw
    assert b"DKIM-Signature" not in message.raw


@pytest.mark.parametrize("failure", ["unsigned", "tempfail"])
async def test_a_key_that_is_broken_loses_no_mail(net: AsyncInternet, failure: Literal["unsigned", "tempfail"]) -> None:
    a, b = await net.hub("a.test", dkim=Dkim(signing_failure=failure)), await net.hub("b.test")
    await b.add_account("bob@b.test")
    await a.add_account("ann@a.test")
    await keys(net, a, "a.test")
    where = {"hostname": a.host, "port": a.port("submission"), "username": "ann@a.test", "password": "password"}

    async def submit() -> None:
        await aiosmtplib.send(TEXT, sender="ann@a.test", recipients=["bob@b.test"], tls_context=a.client_tls(), **where)  # type: ignore[arg-type]

    await submit()
    store = a.hub.store.dkim
    whole = await store.of("a.test")
    await store.put([replace(key, pem=b"no key") for key in whole])
    await alias(a, "broken@a.test", "nobody@a.test")
    await post(b, TEXT.replace("ann@a.test", "bob@b.test"), "bob@b.test", "broken@a.test")  # a report of ours
    if failure == "tempfail":
        with pytest.raises(aiosmtplib.SMTPDataError, match="can not be signed now") as refused:
            await submit()
        assert refused.value.code == 451
    else:
        await submit()
    await net.settled()
    found = await b.inbox("bob@b.test")
    assert sorted(b"DKIM-Signature: " in message.raw for message in found) == (
        [True] if failure == "tempfail" else [False, False, True]
    )
    await store.put(whole)
    await net.clock.advance(hours=2)
    await net.settled()
    reports = [message for message in await b.inbox("bob@b.test") if "ndeliver" in message.subject]
    assert [b"DKIM-Signature: " in message.raw for message in reports] == [failure == "tempfail"]
