"""A whole mail server in the event loop of a test.

Virtual time by default: what takes five days in life takes milliseconds here, and nothing is left to chance. It has no
outside: names resolve only as an `Internet` says.
"""

import asyncio
import contextlib
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from mailhub.config.capture import Capture
from mailhub.config.schema import Config, Greylist, History, Listener, Queue, Resolver
from mailhub.message.reading import Message
from mailhub.model import ids
from mailhub.model.address import key
from mailhub.model.clock import Clock, SystemClock, VirtualClock
from mailhub.model.mailbox import KEYWORD_SHIFT, SYSTEM_FLAGS, Changed, Folder
from mailhub.net.local import Machine

from .clock import AsyncTestClock
from .hub_faults import HubFaults
from .inbox import Inbox, Pattern, Wanted, explained
from .recording import Recording, door, play, read
from .taps import TappedHub, Traffic
from .waiting import Waiting

DOORS = (
    Listener(protocol="smtp", tls="none"),  # many clients use STARTTLS where they see it, and nobody vouches for us
    Listener(protocol="submission"),
    Listener(protocol="submission", tls="implicit", name="submissions"),
    Listener(protocol="pop3"),
    Listener(protocol="pop3", tls="implicit"),
    Listener(protocol="imap"),
    Listener(protocol="imap", tls="implicit"),
)
PATIENCE = 5.0  # seconds of real time that `expect` waits
SETTLING = 30.0  # seconds of real time that `settled` waits
_HANGS = 0.5  # seconds of real time after which a delivery is taken to hang
_TOLD = 10  # messages of each kind in the story of a failure
_TURNS = 8  # turns of the loop in which what a client has sent reaches its session


