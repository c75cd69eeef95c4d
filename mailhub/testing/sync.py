"""The same server for tests that know no event loop: Django, Flask, unittest, scripts. It runs in a thread of its own."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mailhub.message.reading import Message

from .clock import AsyncTestClock
from .dns import DnsServer
from .hub_faults import HubFaults
from .inbox import Inbox, Pattern
from .internet import AsyncInternet
from .recording import Recording
from .remote import RemoteHost
from .server import PATIENCE, SETTLING, AsyncMailHub
from .waiting import Waiting

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread; servers come and go in it. `run(coroutine)` from any other thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="mailhub-testing", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result or its error, here."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


class MailHub:
    """A mail server in a thread: `with MailHub() as hub:`, or the fixture `mailhub`. See `AsyncMailHub` for `domains` and `options`;
    its methods are plain calls here."""

    def __init__(self, *domains: str, thread: LoopThread | None = None, **options: Any) -> None:
        self._domains, self._options = domains, options
        self._own = thread is None
        self._thread = thread or LoopThread()
        self._server: AsyncMailHub

    # --- life ---

    @classmethod
    def around(cls, server: AsyncMailHub, thread: LoopThread) -> Self:
        """Of a server that runs in that thread already, and is its maker's to stop."""
        hub = cls(thread=thread)
        hub._server = server
        return hub

    def start(self) -> None:
        """Return when every door is open."""
        self._server = self._thread.run(_made(self._domains, self._options))

    def stop(self) -> None:
        try:
            self._thread.run(self._server.stop())
        finally:
            if self._own:
                self._thread.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what AsyncMailHub does ---

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def clock(self) -> "TestClock":
        return TestClock(self._server.clock, self._thread)

    @property
    def faults(self) -> HubFaults:
        """What goes wrong, by script. Those of mailboxes are `break_mailbox` here."""
        return self._server.faults

    def break_mailbox(self, address: str) -> "MailboxBreaker":
        """`renumber()`, `vanish(folder)`, `full()`: what may happen to somebody's mailbox."""
        return MailboxBreaker(self._server, address, self._thread)

    def client_tls(self) -> ssl.SSLContext:
        """A client's context that trusts this server's certificate, and no other."""
        return self._server.client_tls()

    def port(self, name: str = "smtp") -> int:
        """The port of "smtp", "submission", "submissions", "pop3", "pop3s", "imap" or "imaps"."""
        return self._server.port(name)

    def path(self, name: str = "smtp") -> str:
        """The socket of that door, of a server with `unix`."""
        return self._server.path(name)

    def add_account(self, address: str, password: str = "password") -> None:
        """An account of one of `domains`, or with a password that is checked."""
        self._thread.run(self._server.add_account(address, password))

    def add_alias(self, address: str, *targets: str) -> None:
        """Mail to `address` goes to all `targets`."""
        self._thread.run(self._server.add_alias(address, *targets))

    def inbox(self, address: str, folder: str = "INBOX") -> Inbox:
        """The messages in a folder of that address, oldest first. Of an address that had no mail: empty."""
        return self._thread.run(self._server.inbox(address, folder))

    def messages(self) -> list[Message]:
        """All messages of all mailboxes."""
        return self._thread.run(self._server.messages())

    def expect(
        self,
        *,
        to: str = "",
        sender: str = "",
        subject: Pattern | None = None,
        text: Pattern | None = None,
        folder: str = "",
        timeout: float = PATIENCE,
    ) -> Message:
        """The oldest message that is so and was not handed out before; waits for it. See `AsyncMailHub.expect`."""
        found = self._server.expect(to=to, sender=sender, subject=subject, text=text, folder=folder, timeout=timeout)
        return self._thread.run(found)

    def settled(self, timeout: float = SETTLING) -> None:
        """Return when nothing is in flight. See `AsyncMailHub.settled`."""
        self._thread.run(self._server.settled(timeout))

    def waiting(self) -> list[Waiting]:
        """What is in the queue, with the reason it waits for and the time of its next attempt."""
        return self._thread.run(self._server.waiting())

    def flush(self) -> None:
        """Try all that is deferred now, and return when that has ended."""
        self._thread.run(self._server.flush())

    def trace(self, message: Message | str) -> list[str]:
        """Every step of a message that arrived, or of a queue id, a Message-ID or an address."""
        return self._thread.run(self._server.trace(message))

    def story(self) -> str:
        """The messages that arrived last and those that wait, each with its way: what the output of a failed test shows."""
        return self._thread.run(self._server.story())

    def record(self) -> AbstractContextManager[Recording]:
        """`with hub.record() as recording:`, and then `recording.save("tests/login.txt")`."""
        return self._server.record()

    def replay(self, transcript: str | Path) -> None:
        """Play a saved transcript (its text, or its file) against this server; AssertionError at the first answer that is another."""
        self._thread.run(self._server.replay(transcript))


