"""Two hubs in one loop, each with a domain of its own, joined by a DNS server that aiodns really asks.

Each hub listens on its own loopback address and on the same port, as mail hosts on port 25 do.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.dns import DnsServer
from support.server import free_port

from mailhub.config.schema import Config, Greylist, History, Listener, Queue, Relay, Resolver, Smtp
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock

A, B1, B2 = "127.0.0.11", "127.0.0.12", "127.0.0.13"


class World:
    """a.test on A; b.test by preference on B1 and B2."""

    def __init__(self, folder: Path, dns: DnsServer, clock: VirtualClock) -> None:
        self.folder, self.dns, self.clock = folder, dns, clock
        self.port = free_port()
        dns.zone["a.test", "MX"] = ["10 mx.a.test."]
        dns.zone["mx.a.test", "A"] = [A]
        dns.zone["b.test", "MX"] = ["10 mx1.b.test.", "20 mx2.b.test."]
        dns.zone["mx1.b.test", "A"] = [B1]
        dns.zone["mx2.b.test", "A"] = [B2]

    @asynccontextmanager
    async def hub(self, name: str, domain: str, address: str) -> AsyncIterator[Hub]:
        config = Config(
            history=History(enabled=False),
            hostname=name,
            domains=(domain,),
            data=str(self.folder / name),
            listener=(Listener(protocol="smtp", address=address, port=self.port),),
            smtp=Smtp(mynetworks=(f"{A}/32", "127.0.0.1/32"), greet_pause=0.0),
            relay=Relay(port=self.port, ipv6=False, source_ipv4=address),
            resolver=Resolver(nameservers=(self.dns.address,)),
            queue=Queue(jitter=0.0),
            greylist=Greylist(enabled=False),
        )
        async with Hub(config, clock=self.clock) as hub:
            await hub.directory.add_account(f"user@{domain}", "not used")
            yield hub


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with DnsServer() as dns:
        yield World(tmp_path, dns, VirtualClock())


async def inbox(hub: Hub, account: str) -> list[bytes]:
    mail = hub.mailboxes.account(account)
    view = await mail.open_view(await mail.find("INBOX"), read_only=True)
    out = []
    for uid in view.uids:
        async with await view.open(uid) as file:
            out.append(await file.read(0, file.size))
    view.close()
    return out


async def post(world: World, hub: Hub, sender: str, recipient: str, text: bytes) -> None:
    """By SMTP to the hub's own door, from one of its own networks."""
    import asyncio
    import smtplib

    def deliver() -> None:
        address = hub.config.listener[0].address
        with smtplib.SMTP(address, world.port) as client:
            client.sendmail(sender, [recipient], text)

    await asyncio.to_thread(deliver)


async def test_a_letter_and_its_answer(world: World) -> None:
    async with world.hub("mx.a.test", "a.test", A) as a, world.hub("mx1.b.test", "b.test", B1) as b:
        await post(world, a, "user@a.test", "user@b.test", b"Subject: hello\r\n\r\n.dots\r\n..too\r\n")
        await a.queue.idle()
        await b.queue.idle()
        (letter,) = await inbox(b, "user@b.test")
        assert letter.endswith(b"Subject: hello\r\n\r\n.dots\r\n..too\r\n")
        assert letter.count(b"Received: from ") == 2
        assert b"using TLS" in letter, "opportunistic STARTTLS"
        await post(world, b, "user@b.test", "user@a.test", b"Subject: Re: hello\r\n\r\nyes\r\n")
        await b.queue.idle()
        await a.queue.idle()
        (answer,) = await inbox(a, "user@a.test")
        assert b"Subject: Re: hello" in answer
        assert world.dns.asked["b.test", "MX"] == 1


async def test_the_primary_is_down_and_the_second_takes_it(world: World) -> None:
    async with world.hub("mx.a.test", "a.test", A) as a, world.hub("mx2.b.test", "b.test", B2) as second:
        await post(world, a, "user@a.test", "user@b.test", b"Subject: x\r\n\r\n")
        await a.queue.idle()
        await second.queue.idle()
        assert len(await inbox(second, "user@b.test")) == 1


