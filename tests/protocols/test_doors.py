"""Doors of every kind: unix sockets, the PROXY protocol, XCLIENT, and settings of one listener alone."""

import asyncio
import os
import shutil
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
from support.hubs import messages, running, trusting
from support.smtp_peer import Server, Talk, until

from mailhub.config import schema
from mailhub.config.load import ConfigError, load, parse
from mailhub.config.schema import Listener, Smtp
from mailhub.hub import Hub
from mailhub.protocols.doors import unix_door
from mailhub.protocols.listener import ListenError

ANN = "ann@mailhub.test"


async def talk_to(hub: Hub, name: str, first: bytes = b"", **options: Any) -> Talk:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port(name), **options)
    writer.write(first)
    return Talk(reader, writer)


# --- unix sockets ---


async def test_lmtp_on_a_unix_socket(tmp_path: Path) -> None:
    async with running(
        tmp_path, ANN, listener=(Listener(protocol="lmtp", path="lmtp.sock", mode="0600", tls="none"),)
    ) as hub:
        path = tmp_path / "lmtp.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(str(path))
        talk = Talk(reader, writer)
        await talk.reply()
        answers = await talk.asks("LHLO c", f"MAIL FROM:<{ANN}>", f"RCPT TO:<{ANN}>", "RCPT TO:<x@far.example>", "DATA")
        assert [answer[:3] for answer in answers] == ["250", "250", "250", "554", "354"]
        assert (await talk.ask("Subject: x\r\n\r\nhi\r\n.")).startswith("250 2.0.0 ")
        assert len(await messages(hub, ANN)) == 1
        talk.close()
    assert not path.exists()


async def test_a_dead_server_s_socket_is_taken_over_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    listener = Listener(protocol="lmtp", path=path, tls="none")
    living = unix_door(listener)
    with pytest.raises(OSError, match="another server answers"):
        unix_door(listener)
    living.close()
    os.unlink(path)
    (tmp_path / "s").write_text("a file")
    with pytest.raises(ListenError, match="no socket"):
        async with running(tmp_path / "data", listener=(listener,)):
            pass
    assert (tmp_path / "s").read_text() == "a file"
    with pytest.raises(OSError, match="no group"):
        unix_door(Listener(protocol="lmtp", path=str(tmp_path / "t"), group="no such group"))


# --- PROXY protocol ---

PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n"


async def test_the_proxied_client_counts(tmp_path: Path) -> None:
    door = Listener(protocol="smtp", proxy_protocol=True, name="proxied")
    async with running(tmp_path, ANN, listener=(door,)) as hub:
        talk = await talk_to(hub, "proxied", PROXY)
        await talk.reply()
        assert [session.client for session in hub.sessions] == ["192.0.2.7"]
        answers = await talk.asks("EHLO c", f"MAIL FROM:<{ANN}>", "RCPT TO:<x@far.example>", f"RCPT TO:<{ANN}>", "DATA")
        assert [answer[:3] for answer in answers] == [
            "250",
            "250",
            "554",
            "250",
            "354",
        ]  # 127.0.0.1 may relay, it may not
        await talk.ask("hi\r\n.")
        (text,) = await messages(hub, ANN)
        assert b"from c ([192.0.2.7])" in text
        talk.close()
        direct = await talk_to(hub, "proxied", b"EHLO c\r\nNOOP\r\nNOOP\r\n")
        assert await direct.end() == b""


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP6 ::ffff:192.0.2.7 ::1 5000 25\r\n", b"PROXY TCP6 ::FFFF:C000:207 ::1 5000 25\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(10) + b"\xff\xff\xc0\0\x02\x07" + bytes(15) + b"\x01\x13\x88\0\x19",
    ],
)  # fmt: skip
async def test_an_ipv4_client_that_a_proxy_writes_as_ipv6(tmp_path: Path, header: bytes) -> None:
    door = Listener(protocol="smtp", proxy_protocol=True, name="proxied")
    smtp = Smtp(mynetworks=("192.0.2.0/24",), greet_pause=0.0)
    async with running(tmp_path, ANN, listener=(door,), smtp=smtp) as hub:
        talk = await talk_to(hub, "proxied", header)
        await talk.reply()
        assert [session.client for session in hub.sessions] == ["192.0.2.7"]
        assert [answer[:3] for answer in await talk.asks("EHLO c", "MAIL FROM:<>", "RCPT TO:<x@far.example>")] == [
            "250"
        ] * 3
        talk.close()