class AsyncMailHub:
    """A mail server, empty and fresh. `async with AsyncMailHub() as hub:`, or the fixture `mailhub_async`.

    `domains`: those in which only accounts made by `add_account` exist; mail to any other address is taken and gets a mailbox,
    and every password is right there. `capture` false: only `domains` are ours, all else is relayed; `capture_settings`: how it is captured. `clock`: a
    `VirtualClock` shared with others, or a `SystemClock` for real time. `latency`: seconds of real time
    that what SMTP clients say is on its way. `unix`: the doors are sockets in its folder (`path`), and there are no ports. `options`: sections of the configuration, by their
    names (`queue=Queue(...)`; docs/operator.md has them all).
    """

    def __init__(
        self,
        *domains: str,
        capture: bool = True,
        capture_settings: Capture | None = None,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        latency: float = 0.0,
        unix: bool = False,
        **options: Any,
    ) -> None:
        self.host = host
        self._system = SystemClock()
        self._time: Clock = clock or VirtualClock(self._system.now())
        self.clock = AsyncTestClock(self._time)
        options.setdefault("hostname", "mailhub.test")
        options.setdefault("listener", tuple(_door(door, host, unix) for door in DOORS))
        options.setdefault("greylist", Greylist(enabled=False))
        options.setdefault("history", History(enabled=False))  # which would slow the passing of virtual days
        options.setdefault("queue", Queue(jitter=0.0))  # nothing is left to chance
        options.setdefault("resolver", Resolver(nameservers=(f"{host}:9",), timeout=0.2, tries=1))  # nobody is there
        if capture:
            options.setdefault("mode", "capture")
            options["capture"] = msgspec.structs.replace(capture_settings or Capture(), strict_domains=domains)
        self._options = {**options, "domains": domains or (options["hostname"],)}
        self._folder: Path | None = None
        self._handed_out: set[tuple[int, int]] = set()
        self._known: dict[tuple[int, int], Message] = {}
        self._changed = asyncio.Event()
        self._traffic = Traffic(latency)
        self.faults = HubFaults(self._time)
        self.hub: TappedHub

    # --- life ---

    async def start(self) -> None:
        """Return when every door is open."""
        self._folder = _new_folder()
        try:
            config = Config(data=str(self._folder / "var"), **self._options)
            self.hub = TappedHub(config, clock=self._time, machine=Machine())
            self.hub.traffic, self.hub.doors = self._traffic, self.faults.doors
            await self.hub.start()
            self.faults.attach(self.hub, self._folder)
        except BaseException:
            self._forget_files()
            raise
        self.loop = asyncio.get_running_loop()
        self.hub.store.mailboxes.subscribe(self._mailboxes_changed)

    async def stop(self) -> None:
        """Cut what is under way, close, and leave nothing behind."""
        try:
            await self.hub.stop(0.0)
        finally:
            self._forget_files()

    def _forget_files(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- where it is ---

    def port(self, name: str = "smtp") -> int:
        """The port of "smtp", "submission", "submissions", "pop3", "pop3s", "imap" or "imaps"."""
        return self.hub.port(name)

    def path(self, name: str = "smtp") -> str:
        """The socket of that door, of a server with `unix`."""
        return next(door.config.path for door in self.hub.listeners if door.config.label == name)

    def client_tls(self) -> ssl.SSLContext:
        """A client's context that trusts this server's certificate, or the authority of its internet, and no other."""
        authority = self.hub.config.relay.tls_ca or str(self.hub.data / "tls" / "certificate.pem")
        return ssl.create_default_context(cafile=authority)

    async def add_account(self, address: str, password: str = "password") -> None:
        """An account of one of `domains`, or with a password that is checked."""
        await self.hub.directory.add_account(address, password)

    async def add_alias(self, address: str, *targets: str) -> None:
        """Mail to `address` goes to all `targets`."""
        await self.hub.directory.set_alias(address, targets)

    # --- what has arrived ---

    async def inbox(self, address: str, folder: str = "INBOX") -> Inbox:
        """The messages in a folder of that address, oldest first. Of an address that had no mail: empty."""
        name = key(address)
        if await self.hub.directory.stored(name) is None:
            return Inbox(name, ())
        found = [message for message in await self._messages(name) if message.folder == folder]
        return Inbox(name, sorted(found, key=_age))

    async def messages(self) -> list[Message]:
        """All messages of all mailboxes, oldest first."""
        found: list[Message] = []
        page = await self.hub.directory.accounts()
        while page:
            for account in page:
                found += await self._messages(account.name)
            page = await self.hub.directory.accounts(page[-1].name)
        return sorted(found, key=_age)

    async def expect(
        self,
        *,
        to: str = "",
        sender: str = "",
        subject: Pattern | None = None,
        text: Pattern | None = None,
        folder: str = "",
        timeout: float = PATIENCE,
    ) -> Message:
        """The oldest message that is so and was not handed out before; waits for it, `timeout` seconds of real time.

        `to`: whose mailbox it is in, or an address in To or Cc. `sender`: of the envelope or in From. `subject` and `text`: a part,
        in any case, or a compiled pattern. AssertionError tells what did arrive, and what waits in the queue.
        """
        wanted = Wanted(to, sender, subject, text, folder)
        try:
            async with self._system.timeout(timeout):
                while True:
                    self._changed.clear()
                    await self._let_deliveries_end()
                    if (found := self._pick(wanted, await self.messages())) is not None:
                        return found
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(await self._missed(wanted, timeout)) from None

    async def _let_deliveries_end(self) -> None:
        """So that of two messages the one sent first is found first. A delivery that hangs is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with self._system.timeout(_HANGS):
                await self.hub.queue.idle()

    def _pick(self, wanted: Wanted, messages: Sequence[Message]) -> Message | None:
        for message in messages:
            if (place := _place(message)) not in self._handed_out and not wanted.misses(message):
                self._handed_out.add(place)
                return message
        return None

    async def _missed(self, wanted: Wanted, timeout: float) -> str:
        left = [message for message in await self.messages() if _place(message) not in self._handed_out]
        queued = "".join(f"\n  {item}" for item in await self.waiting())
        queued = f"\nin the queue:{queued}" if queued else ""
        return f"no message {wanted} within {timeout:g} s; {explained(wanted, left)}{queued}"

    async def _messages(self, account: str) -> list[Message]:
        found: list[Message] = []
        for folder in await self.hub.store.mailboxes.folders(account):
            view = await self.hub.store.mailboxes.view(folder.id)
            found += [await self._message(folder, uid) for uid in view.uids]
        return found

    async def _message(self, folder: Folder, uid: int) -> Message:
        """As it is now; its text is read once."""
        (row,) = await self.hub.store.mailboxes.rows(folder.id, (uid,), rendered=False)
        known = self._known.get((folder.id, uid))
        if known is None:
            async with await self.hub.store.mailboxes.open(folder.id, uid) as file:
                raw = await file.read(0, file.size)
        else:
            raw = known.raw
        flags = _flags(row.flags, folder.keywords)
        if known is None or (known.flags, known.folder) != (flags, folder.name):
            known = Message(folder.account, folder.name, uid, raw, flags, float(row.date), folder.id, row.file)
            self._known[folder.id, uid] = known
        return known

    def _mailboxes_changed(self, changed: Sequence[Changed]) -> None:
        self._changed.set()

    # --- what is under way ---

    async def settled(self, timeout: float = SETTLING) -> None:
        """Return when nothing is in flight: no client is in the middle of a message, nothing is under delivery, and nothing is
        due before the clock moves. AssertionError after `timeout` seconds of real time, with what is in flight."""
        try:
            async with self._system.timeout(timeout):
                while not await self._is_quiet():
                    pass
        except TimeoutError:
            under_way = ", ".join(self._traffic.mail_under_way) or "a delivery"
            raise AssertionError(f"not settled within {timeout:g} s of real time: {under_way}") from None

    @property
    def heard(self) -> int:
        """How often an SMTP client has said something; where it stays the same nothing has come in."""
        return self._traffic.heard

    async def _is_quiet(self) -> bool:
        """Wait for one thing that is in flight; True where nothing was."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._traffic.moved.clear()
        if self._traffic.mail_under_way:
            await self._traffic.moved.wait()
            return False
        if self.hub.commits:
            await asyncio.wait(self.hub.commits)
            return False
        before = self._changed.is_set()
        await self.hub.queue.idle()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        return not self._traffic.mail_under_way and not self.hub.commits and before == self._changed.is_set()

    async def waiting(self) -> list[Waiting]:
        """What is in the queue, with the reason it waits for and the time of its next attempt."""
        from mailhub.control import words

        found: list[words.QueuedMessage] = []
        while page := await self.hub.control.perform(words.QueueList(after=found[-1].id if found else "")):
            found += page
        now = self._time.now()
        return [
            Waiting(message.id, message.sender, to.address, to.state, to.attempts, to.last, max(0.0, to.due - now))
            for message in found
            for to in message.recipients
        ]

    async def flush(self) -> None:
        """Try all that is deferred now, and return when that has ended."""
        from mailhub.control import words

        after = ""
        while step := await self.hub.control.perform(words.QueueRetry(which=words.Which(), after=after)):
            if not (after := step.after):
                break
        await self.hub.queue.idle()

    async def trace(self, message: Message | str) -> list[str]:
        """Every step of a message that arrived, or of a queue id, a Message-ID or an address: session, attempts, the file it
        became, who fetched it."""
        from mailhub.control import words

        what = message if isinstance(message, str) else message.queue_id
        traced = await self.hub.control.perform(words.TraceFind(what=what))
        return [f"{one.id or '-'} {step.stage}: {step.text}" for one in traced.messages for step in one.steps]

    async def story(self) -> str:
        """What a person wants to know when a test has failed: the messages that arrived last and those that wait, each with its way.
        TimeoutError where the server hangs."""
        lines: list[str] = []
        async with self._system.timeout(PATIENCE):
            for message in (await self.messages())[-_TOLD:]:
                lines += [f"arrived: {message}", *await self._way(message.queue_id)]
            for item in (await self.waiting())[-_TOLD:]:
                lines += [f"in the queue: {item}", *await self._way(item.queue_id)]
        return "\n".join(lines) or "no message came in"

    async def _way(self, queue_id: str) -> list[str]:
        return [f"    {step}" for step in await self.trace(queue_id)] if queue_id else []

    @contextlib.contextmanager
    def record(self) -> Iterator[Recording]:
        """`with hub.record() as recording:`, and then `recording.save("tests/login.txt")`: what sessions that begin meanwhile say."""
        recording = Recording()
        self._traffic.recordings.add(recording)
        try:
            yield recording
        finally:
            self._traffic.recordings.discard(recording)

    async def replay(self, transcript: str | Path) -> None:
        """Play a saved transcript (its text, or its file) against this server; AssertionError at the first answer that is another."""
        text = read(transcript)
        await play(text, self.host, self.port(door(text)))


def _new_folder() -> Path:
    """In memory where there is such a file system: nothing has to survive a power loss here."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="mailhub-", dir=memory if memory.is_dir() else None))


def _door(door: Listener, host: str, unix: bool) -> Listener:
    changed: dict[str, Any] = {"path": door.label} if unix else {"address": host}
    return msgspec.structs.replace(door, **changed)


def _place(message: Message) -> tuple[int, int]:
    return message.folder_id, message.uid


def _age(message: Message) -> tuple[float, int, int]:
    """Of two that came within a second, that one is older which was accepted first."""
    return message.received, ids.number(message.queue_id or "0"), message.uid


def _flags(number: int, keywords: Sequence[str]) -> tuple[str, ...]:
    system = [name for name, bit in SYSTEM_FLAGS.items() if number & bit]
    return (*system, *(name for n, name in enumerate(keywords) if number >> KEYWORD_SHIFT + n & 1))