class MailboxBreaker:
    """See `mailhub.testing.hub_faults.MailboxFaults`."""

    def __init__(self, server: AsyncMailHub, address: str, thread: LoopThread) -> None:
        self._faults, self._address, self._thread = server.faults.mailbox, address, thread

    def renumber(self, folder: str = "INBOX") -> None:
        self._thread.run(self._faults.renumber(self._address, folder))

    def vanish(self, folder: str) -> None:
        self._thread.run(self._faults.vanish(self._address, folder))

    def full(self) -> None:
        self._thread.run(self._faults.full(self._address))


class Internet:
    """`with Internet() as net:`, then `net.hub("a.test")` for each server. See `AsyncInternet`."""

    def __init__(self, *, thread: LoopThread | None = None, latency: float = 0.0) -> None:
        self._latency = latency
        self._own = thread is None
        self._thread = thread or LoopThread()

    def __enter__(self) -> Self:
        self._net = self._thread.run(_opened(self._latency))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thread.run(self._net.__aexit__(kind, error, trace))
        finally:
            if self._own:
                self._thread.close()

    @property
    def dns(self) -> DnsServer:
        """Zones, their failures, what was asked."""
        return self._net.dns

    @property
    def clock(self) -> "TestClock":
        return TestClock(self._net.clock, self._thread)

    def hub(self, *domains: str, **options: Any) -> MailHub:
        """A mail server for these domains. See `AsyncInternet.hub`."""
        return MailHub.around(self._thread.run(self._net.hub(*domains, **options)), self._thread)

    def remote(self, *domains: str, name: str = "", script: Mapping[str, Sequence[str]] | None = None) -> RemoteHost:
        """A host for these domains that does what `script` says."""
        return self._thread.run(self._net.remote(*domains, name=name, script=script))

    def publish_mta_sts(self, domain: str, *, mode: str = "enforce", mx: str = "", max_age: int = 604_800) -> None:
        """A policy of that domain. See `AsyncInternet.publish_mta_sts`."""
        self._net.publish_mta_sts(domain, mode=mode, mx=mx, max_age=max_age)

    def withdraw_mta_sts(self, domain: str) -> None:
        """No record and no policy any more: who knows the old one obeys it until it expires."""
        self._net.withdraw_mta_sts(domain)

    def settled(self) -> None:
        """Return when nothing is in flight in any of the servers."""
        self._thread.run(self._net.settled())


async def _opened(latency: float) -> AsyncInternet:
    return await AsyncInternet(latency=latency).__aenter__()


class TestClock:
    """`hub.clock.advance(days=5)`: all that would happen in that time happens now, in its order."""

    __test__ = False  # for pytest: no class of tests

    def __init__(self, clock: AsyncTestClock, thread: LoopThread) -> None:
        self._clock, self._thread = clock, thread

    def now(self) -> float:
        """Seconds since 1970 on the server's clock."""
        return self._clock.now()

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Go on by so much; what that sets off has ended at the return."""
        self._thread.run(self._clock.advance(seconds, minutes=minutes, hours=hours, days=days))


async def _made(domains: tuple[str, ...], options: dict[str, Any]) -> AsyncMailHub:
    """In the loop it will live in."""
    server = AsyncMailHub(*domains, **options)
    await server.start()
    return server
