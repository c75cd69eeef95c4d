"""Bodies go from file to socket in blocks: however large a message, little of it is anywhere in memory. Counted, not timed."""

import asyncio
import base64
import hashlib
import random
import re
import socket
import ssl
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.imap_memory import MemoryServer, imap_memory
from support.imap_server import deliver, imap_server

from mailhub.mailbox.service import FolderView
from mailhub.net.stream import Stream
from mailhub.protocols.imap import sections

PLAIN = random.Random(1).randbytes(6_000_000)
CODED = base64.encodebytes(PLAIN).replace(b"\n", b"\r\n")
HEAD = b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
MESSAGE = HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + CODED + b"\r\n--b--\r\n"
START = MESSAGE.index(CODED)
SMALL = 1_500_000  # octets that are on their way at once, at most


@dataclass
class Seen:
    """What the server read of files at a time, and how much it had written that the client had not read."""

    longest: int = 0
    written: int = 0
    taken: int = 0
    ahead: int = 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    found = Seen()
    write, opened = Stream.write, FolderView.open

    def writing(self: Stream, data: bytes) -> None:
        if len(data) > 100:  # the client says less
            found.written += len(data)
            found.ahead = max(found.ahead, found.written - found.taken)
        write(self, data)

    async def opening(self: FolderView, uid: int) -> Any:
        file = await opened(self, uid)
        read = file.read

        async def reading(offset: int, length: int) -> bytes:
            found.longest = max(found.longest, length)
            return await read(offset, length)

        file.read = reading  # type: ignore[method-assign]
        return file

    monkeypatch.setattr(Stream, "write", writing)
    monkeypatch.setattr(FolderView, "open", opening)
    return found


async def literal(server: MemoryServer, item: str, seen: Seen, *, deflate: bool) -> bytes:
    """The literal of one FETCH, read by a client that takes its time."""
    talk = await server.login("EXAMINE INBOX")
    if deflate:
        await talk.ask("COMPRESS DEFLATE")
        talk.stream.deflate()
    seen.written = seen.taken = seen.ahead = 0
    talk.send(f"FETCH 1 {item}")
    await talk.stream.drain()
    line = await talk.stream.readline(1_000)
    seen.taken += len(line)
    found = re.search(rb"\{(\d+)\}\r\n$", line)
    assert found, line
    body = bytearray()
    while len(body) < int(found[1]):
        body += await talk.stream.read(min(20_000, int(found[1]) - len(body)))
        seen.taken = len(line) + len(body)
        for _ in range(3):  # the server might run ahead here
            await asyncio.sleep(0)
    assert await talk.stream.readline(100) == b")\r\n"
    assert (await talk.stream.readline(100)).startswith(b"t")
    return bytes(body)


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("BODY.PEEK[]", MESSAGE),
        ("BODY.PEEK[]<1000.5000000>", MESSAGE[1_000:5_001_000]),
        ("BODY.PEEK[2]", CODED),
        ("RFC822", MESSAGE),
        ("BODY.PEEK[TEXT]", MESSAGE[MESSAGE.index(b"\r\n\r\n") + 4 :]),
        ("BINARY.PEEK[2]", PLAIN),
        ("BINARY.PEEK[2]<3333333.2000000>", PLAIN[3_333_333:5_333_333]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_large_body_is_never_held_whole(
    item: str, expected: bytes, deflate: bool, tmp_path: Path, seen: Seen
) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, MESSAGE)
        body = await literal(server, item, seen, deflate=deflate)
    assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()
    assert seen.longest <= sections.BLOCK
    assert seen.ahead <= SMALL
    assert seen.written >= len(expected)  # it was the body that was counted


async def test_a_header_without_an_end_is_not_held_either(tmp_path: Path, seen: Seen) -> None:
    """A message that is all header: what is read for fields ends somewhere, and its octets come in blocks."""
    endless = b"Subject: x\r\n" + b"X-Field: %b\r\n" % (b"y" * 60) * 60_000
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, endless)
        assert await literal(server, "BODY.PEEK[HEADER]", seen, deflate=False) == endless
        assert seen.ahead <= SMALL
        fields = await literal(server, "BODY.PEEK[HEADER.FIELDS (Subject)]", seen, deflate=False)
        assert fields == b"Subject: x\r\n"  # there is no blank line to be shown