async def test_both_are_down_until_the_clock_has_moved_on(world: World) -> None:
    async with world.hub("mx.a.test", "a.test", A) as a:
        await post(world, a, "user@a.test", "user@b.test", b"Subject: x\r\n\r\n")
        await a.queue.idle()
        (row,) = (await a.store.queue.counts()).rows
        assert (row[0], row[1].name) == ("b.test", "DEFERRED")
        async with world.hub("mx1.b.test", "b.test", B1) as b:
            await world.clock.advance(301)
            await b.queue.idle()
            assert len(await inbox(b, "user@b.test")) == 1
        assert (await a.store.queue.counts()).items == 0


async def test_both_stay_down_and_the_sender_is_told(world: World) -> None:
    async with world.hub("mx.a.test", "a.test", A) as a:
        await post(world, a, "user@a.test", "user@b.test", b"Subject: lost\r\n\r\nsecret\r\n")
        await world.clock.advance(5 * 86_400 + 4_200)
        warning, bounce = await inbox(a, "user@a.test")
        assert b"Action: delayed" in warning
        assert b"Return-Path: <>\r\n" in bounce
        assert b"Action: failed" in bounce
        assert b"Final-Recipient: rfc822; user@b.test" in bounce
        assert b"Subject: lost" in bounce
        assert (await a.store.queue.counts()).items == 0


async def test_a_null_mx_and_a_missing_domain_bounce_at_once(world: World) -> None:
    world.dns.zone["null.test", "MX"] = ["0 ."]
    async with world.hub("mx.a.test", "a.test", A) as a:
        for domain in ("null.test", "nowhere.test"):
            await post(world, a, "user@a.test", f"x@{domain}", b"Subject: x\r\n\r\n")
        await a.queue.idle()
        bounces = b"".join(await inbox(a, "user@a.test"))
        assert b"Status: 5.1.10" in bounces
        assert b"Status: 5.1.2" in bounces


async def test_dns_trouble_is_only_trouble(world: World) -> None:
    import dns.rcode

    world.dns.broken["b.test"] = dns.rcode.SERVFAIL
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(world.hub("mx.a.test", "a.test", A))
        b = await stack.enter_async_context(world.hub("mx1.b.test", "b.test", B1))
        await post(world, a, "user@a.test", "user@b.test", b"Subject: x\r\n\r\n")
        await a.queue.idle()
        assert await inbox(b, "user@b.test") == []
        del world.dns.broken["b.test"]
        await world.clock.advance(301)
        await b.queue.idle()
        assert len(await inbox(b, "user@b.test")) == 1


async def test_addresses_that_lead_to_one_another_come_to_an_end(world: World) -> None:
    """Each host expands its alias and relays to the other: the Received fields are counted (RFC 5321 section 6.3)."""
    async with world.hub("mx.a.test", "a.test", A) as a, world.hub("mx1.b.test", "b.test", B1) as b:
        await a.directory.set_alias("round@a.test", ["round@b.test"])
        await b.directory.set_alias("round@b.test", ["round@a.test"])
        await post(world, a, "user@a.test", "round@a.test", b"Subject: round\r\n\r\n")
        while (await a.store.queue.counts()).items or (await b.store.queue.counts()).items:
            await a.queue.idle()
            await b.queue.idle()
        (bounce,) = await inbox(a, "user@a.test")
        assert b"Status: 5.4.6" in bounce
        assert b"Too many hops" in bounce
        assert b"Subject: round" in bounce


async def test_a_backup_never_gives_mail_to_itself(world: World) -> None:
    """a.test's host is the second MX of c.test, by a name that it does not know for its own."""
    world.dns.zone["c.test", "MX"] = ["10 mx1.c.test.", "20 other.c.test."]
    world.dns.zone["mx1.c.test", "A"] = [B1]
    world.dns.zone["other.c.test", "A"] = [A]
    async with world.hub("mx.a.test", "a.test", A) as a:
        await post(world, a, "user@a.test", "user@c.test", b"Subject: x\r\n\r\n")
        await a.queue.idle()
        (row,) = (await a.store.queue.counts()).rows
        assert (row[0], row[1].name) == ("c.test", "DEFERRED")
        async with world.hub("mx1.c.test", "c.test", B1) as c:
            await world.clock.advance(301)
            await c.queue.idle()
            (letter,) = await inbox(c, "user@c.test")
            assert letter.count(b"Received: from ") == 2
