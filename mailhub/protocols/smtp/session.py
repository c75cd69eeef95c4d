"""One SMTP, submission or LMTP client (RFC 5321, RFC 6409, RFC 2033): what it has said so far, and the loop that hands its lines to the commands."""

import asyncio
import contextlib
import logging
import math
import ssl
from typing import Final

from mailhub.config import schema
from mailhub.directory import Authenticator, Peer
from mailhub.model.envelope import Origin
from mailhub.model.reply import Reply
from mailhub.net import tls
from mailhub.policy import Caller, ClientName, Policy, Transaction
from mailhub.wire.smtp import SyntaxRefused, parse_command

from ..session import SessionContext, peer_of
from .channel import Channel, ConnectionLost, TimedOut
from .commands import COMMANDS, FOREIGN
from .content import Incoming

log = logging.getLogger("mailhub.protocols.smtp")

_STEP: Final = 0.1  # of command_timeout, after which stress is looked for again
BURST: Final = 64  # pipelined commands after which other sessions get their turn

CLOSING: Final = (421, 521)  # codes of a table, say, that end the session, as they do in Postfix
UNRECOGNIZED = Reply(500, "5.5.1", "Command not recognized")
NOT_MAIL = Reply(500, "5.5.1", "This is a mail server, goodbye")
BARE_NEWLINE = Reply(500, "5.5.2", "A command must end with CR LF")
STOPPING = Reply(421, "4.3.2", "Service shutting down, try again later")
SILENT = Reply(421, "4.4.2", "Timeout, closing the connection")
BROKEN = Reply(421, "4.3.0", "Internal trouble, try again later")
EARLY = Reply(554, "5.5.1", "Protocol error: you spoke before I greeted you, goodbye")
DENIED = Reply(503, "5.7.0", "Access denied: nothing but QUIT is left")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands in one session")