async def test_blank_lines_are_found_wherever_blocks_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "FIRST", 64)
    monkeypatch.setattr(sections, "BLOCK", 16)
    async with imap_memory(tmp_path) as server:
        texts = [
            b"Subject: " + b"x" * n + end + b"body\r\n\r\n" for n in range(40, 90) for end in (b"\r\n\r\n", b"\n\n")
        ]
        await deliver(server.alice, *texts)
        talk = await server.login("EXAMINE INBOX")
        heard = b"".join(await talk.ask("FETCH 1:* BODY.PEEK[TEXT]"))
    assert heard.count(b"BODY[TEXT] {8}\r\nbody\r\n\r\n)") == len(texts)


async def test_a_client_that_does_not_read_stops_what_it_asked_for(tmp_path: Path, seen: Seen) -> None:
    """500 pipelined commands for 50 kB each: the server waits with them, others are served, and all of it comes in the end."""
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, b"Subject: x\r\n\r\n" + b"y" * 50_000)
        lazy, other = await server.login("EXAMINE INBOX"), await server.login("EXAMINE INBOX")
        seen.written = 0
        tags = [lazy.send("FETCH 1 BODY.PEEK[]") for _ in range(500)]
        for _ in range(50):
            await other.ask("NOOP")
        assert seen.written <= SMALL
        for tag in tags:
            assert b" OK " in (await lazy.until(tag))[-1]


async def test_under_tls(tmp_path: Path, seen: Seen) -> None:
    """On a real socket the kernel takes some, and no more than that is ahead."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    message = b"Subject: x\r\n\r\n" + MESSAGE * 4
    async with imap_server(tmp_path, tls=ours) as server:
        await deliver(server.alice, message)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=65_536)
        await reader.readline()
        writer.write(b"a STARTTLS\r\n")
        await reader.readline()
        await writer.start_tls(theirs, server_hostname="127.0.0.1")
        writer.write(b"b LOGIN alice secret\r\nc EXAMINE INBOX\r\n")
        while not (await reader.readline()).startswith(b"c OK"):
            pass
        seen.written = 0
        writer.write(b"d FETCH 1 BODY.PEEK[]\r\n")
        line = await reader.readline()
        assert line == b"* 1 FETCH (BODY[] {%d}\r\n" % len(message)
        digest = hashlib.sha256()
        left = len(message)
        while left:
            block = await reader.read(min(left, 50_000))
            left -= len(block)
            digest.update(block)
            seen.taken = len(message) - left
        assert await reader.readline() == b")\r\n"
        writer.close()
    assert digest.digest() == hashlib.sha256(message).digest()
    assert seen.ahead <= len(message) / 2
    assert seen.longest <= sections.BLOCK


async def test_compression_under_tls(tmp_path: Path) -> None:
    """RFC 4978 section 3: compressed first, encrypted then; with zlib alone at the client's end."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)

    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            plain.recv(1_000)
            plain.sendall(b"a STARTTLS\r\n")
            plain.recv(1_000)
            with theirs.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
                sock.sendall(b"b LOGIN alice secret\r\nc EXAMINE INBOX\r\nd COMPRESS DEFLATE\r\n")
                heard = b""
                while b"d OK" not in heard:
                    heard += sock.recv(10_000)
                out, back = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
                sock.sendall(out.compress(b"e FETCH 1 BODY.PEEK[]\r\n") + out.flush(zlib.Z_SYNC_FLUSH))
                body = b""
                while not body.endswith(b"e OK Fetch completed\r\n"):
                    body += back.decompress(sock.recv(100_000))
                return body

    async with imap_server(tmp_path, tls=ours) as server:
        await deliver(server.alice, MESSAGE)
        body = await asyncio.to_thread(talk, server.port)
    start = b"* 1 FETCH (BODY[] {%d}\r\n" % len(MESSAGE)
    assert body[: len(start)] == start
    assert body[len(start) : len(start) + len(MESSAGE)] == MESSAGE
