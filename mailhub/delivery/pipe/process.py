"""A program in a session of its own, fed and heard through pipes.

It is started in a thread, as asyncio's own way of starting programs knows no users under uvloop; its end is told by the
kernel (a pidfd) where it can, else by a thread that waits.
"""

import asyncio
import contextlib
import grp
import os
import pwd
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from msgspec import Struct

_LAST_WORDS = 50  # turns of the loop in which what a program said before its end is read


class Who(Struct, frozen=True):
    """Numbers of user and group; None: those that we have."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] = ()


def who(text: str) -> Who:
    """`name` or `name:group`. ValueError where there is none, where it is root, or where none is named and we are root. Only
    root can become somebody else: whoever else we are, we stay."""
    if os.geteuid():
        return Who()
    name, _, group = text.partition(":")
    try:
        found = pwd.getpwnam(name)
        number = grp.getgrnam(group).gr_gid if group else found.pw_gid
    except KeyError:
        raise ValueError(f"no such user or group: {text!r}" if text else "no user, and root runs no programs") from None
    if not found.pw_uid or not number:
        raise ValueError("root runs no programs")
    return Who(found.pw_uid, number, () if group else tuple(os.getgrouplist(name, number)))


class Process:
    """`start` makes one."""

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self._started = started

    @classmethod
    async def start(cls, argv: Sequence[str], environment: Mapping[str, str], directory: str, user: str) -> "Process":
        """OSError or ValueError where it can not be run. `user`: as `who` takes it."""

        def start() -> "subprocess.Popen[bytes]":
            somebody = who(user)
            return subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=directory,
                env=dict(environment), start_new_session=True, user=somebody.user, group=somebody.group,
                extra_groups=somebody.groups if somebody.user is not None else None, umask=0o077,
            )  # fmt: skip

        starting = asyncio.get_running_loop().run_in_executor(None, start)
        try:
            return cls(await asyncio.shield(starting))
        except asyncio.CancelledError:
            starting.add_done_callback(_unwanted)
            raise

    async def run(self, blocks: AsyncIterator[bytes], limit: int) -> tuple[int, bytes]:
        """Feed it and wait for its end: its status, and what it said, up to `limit` octets. However this ends, nothing of its
        group is left."""
        loop, started = asyncio.get_running_loop(), self._started
        heard, fed = _Heard(limit), _Fed()
        try:
            await loop.connect_read_pipe(lambda: heard, started.stdout)
            stdin, _ = await loop.connect_write_pipe(lambda: fed, started.stdin)
            await _feed(stdin, fed, blocks)
            await self._ended()
            self._kill()
            for _ in range(_LAST_WORDS):  # what has left the group may keep its output open for ever
                if heard.over.is_set():
                    break
                await asyncio.sleep(0)
            return started.wait(), bytes(heard.text)
        except BaseException:
            self._kill()
            await asyncio.shield(self._ended())
            started.wait()
            raise
        finally:
            heard.close()
            fed.close()

    async def _ended(self) -> None:
        """Its number is still its own then: it is not yet waited for."""
        loop, number = asyncio.get_running_loop(), self._started.pid
        try:
            end = os.pidfd_open(number)
        except (AttributeError, OSError):
            await loop.run_in_executor(None, os.waitid, os.P_PID, number, os.WEXITED | os.WNOWAIT)
            return
        ended = asyncio.Event()
        loop.add_reader(end, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(end)
            os.close(end)

    def _kill(self) -> None:
        """All that is left of its group: also what it has started and not waited for."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started.pid, signal.SIGKILL)


class _Fed(asyncio.BaseProtocol):
    """The program's standard input. `ready`: it can take more, or is closed."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ready.set()
        self.lost = False
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        self.ready.clear()

    def resume_writing(self) -> None:
        self.ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.ready.set()

    def close(self) -> None:
        if self._transport is not None and not self.lost:
            cast(asyncio.WriteTransport, self._transport).abort()


class _Heard(asyncio.Protocol):
    """The program's output: the first `limit` octets are kept, the rest is read and forgotten."""

    def __init__(self, limit: int) -> None:
        self.text = bytearray()
        self.over = asyncio.Event()
        self._limit = limit
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.text += data[: self._limit - len(self.text)]

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _feed(stdin: asyncio.WriteTransport, fed: _Fed, blocks: AsyncIterator[bytes]) -> None:
    """A program need not read it all."""
    async for block in blocks:
        await fed.ready.wait()
        if fed.lost:
            return
        stdin.write(block)
    await fed.ready.wait()
    stdin.close()


def _unwanted(starting: "asyncio.Future[subprocess.Popen[bytes]]") -> None:
    """Nobody waits for it any more."""
    if not starting.cancelled() and starting.exception() is None:
        started = starting.result()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        for pipe in (started.stdin, started.stdout):
            if pipe is not None:
                pipe.close()
        started.wait()
