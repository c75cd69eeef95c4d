"""`mailhub trace`: one message, every stage, found by queue id, Message-ID and address; bounded; silent where told to be."""

import imaplib
import poplib
import smtplib
from asyncio import to_thread
from pathlib import Path

import pytest
from support.hubs import PASSWORD, messages, running, send, trusting

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery
from mailhub.config.schema import Trace as TraceConfig
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.trace import Event, TraceQuery
from mailhub.store.sqlite.traces import SqliteTraces
from mailhub.trace import Trace

ANN = "ann@mailhub.test"
TEXT = b"Subject: to be followed\r\nMessage-ID: <one@far.test>\r\n\r\ntext\r\n"
FOREVER = 1e12
DOMAINS = {"domains": ("mailhub.test",)}


async def traced(hub: Hub, what: str) -> list[words.TracedMessage]:
    return list((await hub.control.perform(words.TraceFind(what=what))).messages)


def stages(message: words.TracedMessage) -> list[str]:
    return [step.stage for step in message.steps]


def read_by_imap(hub: Hub) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", hub.port("imaps"), ssl_context=trusting()) as client:
        client.login(ANN, PASSWORD)
        client.select("INBOX", readonly=True)
        client.fetch("1", "(BODY.PEEK[])")
        client.fetch("1", "(BODY.PEEK[])")


def read_by_pop3(hub: Hub) -> None:
    client = poplib.POP3_SSL("127.0.0.1", hub.port("pop3s"), context=trusting())
    client.user(ANN)
    client.pass_(PASSWORD)
    client.retr(1)
    client.quit()


async def test_from_the_session_to_the_client_that_read_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, **DOMAINS) as hub:
        await send(hub, "bob@far.test", ANN, TEXT)
        await messages(hub, ANN)
        await to_thread(read_by_imap, hub)
        (message,) = await traced(hub, "<one@far.test>")
        assert stages(message) == ["accepted", "attempted", "fetched"]
        accepted, attempted, fetched = (step.text for step in message.steps)
        assert "from=<bob@far.test>" in accepted
        assert "[127.0.0.1]" in accepted
        assert "status=sent" in attempted
        assert "filed for ann@mailhub.test in INBOX as " in attempted
        assert fetched == "by <ann@mailhub.test> with imap from [127.0.0.1]"
        assert await traced(hub, message.id) == await traced(hub, "one@far.test") == [message]
        assert [found.id for found in await traced(hub, ANN.upper())] == [message.id]


async def test_pop3_readers_are_seen_too(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, **DOMAINS) as hub:
        await send(hub, "bob@far.test", ANN, TEXT)
        await messages(hub, ANN)
        await to_thread(read_by_pop3, hub)
        (message,) = await traced(hub, ANN)
        assert message.steps[-1].text == "by <ann@mailhub.test> with pop3 from [127.0.0.1]"


async def test_an_alias_and_what_was_refused(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, **DOMAINS) as hub:
        await hub.directory.set_alias("sales@mailhub.test", [ANN])
        await send(hub, "bob@far.test", "sales@mailhub.test", TEXT)
        await messages(hub, ANN)
        (message,) = await traced(hub, "sales@mailhub.test")
        assert stages(message) == ["accepted", "expanded", "attempted"]
        assert message.steps[1].text == "<sales@mailhub.test> became <ann@mailhub.test>"
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send(hub, "bob@far.test", "nobody@mailhub.test", TEXT)
        (refused,) = await traced(hub, "nobody@mailhub.test")
        assert (refused.id, stages(refused)) == ("", ["refused"])
        assert "550 5.1.1" in refused.steps[0].text


async def test_a_report_is_found_from_its_message_and_the_other_way_round(tmp_path: Path) -> None:
    nowhere = Delivery(transport=Lookup(((("far.test", "error:5.1.1 not there"),),)))
    async with running(tmp_path, ANN, **DOMAINS, delivery=nowhere) as hub:
        await hub.directory.set_alias("far@mailhub.test", ["x@far.test"])
        await send(hub, ANN, "far@mailhub.test", TEXT)
        assert len(await messages(hub, ANN)) == 1
        (message,) = await traced(hub, "x@far.test")
        assert stages(message) == ["accepted", "expanded", "attempted", "reported"]
        report = message.steps[-1].text.split()[1]
        (found,) = await traced(hub, report)
        assert found.steps[0].text == f"report about {message.id}, to=<{ANN}>"
        assert stages(found) == ["accepted", "attempted"]


async def test_without_addresses(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, **DOMAINS, trace=TraceConfig(addresses=False)) as hub:
        await send(hub, "bob@far.test", ANN, TEXT)
        await messages(hub, ANN)
        assert await traced(hub, ANN) == []
        (message,) = await traced(hub, "<one@far.test>")
        text = " ".join(step.text for step in message.steps)
        assert "ann@" not in text
        assert "bob@" not in text
        assert "*@far.test" in text


async def test_switched_off_nothing_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, **DOMAINS, trace=TraceConfig(enabled=False)) as hub:
        await send(hub, "bob@far.test", ANN, TEXT)
        await messages(hub, ANN)
    assert not (tmp_path / "trace.db").exists()


def event(number: int, at: float, address: str = "") -> Event:
    return Event(at, number, "attempted" if number else "refused", "text", address)


async def kept(store: SqliteTraces, *numbers: int) -> list[int]:
    return [found.message for found in await store.find(TraceQuery(messages=numbers))]


async def test_old_steps_go_and_so_do_too_many(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SqliteTraces(str(tmp_path / "trace.db"), clock)
    store.start()
    now = clock.now()
    await store.record([event(1, now)], 100.0, 5_000)
    await clock.advance(200.0)
    later = clock.now()
    await store.record([event(n, later) for n in range(2, 1_002)], 100.0, 5_000)
    assert await kept(store, 1, 2) == [2]
    await store.record([event(n, later) for n in range(2_000, 8_000)], 100.0, 5_000)
    assert await kept(store, 2, 1_000, 7_999) == [7_999]
    await store.stop()


async def test_a_flood_of_refusals_pushes_nothing_else_out(tmp_path: Path) -> None:
    store = SqliteTraces(str(tmp_path / "trace.db"), VirtualClock())
    store.start()
    await store.record([event(1, 0.0)], FOREVER, 5_000)
    for _ in range(10):
        await store.record([event(0, 0.0, "x@y.test")] * 2_000, FOREVER, 5_000)
    assert await kept(store, 1) == [1]
    assert len(await store.find(TraceQuery(address="x@y.test", limit=100_000))) <= 2_000 + 1_000
    await store.stop()


async def test_a_damaged_trace_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trace.db"
    path.write_bytes(b"no database at all " * 100)
    store = SqliteTraces(str(path), VirtualClock())
    store.start()
    await store.record([event(1, 0.0)], FOREVER, 5_000)
    assert await kept(store, 1) == [1]
    assert "begun anew" in caplog.text
    await store.stop()


async def test_what_the_store_does_not_follow_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    written: list[Event] = []

    async def write(events: "list[Event] | object", keep: float, limit: int) -> None:
        written.extend(events)  # type: ignore[arg-type]

    trace = Trace(TraceConfig(), VirtualClock(), write)  # type: ignore[arg-type]
    for number in range(1, 20_011):
        trace.accepted(number, Envelope("", (Recipient("a@b.test"),)), Origin(), 1, "")
    await trace.close()
    assert len(written) == 20_000
    assert "10 steps" in caplog.text
