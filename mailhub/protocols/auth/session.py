"""One connection of somebody who asks: a task for each request, all answers by the request's number."""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable

from mailhub.config.schema import AuthSocket
from mailhub.directory import Authenticator, Exchange, Peer, Refused
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.net import addresses
from mailhub.net.stream import ConnectionLost, LineTooLong, Stream
from mailhub.protocols.session import SessionContext
from mailhub.wire import dovecot, sasl

log = logging.getLogger("mailhub.auth")

Refuse = Callable[[str, str], Reply | None]

# What the askers call services, and what we do. Others, and above all the web login that asks for a second factor itself, are
# none of those.
_SERVICES = {
    "smtp": "submission", "submission": "submission", "imap": "imap", "pop3": "pop3", "sieve": "managesieve",
    "managesieve": "managesieve",
}  # fmt: skip
_OTHER = "auth"


async def serve(
    stream: Stream, context: SessionContext[AuthSocket], authenticator: Authenticator, refuse: Refuse
) -> None:
    """Answer one asker until it leaves. `refuse(client, service)`: whether that client is turned away unheard."""
    await AuthSession(stream, context, authenticator, refuse).run()


class _Request:
    """A dialogue under way. `answer`: the client's next word, while one is awaited."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None
        self.task: asyncio.Task[None] | None = None


class AuthSession:
    """One connection."""

    def __init__(
        self, stream: Stream, context: SessionContext[AuthSocket], authenticator: Authenticator, refuse: Refuse
    ) -> None:
        self._stream, self._context, self._authenticator, self._refuse = stream, context, authenticator, refuse
        self._settings, self._clock = context.settings, context.clock
        self._requests: dict[int, _Request] = {}
        self._draining = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        record = self._context.session
        record.on_abort(self._stream.abort)
        record.on_drain(self._drain)
        offered = self._authenticator.offered(Peer(_OTHER, secure=True))
        self._stream.write(dovecot.handshake(offered, os.getpid(), record.id, secrets.token_hex(16)))
        try:
            async with self._clock.timeout(self._context.handshake_timeout):
                await self._greeted()
            while True:
                self._take(await self._command())
        except ConnectionLost:
            log.debug("%s: connection lost", record)
        except TimeoutError:
            log.info("%s: no handshake in time", record)
        except (dovecot.BadLine, LineTooLong) as error:
            log.warning("%s: not the authentication protocol: %s", record, error)
        finally:
            await self._end()

    async def _greeted(self) -> None:
        """VERSION, then CPID. BadLine where it is another protocol."""
        version = await self._command()
        if not isinstance(version, dovecot.Version) or version.major != dovecot.MAJOR:
            raise dovecot.BadLine("another version of it")
        if not isinstance(await self._command(), dovecot.ClientId):
            raise dovecot.BadLine("no CPID")

    async def _command(self) -> dovecot.Command:
        await self._stream.drain()  # who does not listen is not heard
        return dovecot.parse((await self._stream.readline(self._settings.line_length_limit)).rstrip(b"\r\n"))

    async def _end(self) -> None:
        tasks = [request.task for request in self._requests.values() if request.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._stream.close()
        self._context.session.end()

    def _drain(self) -> None:
        self._draining = True
        if not self._requests:
            self._stream.close()

    # --- requests --------------------------------------------------------------------------------------------------

    def _take(self, command: dovecot.Command) -> None:
        match command:
            case dovecot.Auth(request):
                self._begin(request, command)
            case dovecot.Continue(request, response):
                self._answered(request, response)
            case dovecot.Cancel(request):
                if (found := self._requests.get(request)) is not None and found.task is not None:
                    found.task.cancel()
            case _:
                raise dovecot.BadLine("a second handshake")

    def _begin(self, number: int, command: dovecot.Auth) -> None:
        if number in self._requests:
            raise dovecot.BadLine("a request's number that is in use")
        if len(self._requests) >= self._settings.request_limit or self._draining:
            log.warning("%s: auth_socket.request_limit, or going down: a request is refused", self._context.session)
            return self._fail(number, "Try again later", "temp")
        request = self._requests[number] = _Request()
        request.task = asyncio.create_task(
            self._lead(number, request, command), name=f"{self._context.session} {number}"
        )
        request.task.add_done_callback(lambda task: self._over(number, task))
        return None

    def _over(self, number: int, task: "asyncio.Task[None]") -> None:
        del self._requests[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: request %d crashed", self._context.session, number, exc_info=error)
            self._fail(number, "Internal error", "temp")
        if self._draining and not self._requests:
            self._stream.close()

    def _answered(self, number: int, response: bytes) -> None:
        request = self._requests.get(number)
        if request is None or (request.task is not None and request.task.cancelling()):
            return  # it was answered, given up or cancelled meanwhile
        if request.answer is None or request.answer.done():
            raise dovecot.BadLine("an answer where nothing was asked")
        request.answer.set_result(response)

    async def _lead(self, number: int, request: _Request, command: dovecot.Auth) -> None:
        given = command.parameters
        client = given.get("rip", "")
        peer = Peer(
            _SERVICES.get(given.get("service", ""), _OTHER),
            client if addresses.parse(client) is not None else "",
            secure="secured" in given,
        )
        if (refusal := self._refuse(peer.client, peer.service)) is not None:
            return self._fail(number, refusal.text, "temp")
        exchange = self._authenticator.begin(command.mechanism, peer)
        if exchange is None:
            why = self._authenticator.withheld(command.mechanism.upper(), peer)
            log.info("%s: %r is not offered to %s: %s", self._context.session, command.mechanism[:40], peer.client, why)
            return self._fail(number, "Mechanism not offered here")
        try:
            account = await self._dialogue(number, request, exchange, command.response)
        except sasl.SaslError as error:
            return self._fail(number, f"Malformed response: {error}")
        except TimeoutError:
            return self._fail(number, "No answer in time")
        except MailError as error:
            log.warning("%s: login undecided: %s", self._context.session, error)
            return self._fail(number, "Temporary authentication failure", "temp")
        if not account:
            return self._fail(number, "Wrong login or password")
        return self._stream.write(dovecot.line("OK", number, f"user={account}"))

    async def _dialogue(self, number: int, request: _Request, exchange: Exchange, initial: bytes | None) -> str:
        """The account's name, "" where it was refused."""
        step = await exchange.step(None if initial is None else sasl.decode(initial))
        while isinstance(step, sasl.Challenge):
            request.answer = asyncio.get_running_loop().create_future()
            self._stream.write(dovecot.line("CONT", number, sasl.encode(step.text).decode()))
            async with self._clock.timeout(self._settings.request_timeout):
                response = await request.answer
            step = await exchange.step(sasl.decode(response))
        return "" if isinstance(step, Refused) else step.account.name

    def _fail(self, number: int, reason: str, *marks: str) -> None:
        self._stream.write(dovecot.line("FAIL", number, f"reason={reason}", *marks))