async def test_strangers_can_not_speak_for_others(tmp_path: Path) -> None:
    door = Listener(protocol="smtp", proxy_protocol=True, name="proxied", proxy_networks=("192.0.2.0/24",))
    async with running(tmp_path, listener=(door,)) as hub:
        talk = await talk_to(hub, "proxied", PROXY)
        assert await talk.end() == b""


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol", ["smtp", "imap"])
@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
async def test_haproxy_in_front(tmp_path: Path, tls: str, protocol: str, version: str) -> None:
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    door = Listener(protocol=protocol, tls=tls, proxy_protocol=True, name="proxied")  # type: ignore[arg-type]
    async with running(tmp_path, ANN, listener=(door,)) as hub:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (tmp_path / "haproxy.cfg").write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
            f"listen l\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{hub.port('proxied')} {version}\n"
        )
        process = await asyncio.create_subprocess_exec(haproxy, "-db", "-f", str(tmp_path / "haproxy.cfg"))
        try:
            options: dict[str, Any] = {"ssl": trusting()} if tls == "implicit" else {}
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)  # haproxy has no way to tell that it listens
            line = await reader.readline()
            assert line.startswith(b"220 " if protocol == "smtp" else b"* OK"), line
            assert [session.client for session in hub.sessions] == ["127.0.0.1"]
            if tls == "starttls":
                writer.write(b"STARTTLS\r\n" if protocol == "smtp" else b"a STARTTLS\r\n")
                assert (await reader.readline()).startswith((b"220 ", b"a OK"))
                await writer.start_tls(trusting())
            writer.write(b"NOOP\r\n" if protocol == "smtp" else b"b NOOP\r\n")
            assert (await reader.readline()).startswith((b"250 ", b"b OK"))
            writer.close()
        finally:
            process.terminate()
            await process.wait()


async def test_plaintext_before_the_handshake_is_never_a_command(tmp_path: Path) -> None:
    """Behind STARTTLS in the same segment, and behind a PROXY header before an implicit handshake."""
    doors = (
        Listener(protocol="smtp", proxy_protocol=True, name="a"),
        Listener(protocol="smtp", proxy_protocol=True, tls="implicit", name="b"),
    )
    async with running(tmp_path, listener=doors) as hub:
        talk = await talk_to(hub, "a", PROXY)
        await talk.reply()
        talk.send(b"STARTTLS\r\nEHLO injected\r\n")
        assert (await talk.end()).startswith(b"501 5.5.1 ")
        talk = await talk_to(hub, "b", PROXY + b"EHLO injected\r\n")
        assert not (await talk.end()).startswith(b"2")


# --- XCLIENT, XFORWARD ---


async def test_xclient_makes_another_client_of_it() -> None:
    async with Server(xclient_hosts=("127.0.0.1",), mynetworks=("127.0.0.0/8",)) as server:
        talk = await server.connect()
        assert "250-XCLIENT NAME ADDR PORT" in await talk.ask("EHLO proxy")
        assert await talk.ask("XCLIENT NAME=mx.far.example ADDR=192.0.2.7 PORT=5000 HELO=mx LOGIN=[UNAVAILABLE]") == (
            "220 mx.mailhub.test ESMTP"
        )
        assert (await talk.ask("MAIL FROM:<a@b.c>")).startswith("250 ")
        assert (await talk.ask("RCPT TO:<x@far.example>")).startswith("554 5.7.1 ")
        await talk.asks("RCPT TO:<alice@mailhub.test>", "DATA", ".")
        assert b"from mx (mx.far.example [192.0.2.7])" in server.spool.messages[0].prefix
        assert (await talk.ask("XCLIENT ADDR=IPV6:2001:db8::7")).startswith("220 ")
        assert (await talk.ask("MAIL FROM:<a@b.c>")).startswith("503 ")
        assert [session.client for session in server.sessions] == ["2001:db8::7"]
        talk.close()


