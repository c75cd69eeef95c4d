"""The connection below an SMTP session: lines and blocks in, replies out, timers, TLS.

aiosmtpd's class is a StreamReaderProtocol whose reader wakes up for every line and whose end cancels the session's task.
Here octets go to one bounded buffer, replies are joined into one write whenever the session has to wait (RFC 2920), time
is the clock's, and a lost connection is an exception at the next wait. Of aiosmtpd there remain: who makes the task, the
session and envelope objects, and the names `_handle_client` and `smtp_*`.
"""

import asyncio
import logging
import ssl
from typing import Final, cast

from aiosmtpd.smtp import SMTP

from mailhub.config import schema
from mailhub.model.clock import Timer
from mailhub.model.reply import Reply
from mailhub.wire.smtp import SyntaxRefused, render

from ..session import SessionContext

log = logging.getLogger("mailhub.protocols.smtp")

INPUT_LIMIT: Final = 65_536  # octets waiting to be read, above which the net has to wait
OUTPUT_LIMIT: Final = 65_536  # octets of replies joined before they are sent anyway
LINGER: Final = 5.0  # seconds that a closing connection may take to hand over the last reply
DISCARD_LIMIT: Final = 16_777_216  # octets thrown away meanwhile
_LIBRARY_TIMEOUT: Final = 86_400.0  # asyncio's own handshake timer reads real time: ours, on the clock, comes first


class ConnectionLost(Exception):
    """The client is gone, or said all it had to say."""


class TimedOut(Exception):
    """The client was silent for too long."""


class _NoHooks:
    """aiosmtpd's "handler": we have none; an empty `dir` spares its search for hooks at every connection."""

    def __dir__(self) -> list[str]:
        return []


_NO_HOOKS = _NoHooks()


