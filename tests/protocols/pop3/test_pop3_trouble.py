"""Clients that go away, do not read, or send ahead of a handshake; files that are not what they were."""

import asyncio
import os
import socket
import ssl
import tracemalloc
from pathlib import Path

import pytest
import trustme
from support.hubs import until
from support.imap_server import deliver
from support.pop3_server import Pop3Server, pop3_server

from mailhub.config import schema
from mailhub.model.errors import Temporary

LARGE = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 200_000


@pytest.fixture
async def large(tmp_path: Path) -> Path:
    """Alice's INBOX with a message of 14 MB in its file."""
    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, LARGE)
    return tmp_path


def certified() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


class Client:
    """A connection whose lines are read one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line + b"\r\n")
        return await self.heard()

    async def heard(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), 20)


async def connected(server: Pop3Server, *, window: int = 0) -> Client:
    sock = socket.socket()
    sock.setblocking(False)
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    client = Client(*await asyncio.open_connection(sock=sock, limit=1024 if window else 65_536))
    assert (await client.heard()).startswith(b"+OK")
    return client


async def signed_in(server: Pop3Server, *, window: int = 0) -> Client:
    client = await connected(server, window=window)
    await client.ask(b"USER alice")
    assert (await client.ask(b"PASS secret")).startswith(b"+OK")
    return client


async def ended(server: Pop3Server) -> None:
    """Wait for the end of the one session there was."""
    ((_, session),) = server.sessions
    await asyncio.wait_for(session, 20)


async def test_a_client_that_vanishes_in_the_middle_of_a_message(large: Path) -> None:
    async with pop3_server(large) as server:
        client = await signed_in(server, window=4096)
        await client.ask(b"DELE 1")
        await client.ask(b"RSET")
        await client.ask(b"RETR 1")
        client.writer.transport.abort()
        await ended(server)
        assert (await server.alice.find("INBOX")).messages == 1
        again = await signed_in(server)
        assert await again.ask(b"STAT") == b"+OK 1 %d\r\n" % len(LARGE)
        again.writer.close()


async def test_a_client_that_does_not_read_is_left(large: Path) -> None:
    config = schema.Config(auth=schema.Auth(allow_plaintext=True), pop3=schema.Pop3(idle_timeout=0.2))
    async with pop3_server(large, config=config) as server:
        client = await signed_in(server, window=4096)
        client.writer.write(b"RETR 1\r\n")
        await ended(server)
        client.writer.close()


async def test_a_message_is_not_held_whole(large: Path) -> None:
    """Blocks are read from the file as the client takes them."""
    async with pop3_server(large) as server:
        client = await signed_in(server, window=4096)
        tracemalloc.start()
        try:
            client.writer.write(b"RETR 1\r\n")
            taken = 0
            while taken < 4_000_000:
                taken += len(await asyncio.wait_for(client.reader.read(65_536), 20))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2_000_000
        client.writer.transport.abort()
        await ended(server)


async def test_a_file_cut_short_never_looks_like_a_whole_message(large: Path) -> None:
    async with pop3_server(large) as server:
        (file,) = (large / "mail/mailhub.test/alice/Maildir").glob("*/*S=*")
        client = await signed_in(server, window=4096)
        client.writer.write(b"RETR 1\r\n")
        assert (await client.heard()).startswith(b"+OK")
        os.truncate(file, 1_000_000)
        rest = await asyncio.wait_for(client.reader.read(-1), 20)
        assert len(rest) < len(LARGE)
        assert not rest.endswith(b"\r\n.\r\n")
        assert b"-ERR" not in rest
        client.writer.close()


async def test_plaintext_behind_stls_ends_the_connection(tmp_path: Path) -> None:
    async with pop3_server(tmp_path, tls=certified()) as server:
        client = await connected(server)
        client.writer.write(b"STLS\r\nUSER alice\r\n")
        assert await client.heard() == b"+OK Begin TLS negotiation\r\n"
        assert await asyncio.wait_for(client.reader.read(-1), 20) == b""
        client.writer.close()


async def test_a_handshake_that_fails_ends_the_connection_only(tmp_path: Path) -> None:
    async with pop3_server(tmp_path, tls=certified()) as server:
        client = await connected(server)
        assert await client.ask(b"STLS") == b"+OK Begin TLS negotiation\r\n"
        client.writer.write(b"STAT\r\n" * 10)
        await asyncio.wait_for(client.reader.read(-1), 20)
        client.writer.close()
        await ended(server)
        (await connected(server)).writer.close()


async def test_a_removal_that_fails_is_told(tmp_path: Path) -> None:
    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, b"Subject: x\r\n\r\n")
        client = await signed_in(server)
        await client.ask(b"DELE 1")

        async def refuse(folder: int, uids: object) -> list[int]:
            raise Temporary("disk full")

        server.store.mailboxes.expunge = refuse  # type: ignore[method-assign]
        assert await client.ask(b"QUIT") == b"-ERR [SYS/TEMP] Some deleted messages were not removed\r\n"
        assert await client.heard() == b""
        client.writer.close()


async def test_stopping_waits_for_the_command_under_way(large: Path) -> None:
    async with pop3_server(large) as server:
        client = await signed_in(server, window=4096)
        client.writer.write(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        ((record, session),) = server.sessions
        await until(lambda: record.doing == "RETR")
        record.drain()
        text = await asyncio.wait_for(client.reader.read(-1), 60)
        assert text.endswith(b"\r\n.\r\n-ERR [SYS/TEMP] Server is going down\r\n")
        await session
        assert (await server.alice.find("INBOX")).messages == 1
        client.writer.close()
