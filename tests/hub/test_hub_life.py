"""A hub's life: several in one process, what stops a start, the two stages of a stop, a part that fails, a reload."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from functools import partial
from pathlib import Path

import msgspec
import pytest
from support.hubs import PASSWORD, config, messages, running, send, trusting, until

from mailhub import hub as hub_module
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery, History, Limits, Listener, Maildrop, Queue, Sessions, Sieve, Smtp, Tls
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import MailError, Permanent
from mailhub.net.stream import Stream
from mailhub.net.tls import self_signed
from mailhub.protocols.listener import Listener as Listening
from mailhub.protocols.session import Session
from mailhub.protocols.session import Sessions as RegisteredSessions


async def talk(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A connection and its greeting."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    return reader, writer, await reader.readline()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    """One SMTP command and the last line of its reply."""
    writer.write(line + b"\r\n")
    while (reply := await reader.readline())[3:4] == b"-":
        pass
    return reply


async def test_two_hubs_live_in_one_process_each_with_its_own_mail(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "a", "ann@a.test", hostname="a.test", domains=("a.test",)) as a,
        running(tmp_path / "b", "ben@b.test", hostname="b.test", domains=("b.test",)) as b,
    ):
        for hub, host in ((a, b"a.test"), (b, b"b.test")):
            _, writer, greeting = await talk(hub.port("smtp"))
            assert greeting.split()[:2] == [b"220", host]
            writer.close()
        await send(a, "x@other.test", "ann@a.test")
        assert len(await messages(a, "ann@a.test")) == 1
        assert await b.directory.account("ann@a.test") is None


async def test_mail_and_accounts_are_there_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, "ann@mailhub.test") as hub:
        await send(hub, "x@other.test", "ann@mailhub.test")
        before = await messages(hub, "ann@mailhub.test")
    async with running(tmp_path) as hub:
        assert await hub.authenticator.authenticate("ann@mailhub.test", PASSWORD, service="test", client="") is not None
        assert await messages(hub, "ann@mailhub.test") == before
        assert len(before) == 1


async def test_a_port_in_use_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Permanent, match=rf"listener imap: 127\.0\.0\.1 port {port} is in use by another program"):
            await Hub(
                config(tmp_path, listener=(Listener(protocol="smtp"), Listener(protocol="imap", port=port)))
            ).start()
    async with running(tmp_path):
        pass


async def test_a_start_that_fails_late_says_why(tmp_path: Path) -> None:
    """What was begun by then ends without a word of its own."""
    (drop := tmp_path / "drop").touch()
    with pytest.raises(Permanent, match=r"maildrop .*/drop: .* set another maildrop\.path"):
        await Hub(config(tmp_path, history=History(), maildrop=Maildrop(path=str(drop)))).start()


async def test_a_second_hub_on_the_same_data_is_refused_with_the_process_that_has_it(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(Permanent, match=f"in use by process {os.getpid()}"):
            await Hub(config(tmp_path)).start()


async def test_a_data_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match=r"data folder .*file/var: Not a directory: .*set another `data`"):
        await Hub(config(tmp_path / "file" / "var")).start()


async def test_idle_sessions_are_told_goodbye_when_the_hub_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        clients = {name: await talk(hub.port(name)) for name in ("smtp", "imap", "pop3")}
    heard = {name: await reader.read() for name, (reader, _, _) in clients.items()}
    assert heard["smtp"].startswith(b"421 ")
    assert heard["imap"].startswith(b"* BYE ")
    assert heard["pop3"].startswith(b"-ERR [SYS/TEMP] ")
    for _, writer, _ in clients.values():
        writer.close()


async def test_a_message_under_way_is_taken_before_the_hub_stops(tmp_path: Path) -> None:
    hub = Hub(config(tmp_path))
    await hub.start()
    await hub.directory.add_account("ann@mailhub.test", PASSWORD)
    reader, writer, _ = await talk(hub.port("smtp"))
    for line in (b"EHLO me", b"MAIL FROM:<x@other.test>", b"RCPT TO:<ann@mailhub.test>", b"DATA"):
        reply = await ask(reader, writer, line)
    assert reply.startswith(b"354")
    stopping = asyncio.create_task(hub.stop(60))
    await until(lambda: all(session.draining for session in hub.sessions))
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", hub.port("smtp"))
    assert (await ask(reader, writer, b"Subject: late\r\n\r\ntext\r\n.")).startswith(b"250 ")
    assert (await reader.read()).startswith(b"421 ")
    writer.close()
    await stopping
    async with running(tmp_path) as again:
        (text,) = await messages(again, "ann@mailhub.test")
        assert b"Subject: late" in text


async def test_a_session_that_does_not_end_is_cut_when_the_grace_is_over(tmp_path: Path) -> None:
    clock = VirtualClock()
    hub = Hub(config(tmp_path), clock=clock)
    await hub.start()
    reader, writer, _ = await talk(hub.port("smtp"))
    for line in (b"EHLO me", b"MAIL FROM:<x@other.test>"):
        await ask(reader, writer, line)
    stopping = asyncio.create_task(hub.stop(20))
    await until(lambda: all(session.draining for session in hub.sessions))
    await clock.advance(19)
    assert len(hub.sessions) == 1
    assert not stopping.done()
    await clock.advance(1)
    await stopping
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


async def test_a_core_task_that_fails_stops_the_hub_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    hub = Hub(config(tmp_path))

    async def life() -> None:
        async with hub:
            hub.queue._lease = broken  # type: ignore[method-assign, assignment]
            hub.queue.wake()
            with pytest.raises(RuntimeError):
                await asyncio.shield(hub.failed)
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", hub.port("smtp"))

    with caplog.at_level(logging.CRITICAL, "mailhub.hub"), pytest.raises(RuntimeError, match="broken"):
        await life()
    assert "the queue manager has ended: the server stops" in caplog.text


async def test_a_reload_changes_new_sessions_and_leaves_old_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        reader, writer, _ = await talk(hub.port("smtp"))
        old = hub.config
        done = hub.reload(msgspec.structs.replace(old, smtp=Smtp(message_size_limit=1000), hostname="other.test"))
        assert (done.applied, done.restart) == (("smtp.message_size_limit",), ("hostname",))
        assert hub.config.hostname == old.hostname
        assert await ask(reader, writer, b"EHLO me")
        assert (await ask(reader, writer, b"MAIL FROM:<x@other.test> SIZE=2000")).startswith(b"250 ")
        writer.close()
        reader, writer, _ = await talk(hub.port("smtp"))
        await ask(reader, writer, b"EHLO me")
        assert (await ask(reader, writer, b"MAIL FROM:<x@other.test> SIZE=2000")).startswith(b"552 ")
        writer.close()


async def test_mynetworks_may_be_a_table_at_the_start_and_after_a_reload(tmp_path: Path) -> None:
    (tmp_path / "nets").write_text("127.0.0.0/8 ok\n")
    table = f"cidr:{tmp_path}/nets"
    async with running(tmp_path / "data", smtp=Smtp(mynetworks=(table,))) as hub:
        assert await hub.policy.trusted_network("127.0.0.1")
        hub.reload(msgspec.structs.replace(hub.config, smtp=Smtp(mynetworks=(table, "198.51.100.0/24"))))
        assert await hub.policy.trusted_network("127.0.0.1")
        assert (hub.guard.trusts("198.51.100.1"), hub.guard.trusts("127.0.0.1")) == (True, False)


async def test_limits_and_domains_change_with_a_reload(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        hub.reload(
            msgspec.structs.replace(hub.config, sessions=Sessions(limit=1), domains=("mailhub.test", "new.test"))
        )
        assert await hub.directory.domain("new.test")
        _, first, _ = await talk(hub.port("imap"))
        _, second, greeting = await talk(hub.port("imap"))
        assert greeting.startswith(b"* BYE [UNAVAILABLE]")
        first.close()
        second.close()


def served(port: int) -> bytes:
    """The certificate shown on a port with implicit TLS."""
    with socket.create_connection(("127.0.0.1", port)) as plain, trusting().wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""


async def test_a_renewed_certificate_is_shown_after_a_reload_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"

    def renew(name: str, moment: float) -> bytes:
        made = self_signed(name, moment)
        for file, text in zip(files, made, strict=True):
            file.write_bytes(text)
        return ssl.PEM_cert_to_DER_cert(made[0].decode())

    first = renew("mailhub.test", 1_800_000_000)
    async with running(tmp_path / "var", tls=Tls(certificate=str(files[0]), key=str(files[1]))) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imaps"), ssl=trusting())
        await reader.readline()
        assert await asyncio.to_thread(served, hub.port("imaps")) == first
        second = renew("mailhub.test", 1_800_000_001)
        hub.reload(hub.config)
        assert await asyncio.to_thread(served, hub.port("imaps")) == second
        files[1].write_text("no key")
        with pytest.raises(Permanent, match=r"key\.pem"):
            hub.reload(msgspec.structs.replace(hub.config, smtp=Smtp(message_size_limit=1)))
        assert hub.config.smtp == Smtp()
        assert await asyncio.to_thread(served, hub.port("imaps")) == second
        writer.write(b"a NOOP\r\n")
        assert (await reader.readline()).startswith(b"a OK")
        writer.close()


@pytest.mark.parametrize("broken", ["tables", "networks", "certificates", "scripts"])
async def test_a_reload_that_fails_leaves_the_old_configuration_wholly_in_force(tmp_path: Path, broken: str) -> None:
    (tmp_path / "script").write_text("keep;")
    async with running(tmp_path / "data", sieve=Sieve(before=(str(tmp_path / "script"),))) as hub:
        old, policy, scripts = hub.config, hub.policy, hub.sieve.operator
        new = msgspec.structs.replace(
            old, domains=("new.test",), smtp=Smtp(message_size_limit=1, mynetworks=("203.0.113.0/24",)),
            sessions=Sessions(limit=1), delivery=Delivery(srs=True), queue=Queue(active_limit=7), limits=Limits(ban_errors=1),
        )  # fmt: skip
        if broken == "tables":
            new = msgspec.structs.replace(new, delivery=Delivery(transport=Lookup(("nosuch:/table",))))
        elif broken == "networks":
            new = msgspec.structs.replace(new, limits=Limits(allow=("no network",)))
        elif broken == "certificates":
            new = msgspec.structs.replace(new, tls=Tls(certificate=str(tmp_path / "none.pem")))
        else:
            (tmp_path / "script").write_text("no script at all")
        with pytest.raises((MailError, ValueError)):
            hub.reload(new)
        assert (hub.config, hub.policy, hub.sieve.operator) == (old, policy, scripts)
        assert (hub.sessions.limits, hub.queue._set.limit) == (old.sessions, old.queue.active_limit)
        assert (await hub.directory.domain("mailhub.test"), await hub.directory.domain("new.test")) == (True, False)
        assert not hub.guard.trusts("203.0.113.1")
        assert hub.guard.bans.limits == old.limits
        _, writer, greeting = await talk(hub.port("smtp"))
        assert greeting.startswith(b"220 ")
        writer.close()


async def test_demo_accounts_are_made_once_and_only_in_an_empty_store(tmp_path: Path) -> None:
    async with running(tmp_path / "demo", demo=True) as hub:
        made = dict(hub.demo_accounts)
        assert set(made) == {"alice@mailhub.test", "bob@mailhub.test"}
        file = tmp_path / "demo" / "demo-accounts.txt"
        assert file.stat().st_mode & 0o777 == 0o600
        assert dict(line.split() for line in file.read_text().splitlines()) == made
        for address, password in made.items():
            assert await hub.authenticator.authenticate(address, password, service="test", client="") is not None
    async with running(tmp_path / "demo", demo=True) as hub:
        assert hub.demo_accounts == ()
        await hub.directory.remove_account("alice@mailhub.test")
    async with running(tmp_path / "demo", demo=True) as hub:
        assert hub.demo_accounts == ()
    async with running(tmp_path / "other", "eve@mailhub.test"):
        pass
    async with running(tmp_path / "other", demo=True) as hub:
        assert hub.demo_accounts == ()
        assert not (tmp_path / "other" / "demo-accounts.txt").exists()


async def test_a_client_that_does_not_take_the_last_words_is_cut(tmp_path: Path) -> None:
    """The session is over, its output is not: the connection would stay for as long as the client likes."""
    clock = VirtualClock()
    size = 50_000_000

    async def talk(stream: Stream) -> None:
        stream.write(b"x" * size)

    def serve(session: Session) -> asyncio.BaseProtocol:
        return Stream(clock, partial(hub_module._begin, clock, session, talk))

    sessions = RegisteredSessions(Sessions())
    listener = Listening(Listener(protocol="imap"), sessions, clock, serve, trusting)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    await until(lambda: sessions._last == 1)
    await sessions.empty()
    await clock.advance(31)
    taken = b""
    with contextlib.suppress(ConnectionError):
        taken = await reader.read()
    assert len(taken) < size
    writer.close()
    listener.close()
