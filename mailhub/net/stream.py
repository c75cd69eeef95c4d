"""One connection as lines and blocks, for protocols that read with `await`. Bounded in both directions.

asyncio's own StreamReader keeps a buffer and a lock per idle connection and can not start TLS under uvloop without its
private parts; this one is a protocol and nothing else.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from mailhub.model.clock import Clock

from .deflate import Deflate

INFLATED = 65_536  # octets made of compressed ones at a time
HIGH = 262_144  # octets taken from the kernel ahead of the reader; above this reading pauses
TURN = 32  # lines at hand that are read before others have a turn
_LIBRARY_TIMEOUT = 86_400.0  # asyncio's own timer reads real time: ours, on the clock, comes first


class ConnectionLost(Exception):
    """The peer is gone, or has ended its side in the middle of what was awaited."""


class LineTooLong(Exception):
    """A line went over its limit; it has been read to its end and thrown away."""


class PlaintextBuffered(ConnectionLost):
    """The client sent more after asking for TLS: it would be taken for commands inside (CVE-2011-0411)."""


class Stream(asyncio.Protocol):
    """`on_connect(stream)` is called when the connection stands. One reader and one writer at a time."""

    def __init__(self, clock: Clock, on_connect: "Callable[[Stream], object]") -> None:
        self._clock = clock
        self._on_connect: Callable[[Stream], object] | None = on_connect  # until then
        self._on_lost: Callable[[], object] = bool
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._at_hand = 0  # lines read one after another without waiting for the peer
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._eof = self._lost = self._paused = self._full = self._secured = False
        self._deflate: Deflate | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)

    # --- asyncio's side ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.peer = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"))
        self._secured = transport.get_extra_info("ssl_object") is not None
        if (connected := self._on_connect) is not None:
            self._on_connect = None
            connected(self)

    def data_received(self, data: bytes) -> None:
        if self._deflate is None:
            self._buffer += data
        else:
            self._deflate.take(data)
        if self.buffered > HIGH and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._eof = True
        self._wake()
        return not self._secured  # what we still have to say may go out; TLS has no half-open connection

    def connection_lost(self, error: Exception | None) -> None:
        self._eof = self._lost = True
        self._wake()
        self.resume_writing()
        self._on_lost()
        self._on_lost = bool

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, None in the clear."""
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    @property
    def buffered(self) -> int:
        """Octets that have come and were not read; compressed ones count as they are."""
        return len(self._buffer) + (0 if self._deflate is None else self._deflate.pending)

    @property
    def at_eof(self) -> bool:
        return self._eof and not self.buffered

    async def _inflated(self, deflate: Deflate) -> bool:
        """Whether there is more to read now, without waiting for the peer. The loop has its turn between pieces."""
        try:
            plain = deflate.inflate(INFLATED)
        except ValueError as error:
            raise ConnectionLost(f"not compressed as agreed: {error}") from error
        if plain:
            self._buffer += plain
            await asyncio.sleep(0)
        return bool(plain)

    async def _more(self) -> None:
        """Wait until something has come; ConnectionLost where nothing will."""
        if self._deflate is not None and await self._inflated(self._deflate):
            return
        if self._eof:
            raise ConnectionLost("the peer has ended the connection")
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._at_hand = 0
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def _taken(self) -> None:
        if self._paused and self.buffered <= HIGH // 2 and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    async def readline(self, limit: int) -> bytes:
        """A line with its end. LineTooLong where it is longer than `limit` octets."""
        self._at_hand += 1
        if self._at_hand >= TURN:  # 100,000 commands sent at one time held all other sessions for 0.3 s a piece
            self._at_hand = 0
            await asyncio.sleep(0)
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) > limit:
                await self._discard_line()
            searched = len(self._buffer)
            await self._more()
        if end >= limit:
            del self._buffer[: end + 1]
            self._taken()
            raise LineTooLong(f"more than {limit} octets")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._taken()
        return line

    async def _discard_line(self) -> None:
        while (end := self._buffer.find(b"\n")) < 0:
            self._buffer.clear()
            await self._more()
        del self._buffer[: end + 1]
        self._taken()
        raise LineTooLong("a line over its limit")

    async def read(self, most: int) -> bytes:
        """1 to `most` octets, as soon as there are any."""
        while not self._buffer:
            await self._more()
        block = bytes(self._buffer[:most])
        del self._buffer[:most]
        self._taken()
        return block

    async def readexactly(self, count: int) -> bytes:
        """`count` octets; the caller bounds it."""
        blocks = []
        while count > 0:
            block = await self.read(count)
            count -= len(block)
            blocks.append(block)
        return b"".join(blocks)

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand octets to the connection; nothing happens where it is gone. `await drain()` before much more."""
        if self._transport is not None and not self._lost and not self._transport.is_closing():
            data = data if self._deflate is None else self._deflate.compress(data)
            if data:
                self._transport.write(data)

    @property
    def deflated(self) -> bool:
        """Whether both directions are compressed."""
        return self._deflate is not None

    def deflate(self) -> None:
        """Compress from here on, both directions. What has come and was not read is compressed already."""
        self._deflate = Deflate()
        self._deflate.take(bytes(self._buffer))
        self._buffer.clear()

    def _push(self) -> None:
        """Let nothing wait in the compressor."""
        if self._deflate is not None and self._transport is not None and not self._transport.is_closing():
            data = self._deflate.flush()
            if data:
                self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the peer does not read; ConnectionLost where it is gone."""
        self._push()
        while self._full and not self._lost:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
        if self._lost:
            raise ConnectionLost("the peer is gone")

    async def start_tls(self, context: ssl.SSLContext, timeout: float) -> None:
        """The server's side of a handshake. PlaintextBuffered where the client did not wait for our answer;
        ConnectionLost where the handshake fails or takes longer than `timeout` seconds. Abort the stream then."""
        if self._buffer:
            raise PlaintextBuffered(f"{len(self._buffer)} octets came before the handshake")
        if self._transport is None or self._lost:
            raise ConnectionLost("the peer is gone")
        loop = asyncio.get_running_loop()
        try:
            async with self._clock.timeout(timeout):
                secured = await loop.start_tls(
                    self._transport, self, context, server_side=True, ssl_handshake_timeout=_LIBRARY_TIMEOUT
                )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise ConnectionLost(f"TLS handshake failed: {error or type(error).__name__}") from error
        if secured is None:
            raise ConnectionLost("the connection was closed during the TLS handshake")
        self._transport = secured
        self._secured = True

    def end(self) -> None:
        """Nothing more will be written; the peer is told, and may go on speaking."""
        if self._transport is not None and not self._lost and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Close when what was written is out."""
        self._push()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def cut_after(self, seconds: float) -> None:
        """Close at once if it is not closed by then: what was written is not taken."""
        if self._transport is not None and not self._lost:
            self._on_lost = self._clock.call_later(seconds, self.abort).cancel


def _address(name: Any) -> tuple[str, int]:
    """Host and port of a peer; ("", 0) of a unix socket or a stream in memory."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else ("", 0)


