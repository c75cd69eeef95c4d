"""Mail that an alias sends elsewhere, under an address of ours, and its bounces."""

from pathlib import Path

import pytest
from support.hubs import messages, running, send
from support.queue_world import NEVER, World, world
from support.smtp_peer import Server

from mailhub.config import lookup, schema
from mailhub.delivery.forwarding import Forwarding
from mailhub.delivery.router import Known, Router
from mailhub.delivery.routes import Expand, Local, Refuse, Relay
from mailhub.delivery.transport import Job, Result
from mailhub.model.errors import Permanent
from mailhub.tables import Tables

KEY = b"k" * 32
ON = schema.Delivery(srs=True)


def forwarding(w: World) -> Router:
    """The world's router, with SRS."""
    made = Forwarding(KEY, "mailhub.test", w.clock)
    return Router(w.directory, ON, "mailhub.test", Tables(w.clock), made)


async def sender_of(router: Router, sender: str, path: tuple[str, ...] = ("list@mailhub.test",)) -> str | None:
    route = await router.route("x@far.test", path, sender)
    assert isinstance(route, Relay)
    return route.sender


async def test_only_what_is_from_elsewhere_and_goes_elsewhere(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        router = forwarding(w)
        made = await sender_of(router, "s@there.test")
        assert made is not None
        assert made.startswith("SRS0=")
        assert made.endswith("=there.test=s@mailhub.test")
        assert await sender_of(router, "s@there.test", path=()) is None, "not sent on, but sent"
        assert await sender_of(router, "alice@mailhub.test") is None
        assert await sender_of(router, "") is None
        assert await sender_of(router, made) is None, "ours already"
        assert await router.route("alice@mailhub.test", ("list@mailhub.test",), "s@there.test") == Local(
            "alice@mailhub.test"
        )
        router.configure(schema.Delivery())
        assert await sender_of(router, "s@there.test") is None


async def test_a_bounce_finds_the_sender_and_nothing_else_does(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        router = forwarding(w)
        made = await sender_of(router, "s@there.test")
        assert made is not None
        assert await router.route(made) == Expand(("s@there.test",))
        assert await router.peek(made) is Known.LOCAL
        forged = made.replace("=s@", "=victim@")
        route = await router.route(forged)
        assert isinstance(route, Refuse)
        assert route.reply.permanent
        with pytest.raises(Permanent) as refused:
            await router.peek(forged)
        assert str(refused.value.reply) == "550 5.7.1 Not an address of ours: wrong hash"
        await w.clock.advance(23 * 86_400)
        assert isinstance(await router.route(made), Refuse)


async def test_the_queue_sends_each_under_its_sender_and_bounces_to_the_original(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        seen: list[tuple[str, list[str]]] = []

        class Spy:
            name = "relay"

            async def deliver(self, job: Job) -> list[Result]:
                seen.append((job.sender.partition("=")[0], sorted(recipient.address for recipient in job.recipients)))
                return await w.hosts.deliver(job)

        w.transports["relay"] = Spy()  # type: ignore[assignment]
        w.router = forwarding(w)
        await w.restart(w.queue)
        await w.directory.set_alias("list@mailhub.test", ["one@far.test", "two@far.test", "alice@mailhub.test"])
        w.hosts.says["one@far.test"] = NEVER
        await w.put("list@mailhub.test", "three@far.test", sender="s@there.test")
        await w.manager.idle()
        assert sorted(seen)[:2] == [("", ["s@there.test"]), ("SRS0", ["one@far.test", "two@far.test"])]
        assert ("s@there.test", ["three@far.test"]) in seen
        (bounce,) = [text for address, text in w.hosts.taken if address == "s@there.test"]
        assert b"list@mailhub.test" in bounce
        assert b"SRS0" not in bounce


async def test_a_bounce_comes_back_through_two_hubs(tmp_path: Path) -> None:
    """What the second was given as reverse-path leads back to the sender, by way of the first."""
    async with Server() as sender_side:
        there = f"[127.0.0.1]:{sender_side.listener.port}"
        async with running(tmp_path / "b", "dan@b.test", hostname="mx.b.test", domains=("b.test",)) as second:
            table = {"b.test": f"smtp:[127.0.0.1]:{second.port('smtp')}", "mailhub.test": f"smtp:{there}"}
            delivery = schema.Delivery(srs=True, transport=lookup.read(table))
            async with running(tmp_path / "a", hostname="mx.a.test", domains=("a.test",), delivery=delivery) as first:
                await first.directory.set_alias("list@a.test", ["dan@b.test"])
                await send(first, "alice@mailhub.test", "list@a.test")
                await first.queue.idle()
                (text,) = await messages(second, "dan@b.test")
                path = text.partition(b"\r\n")[0].decode()
                assert path.startswith("Return-Path: <SRS0=")
                assert path.endswith("=mailhub.test=alice@a.test>")
                made = path.partition("<")[2][:-1]
                await send(first, "", made, b"Subject: bounce\r\n\r\nback\r\n")
                await first.queue.idle()
        (put,) = sender_side.spool.messages
        assert put.envelope.sender == ""
        assert [recipient.address for recipient in put.envelope.recipients] == ["alice@mailhub.test"]


async def test_what_a_script_sends_on_leaves_under_an_address_of_ours(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.router = forwarding(w)
        await w.restart(w.queue)
        senders = []
        relay = w.hosts.deliver

        async def deliver(job: Job) -> list[Result]:
            senders.append(job.sender)
            return await relay(job)

        w.hosts.deliver = deliver  # type: ignore[method-assign]
        await w.script('redirect "x@far.test";')
        await w.put("alice@mailhub.test", sender="s@elsewhere.test")
        await w.manager.idle()
        (sender,) = senders
        assert sender.startswith("SRS0=")
        assert sender.endswith("=elsewhere.test=s@mailhub.test")
