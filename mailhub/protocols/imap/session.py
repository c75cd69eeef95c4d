"""The life of an IMAP connection: greeting, one command after another, updates, goodbye. What commands do is elsewhere."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any, TypeVar

from mailhub.config.schema import Imap
from mailhub.directory import Account, Authenticator, Peer
from mailhub.mailbox.service import AccountMail, FolderView, Mailboxes, MessageFile
from mailhub.model.errors import MailError, NotFound
from mailhub.net.stream import ConnectionLost, Stream
from mailhub.protocols.session import SessionContext, peer_of
from mailhub.wire.imap import responses
from mailhub.wire.imap.commands import Command
from mailhub.wire.imap.framing import Literal

from . import answers, notify, rules, sync, telling
from .answers import Answer, Refused
from .capabilities import Facts, announced
from .contexts import Contexts
from .reader import Hopeless, Reader, Unreadable
from .sections import LastTree
from .states import State

log = logging.getLogger("mailhub.imap")
T = TypeVar("T")

PROGRESS = 10.0  # seconds without a word, after which a command says that it is under way


def serve(
    stream: Stream, context: SessionContext[Imap], mailboxes: Mailboxes, authenticator: Authenticator
) -> Coroutine[Any, Any, None]:
    """Talk to one client until one of the two has had enough. Errors of our own are raised after a BYE."""
    return ImapSession(stream, context, mailboxes, authenticator).run()


class ImapSession:
    """One connection. Handlers of commands get it whole; `view` is there in the state SELECTED, `account` after login."""

    def __init__(
        self, stream: Stream, context: SessionContext[Imap], mailboxes: Mailboxes, authenticator: Authenticator
    ) -> None:
        self.stream, self.context, self.mailboxes, self.authenticator = stream, context, mailboxes, authenticator
        self.config, self.clock = context.settings, context.clock
        self.reader = Reader(stream, self.config, self.patiently)
        self.literal: Literal | None = None  # the first of the APPEND or REPLACE under way
        self.login_failures = 0
        self.last_tree = LastTree()
        self.contexts = Contexts()
        self.tag = b""  # of the command under way
        self.enabled: frozenset[str] = frozenset()  # in capitals (RFC 5161)
        self.watch: notify.Watch | None = None
        self._account: AccountMail | None = None
        self._view: FolderView | None = None
        self._errors = 0
        self._over = False
        self._busy = False
        self._draining = False
        self._behind = False  # the client was told a HIGHESTMODSEQ that leaves out expunges which wait
        self._silent_since = 0.0
        self._login_until = self.clock.monotonic() + self.config.login_timeout

    # --- what handlers look at and use

    @property
    def state(self) -> State:
        if self._view is not None:
            return State.SELECTED
        return State.NOT_AUTHENTICATED if self._account is None else State.AUTHENTICATED

    @property
    def account(self) -> AccountMail:
        assert self._account is not None  # by the table of states
        return self._account

    @property
    def view(self) -> FolderView:
        assert self._view is not None  # by the table of states
        return self._view

    @property
    def selected(self) -> FolderView | None:
        return self._view

    @property
    def secure(self) -> bool:
        return self.stream.tls is not None

    @property
    def passwords_allowed(self) -> bool:
        return self.secure or self.context.auth.allow_plaintext

    @property
    def peer(self) -> Peer:
        return peer_of(self.context, self.stream.tls)

    @property
    def may_start_tls(self) -> bool:
        return (
            not self.secure
            and not self.stream.deflated
            and self.context.tls == "starttls"
            and self.context.tls_context is not None
        )

    def capabilities(self) -> str:
        """The keywords that hold now."""
        return announced(
            Facts(
                self._account is not None,
                self.may_start_tls,
                self.passwords_allowed,
                () if self._account is not None else self.authenticator.offered(self.peer),
                self.config.append_limit,
                self.config.message_limit,
            )
        )

    @property
    def rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051) and not IMAP4rev1."""
        return "IMAP4REV2" in self.enabled

    @property
    def condstore(self) -> bool:
        """Whether the client knows mod-sequences, so that each change of flags comes with its own (RFC 7162 section 3.1)."""
        return not self.enabled.isdisjoint({"CONDSTORE", "QRESYNC"})

    @property
    def by_uid(self) -> bool:
        """Whether what is expunged is told by UID, as VANISHED (RFC 7162 section 3.2.10, RFC 9586 section 3.4)."""
        return not self.enabled.isdisjoint({"QRESYNC", "UIDONLY"})

    @property
    def uid_only(self) -> bool:
        """Whether message numbers are neither told nor taken (RFC 9586)."""
        return "UIDONLY" in self.enabled

    def enable(self, names: frozenset[str]) -> None:
        """From now on the client knows these (RFC 5161)."""
        self.enabled |= names
        self.reader.utf8 = not self.enabled.isdisjoint({"IMAP4REV2", "UTF8=ACCEPT"})

    def mailbox(self, name: str) -> bytes:
        """A mailbox name as this client reads it."""
        return responses.utf8_mailbox(name) if self.reader.utf8 else responses.mailbox(name)

    def read(self, file: MessageFile) -> None:
        """The client gets text of a message."""
        session = self.context.session
        self.mailboxes.trace.fetched(file.name, self.account.name, self.context.service, session.client)

    def log_in(self, account: Account) -> None:
        self._account = self.mailboxes.account(account.name)
        self.reader.authenticated = True
        self.context.session.login = account.name

    def log_out(self) -> None:
        """Nothing of the account is left in the session; it has the time of a fresh one to log in."""
        self.stop_watching()
        self.deselect()
        self._account = None
        self.reader.authenticated = self.reader.utf8 = False
        self.enabled, self.last_tree = frozenset(), LastTree()
        self.context.session.login = ""
        self._login_until = self.clock.monotonic() + self.config.login_timeout

    def select(self, view: FolderView) -> None:
        self.deselect()
        self._view = view
        if self.watch is not None:
            self.watch.selected_anew()

    def deselect(self) -> None:
        """Leave the selected mailbox, if there is one."""
        if self._view is not None:
            self._view.close()
            self._view = None
            self._behind = False
            self.contexts = Contexts()

    def stop_watching(self) -> None:
        """What happens elsewhere is told no more (RFC 5465)."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    async def flush(self) -> None:
        """Wait until the client has taken most of what was written; it has the session's timeout to do so."""
        try:
            async with self.clock.timeout(self.config.idle_timeout):
                await self.stream.drain()
        except TimeoutError:
            self.stream.abort()
            raise ConnectionLost("the client reads no more") from None

    async def progress(self, done: int, total: int) -> None:
        """Called now and then by a command that has nothing to say for long: the client shall not take it for dead (RFC 9585)."""
        now = self.clock.monotonic()
        if now >= self._silent_since + PROGRESS and done < total:
            self._silent_since = now
            code = f'INPROGRESS ("{self.tag.decode("ascii")}" {done} {total})'
            self.write(responses.untagged(f"OK [{code}] Still at it"))
            await self.flush()

    async def patiently(self, waiting: Awaitable[T]) -> T:
        """Wait for the client, as long as it may be silent. TimeoutError ends the session."""
        record, now = self.context.session, self.clock.monotonic()
        seconds = self.config.idle_timeout if self._account is not None else max(0.0, self._login_until - now)
        record.silent_since = now
        async with self.clock.timeout(seconds):
            came = await waiting
        record.silent_since = 0.0
        return came

    def goodbye(self, text: str, code: str = "") -> None:
        """BYE; the session is over after the command under way."""
        if not self._over:
            self._over = True
            self.write(b"* " + responses.state("BYE", text, code))

    # --- life

    async def run(self) -> None:
        record = self.context.session
        record.on_abort(self.stream.abort)
        self.write(b"* " + responses.state("OK", f"{self.context.hostname} ready", f"CAPABILITY {self.capabilities()}"))
        record.on_drain(self._drain)
        try:
            while not self._over:
                await self._next()
                if self._draining:
                    self._shut()
            await self.flush()
        except ConnectionLost:
            log.debug("%s: connection lost", record)
        except TimeoutError:
            self.goodbye("Too long without a word")
        except Hopeless as error:
            self.goodbye(error.text, error.code)
        except asyncio.CancelledError:
            raise
        except Exception:
            self.goodbye("Internal error, see the server's log", "SERVERBUG")
            raise
        finally:
            self.stop_watching()
            self.deselect()
            self.stream.close()
            record.end()
            del self.reader  # it leads back here

    def _drain(self) -> None:
        """The server stops. A command under way ends first; a client that is silent, or in IDLE, is told at once."""
        self._draining = True
        if not self._busy:
            self._shut()
            self.stream.close()

    def _shut(self) -> None:
        self.goodbye(self.context.session.farewell, "UNAVAILABLE")

    async def _next(self) -> None:
        try:
            request = await self.reader.request(self._opening)
        except Unreadable as error:
            self._answer(error.tag or b"*", error.answer)
            return await self.flush()
        self._busy = True
        try:
            self.literal, self.tag = request.literal, request.command.tag
            await self._carry_out(request.command)
            await self.flush()
        finally:
            self._busy = False

    async def _opening(self) -> bytes:
        """The next line; where NOTIFY asks for it, what happens meanwhile is told."""
        if self.watch is None:
            return await self.reader.raw_line()
        self._busy = True
        try:
            return await telling.until_said(self, idle=False)
        except NotFound:
            raise Hopeless("The selected mailbox is gone") from None
        finally:
            self._busy = False

    async def _carry_out(self, command: Command) -> None:
        rule = rules.RULES[type(command.verb)]
        self._silent_since = self.clock.monotonic()
        self.context.session.doing, self.tag = command.name, command.tag
        try:
            if self.state not in rule.states:
                await self._pass_literal()
                answer = answers.bad(f"{command.name} is not for this state")
            elif self.uid_only and rules.uses_numbers(command.verb):
                await self._pass_literal()
                answer = Answer("BAD", "Messages are named by UID", "UIDREQUIRED")
            else:
                if self._view is not None:
                    await self._view.check_rights()
                answer = await rule.carry_out(self, command.verb)
        except Refused as refused:
            answer = refused.answer
        except Unreadable as error:
            answer = error.answer
        except MailError as error:
            log.info("%s: %s: %s", self.context.session, command.name, error)
            answer = answers.of_error(error)
        finally:
            self.context.session.doing = ""
        await self._tell(command)
        self._answer(command.tag, answer)
        if rule.after is not None and answer.status == "OK":
            await rule.after(self)

    async def _tell(self, command: Command) -> None:
        try:
            await telling.tell(self, expunges=rules.tells_expunges(command.verb))
            self._tell_progress()
        except NotFound:
            self.deselect()
            self.goodbye("The selected mailbox is gone")
        except MailError as error:
            log.warning("%s: no updates: %s", self.context.session, error)

    def _tell_progress(self) -> None:
        """RFC 7162 section 3.2: while expunges wait, the client is not at the mod-sequences that it was told; then it is again."""
        if self._view is not None and self.condstore:
            behind = self._view.told < self._view.folder.modseq
            if behind or self._behind:
                self.write(sync.highest(self._view))
            self._behind = behind

    async def _pass_literal(self) -> None:
        if self.literal is not None:
            await self.reader.skip(self.literal)

    def _answer(self, tag: bytes, answer: Answer) -> None:
        self.write(responses.tagged(tag, answer.status, answer.text, answer.code))
        if answer.status == "BAD":
            self._errors += 1
            if self._errors >= self.config.error_limit:
                self.goodbye("Too many errors")

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, a drain ends the session at once: the command only waits for the client (IDLE, a challenge)."""
        self._busy = False
        if self._draining:
            self._drain()
        try:
            yield
        finally:
            self._busy = True
