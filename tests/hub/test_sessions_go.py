"""Sessions that are over leave nothing behind: no object that Python's search for garbage has to find, no timer."""

import asyncio
import gc
from collections import Counter
from pathlib import Path

from support.hubs import PASSWORD, running, until

from mailhub.config.schema import Auth, Listener
from mailhub.hub import Hub
from mailhub.mailbox.service import FolderView
from mailhub.model.clock import VirtualClock
from mailhub.net.stream import Stream
from mailhub.protocols.imap.session import ImapSession
from mailhub.protocols.pop3.session import Pop3Session
from mailhub.protocols.session import Session

ALICE = "alice@mailhub.test"
SESSIONS = 20
KINDS = (Session, Stream, ImapSession, Pop3Session, FolderView)
SAID = {
    "pop3": (f"USER {ALICE}", f"PASS {PASSWORD}", "STAT", "QUIT"),
    "imap": (f't LOGIN "{ALICE}" "{PASSWORD}"', "t SELECT INBOX", "t IDLE", "DONE", "t LOGOUT"),
    "managesieve": ("LOGOUT",),
}


async def visit(hub: Hub, protocol: str, *, rude: bool) -> None:
    """All of a session; a rude client goes without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port(protocol))
    for line in SAID[protocol][: -1 if rude else None]:
        writer.write(line.encode() + b"\r\n")
        await reader.readline()
    if not rude:
        await reader.read()
    writer.close()
    await writer.wait_closed()


def alive() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in KINDS)


def timers(clock: VirtualClock) -> int:
    return sum(entry.callback is not None for _, _, entry in clock._heap)


async def test_neither_objects_nor_timers_are_left(tmp_path: Path) -> None:
    clock, auth = VirtualClock(), Auth(allow_plaintext=True, failure_delay=0)
    doors = tuple(Listener(protocol=name, tls="none") for name in SAID)
    async with running(tmp_path, ALICE, clock=clock, auth=auth, listener=doors) as hub:

        async def visits(count: int) -> None:
            for number in range(count):
                for protocol in SAID:
                    await visit(hub, protocol, rude=bool(number % 2))
            await until(lambda: not len(hub.sessions))
            for _ in range(3):  # transports are told of the end of their connection at the loop's next turn
                await asyncio.sleep(0)

        await visits(2)
        gc.collect()
        gc.disable()
        try:
            before, rung = alive(), timers(clock)
            await visits(SESSIONS)
            assert alive() - before == Counter()
            assert timers(clock) <= rung
        finally:
            gc.enable()