@pytest.mark.parametrize(
    "line", ["XCLIENT", "XCLIENT ADDR=x", "XCLIENT FOO=1", "XCLIENT ADDR", "XCLIENT NAME=a+0Ab", "XFORWARD A=b"]
)
async def test_malformed_attributes(line: str) -> None:
    async with Server(xclient_hosts=("127.0.0.1",), xforward_hosts=("127.0.0.1",)) as server:
        talk = await server.connect()
        await talk.ask("EHLO c")
        assert (await talk.ask(line)).startswith("501 5.5.4 ")
        assert (await talk.ask("XFORWARD NAME=a ADDR=192.0.2.7")).startswith("250 ")
        talk.close()


async def test_strangers_can_not_change_who_they_are() -> None:
    async with Server() as server:
        talk = await server.connect()
        assert "XCLIENT" not in await talk.ask("EHLO c")
        for line in ("XCLIENT ADDR=10.0.0.1 LOGIN=alice@mailhub.test", "XFORWARD ADDR=10.0.0.1"):
            assert (await talk.ask(line)).startswith("550 5.7.0 ")
        assert next(iter(server.sessions)).login == ""
        talk.close()


# --- settings of one listener ---

TWO = """
[[listener]]
protocol = "smtp"
name = "small"
[listener.smtp]
message_size_limit = 1000
[listener.sessions]
limit = 1
[[listener]]
protocol = "smtp"
name = "large"
[smtp]
message_size_limit = 5000
recipient_limit = 7
"""


def test_a_listener_s_section_holds_what_differs() -> None:
    small, large = parse(TWO).listener
    assert small.smtp is not None
    assert small.sessions is not None
    assert (small.smtp.message_size_limit, small.smtp.recipient_limit) == (1000, 7)
    assert (small.sessions.limit, small.sessions.limit_per_client) == (1, 500)
    assert large.smtp is None
    for wrong, said in {
        '[[listener]]\nprotocol = "smtp"\n[listener.smtp]\nsize = 1\n': "c.toml:4: listener[1].smtp.size: found an unknown key",
        '[[listener]]\nprotocol = "smtp"\n[listener.smtp]\nmynetworks = ["x"]\n': "c.toml:4: listener[1].smtp.mynetworks[1]:",
        '[[listener]]\nprotocol = "smtp"\nmode = "rw"\n': 'c.toml:3: listener[1].mode: found "rw"',
        '[smtp]\nhelo_restrictions = ["permitt"]\n': "c.toml:2: smtp.helo_restrictions:",
    }.items():
        with pytest.raises(ConfigError) as caught:
            parse(wrong, "c.toml")
        assert said in str(caught.value)


async def test_each_listener_has_its_own_limits_and_certificate(tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("own.test")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    text = TWO.replace(
        'name = "large"\n',
        f'name = "large"\n[listener.tls_options]\ncertificate = "{tmp_path}/own.pem"\nkey = "{tmp_path}/own.pem"\n',
    )
    (tmp_path / "config.toml").write_text(text)
    async with Hub(load(tmp_path / "config.toml")) as hub:
        small, large = await talk_to(hub, "small"), await talk_to(hub, "large")
        for talk, size in ((small, "1000"), (large, "5000")):
            await talk.reply()
            assert f"SIZE {size}\n" in await talk.ask("EHLO c")
        another = await talk_to(hub, "small")
        assert (await another.end()).startswith(b"421 ")
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        await large.ask("STARTTLS")
        await large.writer.start_tls(trusted, server_hostname="own.test")
        assert (await large.ask("NOOP")).startswith("250 ")
        for talk in (small, large):
            talk.close()
        await until(lambda: not len(hub.sessions))


async def test_external_by_client_certificate(tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = schema.Tls(client_certificates="ask", client_ca=str(tmp_path / "ca.pem"))
    async with running(tmp_path / "data", ANN, "bob@mailhub.test", tls=tls) as hub:
        context = trusting()
        authority.issue_cert(ANN).configure_cert(context)
        talk = await talk_to(hub, "submissions", ssl=context)
        await talk.reply()
        assert " EXTERNAL " in await talk.ask("EHLO c")
        assert (await talk.ask("AUTH EXTERNAL Ym9iQG1haWxodWIudGVzdA==")).startswith("535 ")
        assert (await talk.ask("AUTH EXTERNAL =")).startswith("235 ")
        assert [session.login for session in hub.sessions] == [ANN]
        talk.close()
        plain = await talk_to(hub, "submissions", ssl=trusting())
        await plain.reply()
        assert "EXTERNAL" not in await plain.ask("EHLO c")
        plain.close()
