"""The load's own clients: raw, so that they cost little beside the server on the same cores."""

import asyncio
import base64
import ssl
import time
from typing import Self


def anonymous_tls() -> ssl.SSLContext:
    """TLS that asks nobody for a certificate: the servers under test sign their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Refused(Exception):
    """The server did not say what the load needs."""


class Smtp:
    """One SMTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.offers: set[bytes] = set()

    @classmethod
    async def open(cls, host: str, port: int, *, tls: ssl.SSLContext | None = None, source: str | None = None) -> Self:
        """Connected, greeted, EHLO said; with STARTTLS where `tls` is given."""
        local = (source, 0) if source else None
        client = cls(*await asyncio.open_connection(host, port, limit=1 << 17, local_addr=local))
        await client.expect(b"220")
        await client.hello()
        if tls is not None:
            client.send(b"STARTTLS\r\n")
            await client.expect(b"220")
            await client._writer.start_tls(tls)
            await client.hello()
        return client

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def reply(self) -> bytes:
        """The last line of a reply."""
        while True:
            line = await self._reader.readline()
            if not line:
                raise Refused("connection closed")
            if line[3:4] != b"-":
                return line
            self.offers.add(line[4:].strip().upper())

    async def expect(self, code: bytes) -> None:
        line = await self.reply()
        if not line.startswith(code):
            raise Refused(line.decode("latin-1").strip())

    async def hello(self) -> None:
        self.offers = set()
        self.send(b"EHLO load.example.org\r\n")
        line = await self.reply()
        self.offers.add(line[4:].strip().upper())

    async def sign_in(self, user: str, password: str) -> None:
        self.send(b"AUTH PLAIN %b\r\n" % base64.b64encode(f"\0{user}\0{password}".encode()))
        await self.expect(b"235")

    async def message(self, sender: bytes, recipient: bytes, body: bytes, verb: str) -> float:
        """One transaction; returns when the body was sent. The final reply is the caller's to wait for."""
        start = b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\n" % (sender, recipient)
        if verb == "BDAT":
            self.send(
                start + b"BDAT %d LAST\r\n" % len(body) + body
            )  # whole: Postfix answers MAIL when it has the chunk
            await self.drain()
            sent = time.perf_counter()
        else:
            self.send(start + b"DATA\r\n")
        await self.expect(b"250")
        await self.expect(b"25")
        if verb == "DATA":
            await self.expect(b"354")
            self.send(body + b".\r\n")
            await self.drain()
            sent = time.perf_counter()
        return sent

    async def quit(self) -> None:
        self.send(b"QUIT\r\n")
        await self.reply()
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class Imap:
    """One IMAP connection that reads up to the tagged line and parses nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host: str, port: int, user: str, password: str) -> Self:
        client = cls(*await asyncio.open_connection(host, port, limit=1 << 20))
        await client._reader.readline()
        await client.command(f'LOGIN "{user}" "{password}"')
        return client

    async def command(self, line: str) -> None:
        self._writer.write(b"t " + line.encode() + b"\r\n")
        while True:
            answer = await self._reader.readline()
            if answer.startswith(b"t "):
                break
            if not answer:
                raise Refused("connection closed")
        if not answer.startswith(b"t OK"):
            raise Refused(answer.decode("latin-1").strip())

    def close(self) -> None:
        self._writer.close()