class _MemoryTransport(asyncio.Transport):
    """One end of a pair: what is written arrives at the other end at the loop's next turn."""

    LIMIT = 65_536

    def __init__(self, protocol: Stream) -> None:
        super().__init__()
        self._protocol = protocol
        self.other: _MemoryTransport
        self._queue = bytearray()
        self._reading = True
        self._closing = self._gone = self._scheduled = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._queue += data
        if len(self._queue) > self.LIMIT:
            self._protocol.pause_writing()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        if self._queue and self.other._reading and not self.other._gone:
            data, self._queue = bytes(self._queue), bytearray()
            self.other._protocol.data_received(data)
            self._protocol.resume_writing()
        if self._closing and (not self._queue or self.other._gone):
            self._end()
            if not self.other._closing:
                self.other._protocol.eof_received()
                self.other.abort()

    def _end(self) -> None:
        if not self._gone:
            self._gone = True
            self._protocol.connection_lost(None)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self.other._schedule()

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._schedule()

    def abort(self) -> None:
        self._queue.clear()
        self._closing = True
        self._schedule()


def pair(clock: Clock) -> tuple[Stream, Stream]:
    """Two joined streams in memory, for tests. A close of one end is the end of both, as soon as all is delivered."""
    streams = Stream(clock, _ignore), Stream(clock, _ignore)
    ends = _MemoryTransport(streams[0]), _MemoryTransport(streams[1])
    for stream, end, other in zip(streams, ends, reversed(ends), strict=True):
        end.other = other
        stream.connection_made(end)
    return streams


def _ignore(stream: Stream) -> None:
    return