class Channel(SMTP):
    """One connection. Waiting methods raise ConnectionLost and TimedOut."""

    def __init__(self, context: SessionContext[schema.Smtp]) -> None:
        self.context = context
        self.record = context.session
        self._clock = context.clock
        self._input = bytearray()
        self._scanned = 0  # octets of the input known to hold no line end
        self._overlong = False  # the line being read is over the limit; its octets are thrown away
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reading = True
        self._ended = False  # nothing more will come
        self._discarding = False
        self._discarded = 0
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._output: list[bytes] = []
        self._output_size = 0
        self._deadline: float | None = None
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._linger: Timer | None = None
        super().__init__(
            _NO_HOOKS, hostname=context.hostname, enable_SMTPUTF8=True, loop=asyncio.get_running_loop(), ident="ESMTP"
        )

    def __dir__(self) -> list[str]:
        """aiosmtpd looks for `smtp_*` and `auth_*` here at every connection, 60 us; ours stand in a table."""
        return []

    @property
    def tls(self) -> ssl.SSLObject | None:
        transport = self.transport
        return None if transport is None else transport.get_extra_info("ssl_object")

    @property
    def _net(self) -> asyncio.Transport:
        if self.transport is None:
            raise ConnectionLost
        return cast(asyncio.Transport, self.transport)

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._handler_coroutine is not None
        self.record.own(self._handler_coroutine)
        self.record.on_drain(self._wake)
        self.record.on_abort(self._abort)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            self._discarded += len(data)
            if self._discarded > DISCARD_LIMIT:
                self._abort()
            return
        self._input += data
        if len(self._input) > INPUT_LIMIT and self._reading and self.transport is not None:
            self._reading = False
            cast(asyncio.ReadTransport, self.transport).pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Half-closed: what is buffered is still answered. (TLS has no such thing; asyncio closes it.)"""
        self._ended = True
        self._wake()
        return self.tls is None and not self._discarding

    def connection_lost(self, error: Exception | None) -> None:
        if self._gone.done():
            return
        self._gone.set_result(None)
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self._ended = True
        self._input.clear()
        self._scanned = 0
        if self._linger is not None:
            self._linger.cancel()
        self._wake()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def pause_writing(self) -> None:
        self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- reading ---

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self, seconds: float) -> None:
        """Send what is to be said, then wait until octets come or `drain` is asked for."""
        await self._send(seconds)
        if self._ended:
            raise ConnectionLost
        if not self._reading:
            self._reading = True
            self._net.resume_reading()
        await self._wait(seconds)
        if self._ended and not self._input:
            raise ConnectionLost

    async def _wait(self, seconds: float) -> None:
        self._waiter = self.loop.create_future()
        self._arm(seconds)
        try:
            await self._waiter
        finally:
            self._waiter, self._deadline = None, None

    def _line(self, limit: int) -> bytes | None:
        """The next line with its line end, None where it has not come yet; SyntaxRefused for one over the limit."""
        end = self._input.find(b"\n", self._scanned) + 1
        if not end:
            if len(self._input) > limit:
                self._overlong = True
                self._input.clear()
            self._scanned = len(self._input)
            return None
        line = bytes(self._input[:end])
        del self._input[:end]
        self._scanned = 0
        if self._overlong or end > limit:
            self._overlong = False
            raise SyntaxRefused(500, "5.5.2", f"Line longer than {limit} octets")
        return line

    async def _await_line(self, limit: int, seconds: float) -> bytes:
        """The next line, however long it takes up to `seconds` in all."""
        until = self._clock.monotonic() + seconds
        while (line := self._line(limit)) is None:
            await self._more(until - self._clock.monotonic())
        return line

    def _take(self, limit: int | None = None) -> bytes:
        """All that is buffered, or the first `limit` octets of it."""
        block = bytes(self._input if limit is None else self._input[:limit])
        del self._input[: len(block)]
        self._scanned = 0
        return block

    def _put_back(self, rest: bytes) -> None:
        self._input[:0] = rest
        self._scanned = 0

    # --- writing ---

    def say(self, octets: bytes) -> None:
        self._output.append(octets)
        self._output_size += len(octets)
        if self._output_size > OUTPUT_LIMIT:
            self._flush()

    def reply(self, reply: Reply) -> None:
        self.say(render(reply))

    def _flush(self) -> None:
        if self._output:
            joined = self._output[0] if len(self._output) == 1 else b"".join(self._output)
            self._output.clear()
            self._output_size = 0
            if self.transport is not None and not self._net.is_closing():  # uvloop raises where asyncio only warns
                self._net.write(joined)

    async def _send(self, seconds: float) -> None:
        """Send what is to be said, and wait while the client does not read it."""
        self._flush()
        if self._writable is not None:
            writable = self._writable
            self._arm(seconds)
            try:
                await asyncio.wait((writable,))
            finally:
                self._deadline = None

    # --- time: one timer a connection, which looks at the deadline when it goes off ---

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer is not used: every wait has its own deadline."""

    def _arm(self, seconds: float) -> None:
        self._deadline = self._clock.monotonic() + seconds
        if self._timer is not None and self._timer_at > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer_at = self._deadline
            self._timer = self._clock.call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        left = self._deadline - self._clock.monotonic()
        if left > 0:
            self._timer_at = self._deadline
            self._timer = self._clock.call_later(left, self._tick)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimedOut())
        elif self._writable is not None:
            self._abort()

    # --- TLS and the end ---

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        """Say what is to be said, then shake hands (RFC 3207). The caller has seen to it that no input is buffered."""
        self._flush()
        net = self._net
        if not self._reading:
            self._reading = True
            net.resume_reading()
        try:
            async with self._clock.timeout(self.context.handshake_timeout):
                secured = await self.loop.start_tls(
                    net, self, context, server_side=True, ssl_handshake_timeout=_LIBRARY_TIMEOUT
                )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            log.info("%s: TLS handshake failed: %s", self.record, error or type(error).__name__)
            secured = None
        if secured is None or self._ended:
            net.abort()
            self.connection_lost(None)  # asyncio does not tell of a loss during the handshake
            raise ConnectionLost
        self.transport = secured

    def _close(self) -> None:
        """Hand over what is to be said, then close; a client that does not take it is cut off."""
        self._say_last()
        if self.transport is not None:
            self._net.close()

    def _hang_up(self) -> None:
        """As `_close`, for a client that may still be talking: closing a socket with unread input makes TCP reset it, and
        the client would lose our last words. So what it says is thrown away until it ends."""
        net = self._net
        if self._ended or net.is_closing() or not net.can_write_eof():
            return self._close()
        self._say_last()
        self._input.clear()
        self._discarding = True
        net.resume_reading()
        try:
            net.write_eof()
        except OSError:  # the client was quicker
            net.abort()
        return None

    def _say_last(self) -> None:
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.transport is not None:
            self._linger = self._clock.call_later(LINGER, self._abort)

    def _abort(self) -> None:
        if self.transport is not None:
            self._net.abort()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
