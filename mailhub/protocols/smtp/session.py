"""The commands of SMTP and submission and the order they come in (RFC 5321 section 4.1.4, RFC 6409).

Each command checks syntax and state, asks the policy, and answers. Adding one: a method `smtp_VERB` with a docstring that
is its line in HELP; it is found by its name.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from mailhub.config import schema
from mailhub.directory import Directory
from mailhub.model.envelope import Origin, Recipient
from mailhub.model.reply import Reply
from mailhub.net import tls
from mailhub.policy import Policy, Transaction
from mailhub.wire.smtp import SyntaxRefused, greeting, mail_parameters, parse_command, parse_path, recipient_parameters

from ..session import SessionContext
from . import auth, content
from .channel import Channel, ConnectionLost, TimedOut
from .extensions import offered

log = logging.getLogger("mailhub.protocols.smtp")

BURST: Final = 64  # pipelined commands after which other sessions get their turn

OK = Reply(250, "2.0.0", "Ok")
BYE = Reply(221, "2.0.0", "Bye")
NO_ARGUMENT = Reply(501, "5.5.4", "That command takes no argument")
UNRECOGNIZED = Reply(500, "5.5.1", "Command not recognized")
NOT_MAIL = Reply(500, "5.5.1", "This is a mail server, goodbye")
BARE_NEWLINE = Reply(500, "5.5.2", "A command must end with CR LF")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST = Reply(503, "5.5.1", "Send RCPT first")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NESTED = Reply(503, "5.5.1", "MAIL was given already")
HELLO_SYNTAX = Reply(501, "5.5.4", "Syntax: EHLO hostname")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
BAD_SENDER = Reply(501, "5.1.7", "Bad sender address syntax")
TLS_FIRST = Reply(530, "5.7.0", "Send STARTTLS first")
AUTH_FIRST = Reply(530, "5.7.0", "Authentication required")
NO_PLAINTEXT = Reply(538, "5.7.11", "Encryption required for authentication")
AUTH_TWICE = Reply(503, "5.5.1", "Already authenticated")
AUTH_LATE = Reply(503, "5.5.1", "Not during a mail transaction")
AUTH_SYNTAX = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
NO_AUTH = Reply(502, "5.5.1", "Authentication not available")
NO_TLS = Reply(502, "5.5.1", "TLS not available")
TLS_READY = Reply(220, "2.0.0", "Ready to start TLS")
INJECTED = Reply(501, "5.5.1", "STARTTLS must be the last command of a group, goodbye")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take a message and try to deliver it")
NO_EXPN = Reply(502, "5.5.1", "EXPN not available")
STOPPING = Reply(421, "4.3.2", "Service shutting down, try again later")
SILENT = Reply(421, "4.4.2", "Timeout, closing the connection")
BROKEN = Reply(421, "4.3.0", "Internal trouble, try again later")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_FAILURES = Reply(421, "4.7.0", "Too many authentication failures")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands in one session")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in one session")

# What a browser says that was made to talk to us, or a proxy scanner; the rest of it would be taken for commands.
FOREIGN = frozenset(("CONNECT", "GET", "HEAD", "OPTIONS", "POST", "PUT"))


class SmtpSession(Channel):
    """One client. `context.service`: "smtp" (the MX) or "submission", where nobody sends mail without signing in."""

    def __init__(self, context: SessionContext[schema.Smtp], policy: Policy, directory: Directory) -> None:
        super().__init__(context)
        self.settings: schema.Smtp = context.settings
        self.policy, self.directory = policy, directory
        self.helo = ""
        self.extended = False
        self.client = ""
        self.transaction: Transaction | None = None
        self._tls_name = ""
        self._tried = False  # a recipient was named in this transaction
        self._done = False
        self._untimely = False  # we end the session while the client may be talking
        self._errors = 0
        self._auth_failures = 0
        self._messages = 0

    # --- the loop ---

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except ConnectionLost:
            log.debug("%s: the client is gone", self.record)
        except TimedOut:
            self._leave(SILENT)
        except Exception:
            log.exception("%s: the session crashed in %s", self.record, self.record.doing)
            self._leave(BROKEN)
        finally:
            self._end_transaction()
            with contextlib.suppress(ConnectionLost):
                self._hang_up() if self._untimely else self._close()
        await self._gone

    async def _converse(self) -> None:
        peer = self._net.get_extra_info("peername")
        self.client = self.record.client or (str(peer[0]) if peer else "")
        self._tls_name = tls.describe(self.tls)
        self._say(f"220 {self.hostname} ESMTP\r\n".encode())
        settings = self.settings
        budget, burst = settings.command_limit, BURST
        while not self._done:
            if self.record.draining and self.transaction is None:
                self._leave(STOPPING)
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
                    self._leave(TOO_MANY_COMMANDS)
                    break
                if burst <= 0:
                    burst = BURST
                    await self._send(settings.command_timeout)
                    await asyncio.sleep(0)
                await self._command(line)
            except SyntaxRefused as refused:
                self._answer(refused.reply)

    async def _next_command(self) -> bytes | None:
        """Wait for a line; None where the server wants to stop instead."""
        until = self._clock.monotonic() + self.settings.command_timeout
        while (line := self._line(self.settings.line_length_limit)) is None:
            await self._more(until - self._clock.monotonic())
            if self.record.draining and self.transaction is None:
                return None
        return line

    async def _command(self, line: bytes) -> None:
        if line.endswith(b"\r\n"):
            line = line[:-2]
        elif self.settings.bare_newlines == "normalize":
            line = line[:-1]
        else:
            return self._answer(BARE_NEWLINE)
        verb, argument = parse_command(line)
        method = COMMANDS.get(verb)
        if method is None:
            return self._leave(NOT_MAIL) if verb in FOREIGN else self._answer(UNRECOGNIZED)
        self.record.doing = verb
        return await method(self, argument)

    def _answer(self, reply: Reply) -> None:
        """Say it, and count it where it is the client's error."""
        self._reply(reply)
        if reply.code >= 500:
            self._errors += 1
            if self._errors >= self.settings.error_limit and not self._done:
                self._leave(TOO_MANY_ERRORS)

    def _leave(self, reply: Reply) -> None:
        """Say it as the last thing."""
        self._reply(reply)
        self._done = True
        self._untimely = reply not in (SILENT, STOPPING)
        log.info("%s: %s", self.record, reply)

    def _end_transaction(self) -> None:
        transaction, self.transaction = self.transaction, None
        self._tried = False
        if transaction is not None:
            transaction.abort()

    # --- what auth, content and extensions ask for ---

    @property
    def may_start_tls(self) -> bool:
        return self.context.tls == "starttls" and self.context.tls_context is not None and self.tls is None

    @property
    def may_auth(self) -> bool:
        return self.tls is not None or self.context.auth.allow_plaintext

    async def ask(self, challenge: bytes, limit: int) -> bytes:
        """Say a line that wants an answer; the answer without its line end."""
        self._say(challenge)
        line = await self._await_line(limit, self.settings.command_timeout)
        return line.rstrip(b"\r\n")

    async def block(self) -> bytes:
        """Octets of a message, as many as have come."""
        if not self._input:
            await self._more(self.settings.data_timeout)
        return self._take()

    def resume(self, rest: bytes) -> None:
        """The message is over; `rest` is commands again."""
        self._put_back(rest)

    def give_up(self) -> None:
        """The reply that follows is the last one."""
        self._done = self._untimely = True

    # --- the commands ---

    async def smtp_EHLO(self, hostname: str) -> None:
        """EHLO hostname"""
        if self._hello(hostname, True):
            self._say(greeting(self.hostname, offered(self)))

    async def smtp_HELO(self, hostname: str) -> None:
        """HELO hostname"""
        if self._hello(hostname, False):
            self._say(greeting(self.hostname, ()))

    def _hello(self, hostname: str, extended: bool) -> bool:
        if not hostname or len(hostname) > 255 or not hostname.isascii() or " " in hostname:
            self._answer(HELLO_SYNTAX)
            return False
        self._end_transaction()
        self.helo, self.extended = hostname, extended
        return True

    async def smtp_STARTTLS(self, argument: str) -> None:
        """STARTTLS"""
        if argument:
            return self._answer(NO_ARGUMENT)
        if not self.may_start_tls or self.context.tls_context is None:
            return self._answer(NO_TLS)
        if self._input:
            return self._leave(INJECTED)
        self._end_transaction()
        self._reply(TLS_READY)
        await self._start_tls(self.context.tls_context())
        self.helo, self.extended = "", False
        self._tls_name = tls.describe(self.tls)
        return None

    async def smtp_AUTH(self, argument: str) -> None:
        """AUTH mechanism [initial-response]"""
        if not self.helo:
            return self._answer(HELLO_FIRST)
        if not self.may_auth:
            return self._answer(NO_PLAINTEXT if self.may_start_tls else NO_AUTH)
        if self.record.login:
            return self._answer(AUTH_TWICE)
        if self.transaction is not None:
            return self._answer(AUTH_LATE)
        if not argument:
            return self._answer(AUTH_SYNTAX)
        reply = await auth.authenticate(self, argument)
        self._answer(reply)
        if reply is auth.WRONG:
            self._auth_failures += 1
            if self._auth_failures >= self.context.auth.failure_limit:
                self._leave(TOO_MANY_FAILURES)
        return None

    async def smtp_MAIL(self, argument: str | None) -> None:
        """MAIL FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME] [SMTPUTF8] [AUTH=<>]"""
        if not self.helo:
            return self._answer(HELLO_FIRST)
        if self.context.service == "submission" and not self.record.login:
            return self._answer(AUTH_FIRST if self.may_auth else TLS_FIRST)
        if self.transaction is not None:
            return self._answer(NESTED)
        if argument is None or argument[:5].upper() != "FROM:":
            return self._answer(MAIL_SYNTAX)
        if self._messages >= self.settings.message_limit:
            return self._leave(TOO_MANY_MESSAGES)
        try:
            path, rest = parse_path(argument[5:])
        except SyntaxRefused:
            return self._answer(BAD_SENDER)
        parameters = mail_parameters(rest)
        transaction = self.policy.begin(self._origin(parameters.smtputf8))
        reply = await transaction.sender(
            path.address, size=parameters.size, body=parameters.body, smtputf8=parameters.smtputf8
        )
        if reply.ok:
            self.transaction = transaction
        return self._answer(reply)

    def _origin(self, smtputf8: bool) -> Origin:
        """RFC 3848 and RFC 6531 section 4.3 name the protocol."""
        if self.extended:
            base = "UTF8SMTP" if smtputf8 else "ESMTP"
            protocol = f"{base}{'S' if self._tls_name else ''}{'A' if self.record.login else ''}"
        else:
            protocol = "SMTP"
        return Origin(protocol, self.client, self.helo, self.record.login, self._tls_name)

    async def smtp_RCPT(self, argument: str | None) -> None:
        """RCPT TO:<address>"""
        if self.transaction is None:
            return self._answer(MAIL_FIRST if self.helo else HELLO_FIRST)
        if argument is None or argument[:3].upper() != "TO:":
            return self._answer(RCPT_SYNTAX)
        self._tried = True
        path, rest = parse_path(argument[3:])
        recipient_parameters(rest)
        if not path.address:
            return self._answer(RCPT_SYNTAX)
        reply = await self.transaction.recipient(Recipient(path.address), route=path.route)
        if not reply.ok:
            log.info("%s: recipient %r refused: %s", self.record, path.address, reply)
            if self.record.login:  # an honest client's list may hold many that are gone
                return self._reply(reply)
        return self._answer(reply)

    async def smtp_DATA(self, argument: str) -> None:
        """DATA"""
        if self.transaction is None:
            return self._answer(MAIL_FIRST if self.helo else HELLO_FIRST)
        if argument:
            return self._answer(NO_ARGUMENT)
        if not self.transaction.recipients:
            return self._answer(NO_RECIPIENTS if self._tried else RCPT_FIRST)
        self._reply(content.START)
        reply = await content.receive(self, self.transaction)
        self._end_transaction()
        if reply.ok:
            self._messages += 1
            self._errors = 0
        return self._answer(reply)

    async def smtp_RSET(self, argument: str) -> None:
        """RSET"""
        if argument:
            return self._answer(NO_ARGUMENT)
        self._end_transaction()
        return self._answer(OK)

    async def smtp_NOOP(self, argument: str) -> None:
        """NOOP [ignored]"""
        self._answer(OK)

    async def smtp_QUIT(self, argument: str) -> None:
        """QUIT"""
        if argument:
            return self._answer(NO_ARGUMENT)
        self._done = True
        return self._reply(BYE)

    async def smtp_VRFY(self, argument: str) -> None:
        """VRFY address"""
        self._answer(CANNOT_VERIFY if argument else Reply(501, "5.5.4", "Syntax: VRFY address"))

    async def smtp_EXPN(self, argument: str) -> None:
        """EXPN list"""
        self._answer(NO_EXPN)

    async def smtp_HELP(self, argument: str) -> None:
        """HELP [command]"""
        method = COMMANDS.get(argument.upper())
        if argument and method is None:
            return self._answer(Reply(504, "5.5.4", "No help for that"))
        lines = [method.__doc__ or ""] if method else ["Commands: " + " ".join(COMMANDS)]
        return self._answer(Reply(214, "2.0.0", "\n".join(lines)))


Method = Callable[[SmtpSession, str], Awaitable[None]]
COMMANDS: dict[str, Method] = {
    name.removeprefix("smtp_"): method for name, method in vars(SmtpSession).items() if name.startswith("smtp_")
}