class SmtpSession(Channel):
    """One client. `context.service`: "smtp" (the MX), "lmtp", or "submission", where nobody sends mail without signing in."""

    def __init__(self, context: SessionContext[schema.Smtp], policy: Policy, authenticator: Authenticator) -> None:
        super().__init__(context)
        self.settings: schema.Smtp = context.settings
        self._switched_off = frozenset(keyword.upper() for keyword in context.settings.discard_ehlo_keywords)
        self.policy, self.authenticator = policy, authenticator
        self.helo = ""
        self.extended = False
        self.client = ""
        self.proxy = ""  # whose word XCLIENT and XFORWARD are: the peer of the connection
        self.caller = policy.caller("")
        self.denied: Reply | None = None  # the client's list refused it before it was greeted
        self.transaction: Transaction | None = None
        self.incoming: Incoming | None = None  # the message that BDAT has begun
        self.offered: dict[str, str] = {}  # extensions since the last greeting
        self.tls_name = ""  # what was negotiated, for Received
        self._patience = context.settings.data_timeout  # seconds of silence left to the message under way
        self.tried = False  # a recipient was named in this transaction
        self._done = False
        self._untimely = False  # we end the session while the client may be talking
        self._errors = self._slowed = 0  # `_slowed`: those that were answered late
        self.auth_failures = 0
        self.messages = 0

    # --- the loop ---

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except ConnectionLost:
            log.debug("%s: the client is gone", self.record)
        except TimedOut:
            self.leave(SILENT)
        except Exception:
            log.exception("%s: the session crashed in %s", self.record, self.record.doing)
            self.leave(BROKEN)
        finally:
            self.end_transaction()
            self.caller.close()
            with contextlib.suppress(ConnectionLost):
                self._hang_up() if self._untimely else self._close()
        await self._gone

    async def _converse(self) -> None:
        peer = self._net.get_extra_info("peername")
        self.client = self.record.client or (str(peer[0]) if peer else "")
        self.proxy = self.client
        self.caller = self._caller(None)
        self.tls_name = tls.describe(self.tls)
        if await self._talks_early():
            self.policy.guard.early(self.client)
            return self.leave(EARLY)
        self.denied = await self._met("client")
        self.greet()
        settings = self.settings
        budget, burst = settings.command_limit, BURST
        while not self._done:
            if self.record.draining and self.transaction is None:
                self.leave(STOPPING)
                break
            try:
                line = self._line(settings.line_length_limit)
                if line is None:
                    line = await self._next_command()
                    burst = BURST
                    if line is None:
                        continue
                budget, burst = budget - 1, burst - 1
                if budget < 0:
                    self.leave(TOO_MANY_COMMANDS)
                    break
                if burst <= 0:
                    burst = BURST
                    await self._send(settings.command_timeout)
                    await asyncio.sleep(0)
                await self._command(line)
            except SyntaxRefused as refused:
                self.answer(refused.reply)
            await self._slow_down()
        return None

    async def _talks_early(self) -> bool:
        """Whether a client of the MX port speaks before it is greeted, as only programs do that read no replies."""
        pause = self.policy.guard.pause(self.client) if self.context.service == "smtp" else 0.0
        if not pause:
            return False
        if not self.buffered:
            with contextlib.suppress(TimedOut):
                await self._wait(pause)
        if not self.buffered and not self._ended:
            self.policy.guard.waited(self.client)
        return self.buffered

    async def _slow_down(self) -> None:
        """Many errors: what was said is heard later, and nothing more is read meanwhile."""
        if self._errors > self._slowed:
            self._slowed = self._errors
            if self._errors > self.settings.soft_error_limit and not self.record.draining:
                await self._clock.sleep(self.settings.error_sleep)
        elif self._errors < self._slowed:
            self._slowed = self._errors

    async def _await_word(self, began: float) -> None:
        """More octets, or TimedOut; stress that comes meanwhile counts."""
        settings = self.settings
        step = max(settings.stress_timeout, settings.command_timeout * _STEP)
        while True:
            bound = min(settings.command_timeout, settings.stress_timeout if self.record.stressed else math.inf)
            left = began + bound - self._clock.monotonic()
            try:
                return await self._more(min(left, step))
            except TimedOut:
                if left <= step:
                    raise

    async def _next_command(self) -> bytes | None:
        """Wait for a line; None where the server wants to stop instead."""
        began = self._clock.monotonic()
        while (line := self._line(self.settings.line_length_limit)) is None:
            await self._await_word(began)
            if self.record.draining and self.transaction is None:
                return None
        return line

    async def _command(self, line: bytes) -> None:
        if line.endswith(b"\r\n"):
            line = line[:-2]
        elif self.settings.bare_newlines == "normalize":
            line = line[:-1]
        else:
            return self.answer(BARE_NEWLINE)
        verb, argument = parse_command(line)
        command = COMMANDS.get(verb)
        if command is None:
            return self.leave(NOT_MAIL) if verb in FOREIGN else self.answer(UNRECOGNIZED)
        self.record.doing = verb
        if self.denied is not None and verb != "QUIT":  # RFC 5321 section 3.1
            return self.answer(DENIED)
        return await command(self, argument)

    def greet(self) -> None:
        """220, or why this client may do nothing but leave."""
        if self.denied is not None:
            return self.answer(self.denied)
        return self.say(f"220 {self.hostname} {'LMTP' if self.is_lmtp else 'ESMTP'}\r\n".encode())

    def answer(self, reply: Reply) -> None:
        """Say it, and count it where it is the client's error."""
        self.reply(reply)
        if reply.code in CLOSING:
            self.give_up()
        if reply.code >= 500:
            self._errors += 1
            many, settings = self._errors >= self.settings.error_limit, self.settings
            if not self._done and (many or (self.record.stressed and self._errors >= settings.stress_error_limit)):
                self.leave(TOO_MANY_ERRORS)
                if many:  # a few are no offence
                    self.policy.guard.error(self.client)

    def leave(self, reply: Reply) -> None:
        """Say it as the last thing."""
        self.reply(reply)
        self._done = True
        self._untimely = reply not in (SILENT, STOPPING)
        log.info("%s: %s", self.record, reply)

    def forgive(self) -> None:
        """A message was taken: errors are counted anew."""
        self._errors = 0

    def end_transaction(self) -> None:
        transaction, self.transaction = self.transaction, None
        self.tried = False
        self.incoming = None
        self._patience = self.settings.data_timeout
        if transaction is not None:
            transaction.abort()

    # --- what the commands ask for ---

    def discards(self, keyword: str) -> bool:
        """Whether that extension is switched off: then its command is not there either."""
        return keyword in self._switched_off

    @property
    def hello_first(self) -> Reply:
        return Reply(503, "5.5.1", f"Send {'LHLO' if self.is_lmtp else 'EHLO'} first")

    @property
    def may_start_tls(self) -> bool:
        context = self.context
        able = context.tls == "starttls" and context.tls_context is not None
        return able and self.tls is None and not self.discards("STARTTLS")

    @property
    def peer(self) -> Peer:
        return peer_of(self.context, self.tls)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What AUTH may be tried with now."""
        return () if self.is_lmtp or self.discards("AUTH") else self.authenticator.offered(self.peer)

    @property
    def may_auth(self) -> bool:
        return bool(self.mechanisms)

    async def ask(self, challenge: bytes, limit: int) -> bytes:
        """Say a line that wants an answer; the answer without its line end."""
        self.say(challenge)
        line = await self._await_line(limit, self.settings.command_timeout)
        return line.rstrip(b"\r\n")

    async def block(self, limit: int | None = None) -> bytes:
        """Octets of a message, as many as have come, at most `limit`. Waiting uses patience up, octets give it back: else one octet
        in three minutes would hold a session for years."""
        if not self._input:
            began = self._clock.monotonic()
            await self._more(
                min(self._patience, self.settings.stress_timeout) if self.record.stressed else self._patience
            )
            self._patience -= self._clock.monotonic() - began
        block = self._take(limit)
        regained = self._patience + len(block) / self.settings.min_data_rate
        self._patience = min(regained, self.settings.data_timeout)
        return block

    @property
    def is_lmtp(self) -> bool:
        return self.context.service == "lmtp"

    def flush(self) -> None:
        """Send what is to be said at once, not with what follows: a message on disk is told before anything can part us."""
        self._flush()

    def resume(self, rest: bytes) -> None:
        """The message is over; `rest` is commands again."""
        self._put_back(rest)

    @property
    def may_xclient(self) -> bool:
        return self.proxy in self.policy.xclient_hosts and not self.discards("XCLIENT")

    @property
    def may_xforward(self) -> bool:
        return self.proxy in self.policy.xforward_hosts and not self.discards("XFORWARD")

    async def become(
        self, *, client: str, port: int, helo: str, login: str, told: ClientName | None, extended: bool
    ) -> Reply | None:
        """Another client is there than it seemed; the session begins anew. A refusal where that one may not come in."""
        self.end_transaction()
        self.record.moved(client, port)
        self.client, self.helo, self.extended = client, "", extended
        self.caller.close()
        self.caller = self._caller(told)
        self.offered = {}
        self.record.login = login
        refusal = self.policy.guard.connected(client, self.context.service)
        self.denied = None if refusal else await self._met("client")
        return refusal or (await self.introduce(helo, extended) if helo and self.denied is None else None)

    async def introduce(self, hostname: str, extended: bool) -> Reply | None:
        """The client says who it is; a refusal, or None."""
        before = self.helo, self.extended
        self.helo, self.extended = hostname, extended
        refusal = await self._met("helo")
        if refusal is not None:
            self.helo, self.extended = before
        return refusal

    def _caller(self, told: ClientName | None) -> Caller:
        made = self.policy.caller(self.client, told)
        local = self._net.get_extra_info("sockname")
        made.port, made.local = (
            self.record.port,
            (str(local[0]), int(local[1])) if isinstance(local, tuple) else ("", 0),
        )
        return made

    async def _met(self, stage: str) -> Reply | None:
        return await self.policy.met(stage, self.origin(False), self.context.service, self.caller)

    @property
    def buffered(self) -> bool:
        """Whether the client has said more than was read."""
        return bool(self._input)

    def origin(self, smtputf8: bool) -> Origin:
        """RFC 3848 and RFC 6531 section 4.3 name the protocol."""
        if self.extended:
            base = ("UTF8" if smtputf8 else "") + ("LMTP" if self.is_lmtp else "SMTP" if smtputf8 else "ESMTP")
            protocol = f"{base}{'S' if self.tls_name else ''}{'A' if self.record.login else ''}"
        else:
            protocol = "SMTP"
        return Origin(protocol, self.client, self.helo, self.record.login, self.tls_name)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands, then begin anew (RFC 3207 section 4.2): whoever was there before may have been another, who signed in.
        The caller has seen to it that nothing is buffered."""
        self.end_transaction()
        await self._start_tls(context)
        self.helo, self.extended, self.offered, self.record.login = "", False, {}, ""
        self.tls_name = tls.describe(self.tls)

    def finish(self) -> None:
        """What was said is the last thing, and the client knows."""
        self._done = True

    def give_up(self) -> None:
        """The reply that follows is the last one."""
        self._done = self._untimely = True
