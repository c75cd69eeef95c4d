"""Stories that take days, told in milliseconds."""

from collections.abc import AsyncIterator

import aiosmtplib
import dns.rcode
import pytest

from mailhub.config.schema import Greylist
from mailhub.testing import AsyncInternet, AsyncMailHub


@pytest.fixture
async def net() -> AsyncIterator[AsyncInternet]:
    async with AsyncInternet() as net:
        yield net


async def post(hub: AsyncMailHub, sender: str, to: str, subject: str = "hello") -> None:
    text = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhello\r\n"
    where = {"hostname": hub.host, "port": hub.port("smtp"), "start_tls": False}
    await aiosmtplib.send(text, sender=sender, recipients=[to], **where)  # type: ignore[arg-type]


async def test_a_letter_and_its_answer(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await a.add_account("ann@a.test")
    await b.add_account("bob@b.test")
    await post(a, "ann@a.test", "bob@b.test", "how are you?")
    letter = await b.expect(to="bob@b.test")
    await post(b, "bob@b.test", letter.sender, "fine")
    assert (await a.expect(to="ann@a.test")).subject == "fine"
    assert "using TLS" in letter.headers["Received"]


async def test_five_days_of_retries_then_a_bounce(net: AsyncInternet) -> None:
    a = await net.hub("a.test")
    away = await net.remote("b.test", script={"RCPT": ["451 4.7.1 Come back later"]})
    await a.add_account("ann@a.test")
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert "Come back later" in (await a.waiting())[0].reason
    await net.clock.advance(hours=5)
    assert "delayed" in (await a.expect(to="ann@a.test", text="4.7.1")).subject.lower()
    await net.clock.advance(days=5)
    bounce = await a.expect(to="ann@a.test", text="Come back later")
    assert bounce.sender == ""
    assert await a.waiting() == []
    assert away.taken == []


async def test_greylisted_once_then_taken(net: AsyncInternet) -> None:
    a = await net.hub("a.test")
    grey = await net.remote("b.test", script={"RCPT": ["450 4.7.1 Greylisted", "250 2.1.5 Ok"]})
    await a.add_account("ann@a.test")
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert grey.taken == []
    await net.clock.advance(minutes=6)
    assert [message.recipients for message in grey.taken] == [("bob@b.test",)]


async def test_the_second_mx_takes_it_where_the_first_is_down(net: AsyncInternet) -> None:
    a, first, second = (
        await net.hub("a.test"),
        await net.remote("b.test"),
        await net.remote("b.test", name="mx2.b.test"),
    )
    first.script("CONNECT", "421 4.3.2 Down for today")
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert (len(first.taken), len(second.taken)) == (0, 1)


async def test_a_host_that_hangs_up_at_the_final_dot_is_tried_again(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.remote("b.test", script={"MESSAGE": ["cut", "250 2.0.0 Ok"]})
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert len(await a.waiting()) == 1
    await net.clock.advance(minutes=10)
    assert len(b.taken) == 1


async def test_a_name_server_that_fails_delays_and_loses_nothing(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.remote("b.test")
    net.dns.broken["b.test"] = dns.rcode.SERVFAIL
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert len(await a.waiting()) == 1
    del net.dns.broken["b.test"]
    await net.clock.advance(hours=1)
    assert len(b.taken) == 1


async def test_settled_means_all_of_them(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await b.add_account("bob@b.test")
    await b.add_alias("team@b.test", "bob@b.test", "ann@a.test")
    await a.add_account("ann@a.test")
    await post(a, "ann@a.test", "team@b.test")
    await net.settled()
    assert len(await a.inbox("ann@a.test")) == len(await b.inbox("bob@b.test")) == 1


async def test_a_policy_of_tls_holds_until_it_expires(net: AsyncInternet) -> None:
    """MTA-STS: b.test says that its hosts speak TLS; one comes that does not."""
    a, b = await net.hub("a.test"), await net.remote("b.test")
    net.publish_mta_sts("b.test", max_age=86_400)
    await post(a, "ann@a.test", "bob@b.test")
    await a.settled()
    assert "TLS is required" in (await a.waiting())[0].reason
    net.withdraw_mta_sts("b.test")
    await net.clock.advance(hours=20)
    assert b.taken == []
    await net.clock.advance(hours=8)
    assert len(b.taken) == 1


async def test_hosts_that_keep_the_policy_get_the_mail(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await b.add_account("bob@b.test")
    net.publish_mta_sts("b.test")
    await post(a, "ann@a.test", "bob@b.test")
    await net.settled()
    assert len(await b.inbox("bob@b.test")) == 1


async def test_latency_delays_and_changes_nothing() -> None:
    async with AsyncInternet(latency=0.01) as net:
        a, b = await net.hub("a.test"), await net.hub("b.test")
        await b.add_account("bob@b.test")
        await post(a, "ann@a.test", "bob@b.test")
        assert (await b.expect(to="bob@b.test")).subject == "hello"


async def test_a_stranger_waits_at_our_greylist_and_a_friend_does_not(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test", greylist=Greylist())
    await b.add_account("bob@b.test")
    await post(a, "ann@a.test", "bob@b.test", "first")
    await net.settled()
    assert "Greylisted" in (await a.waiting())[0].reason
    await net.clock.advance(minutes=6)
    assert (await b.inbox("bob@b.test")).subjects == ("first",)
    await post(a, "ann@a.test", "bob@b.test", "second")
    await net.settled()
    assert (await b.inbox("bob@b.test")).subjects == ("first", "second")
