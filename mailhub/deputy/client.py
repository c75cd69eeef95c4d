"""The server's side: starts the deputy, asks it, notices its end."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent, Temporary

from . import words
from .words import Answer, Request, Settings, What

log = logging.getLogger("mailhub.deputy")

_PACKETS = 1_048_576  # octets that wait in the socket
_SPARE = 30.0  # seconds beyond a request's own time, for a deputy that is stopped
_START = "import sys; sys.path.append(sys.argv[1]); from mailhub.deputy.process import main; main(int(sys.argv[2]))"


class Deputy:
    """`start` makes one. `run` returns when it has ended, whoever ended it."""

    def __init__(
        self, door: socket.socket, process: "subprocess.Popen[bytes]", settings: Settings, clock: Clock
    ) -> None:
        self.settings = settings
        self._door, self._process, self._clock = door, process, clock
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._deeds, self._looks = asyncio.Semaphore(settings.concurrency), asyncio.Semaphore(words.LOOKS)
        self._last = 0
        self._gone = asyncio.Event()

    @classmethod
    async def start(cls, settings: Settings, clock: Clock) -> "Deputy":
        """Permanent where it can not be."""
        ours, theirs = _pair()
        try:
            process = _process(theirs)
        except OSError as error:
            ours.close()
            raise Permanent(f"the deputy can not be started: {error.strerror or error}") from error
        finally:
            theirs.close()
        deputy = cls(ours, process, settings, clock)
        await deputy._greeted()
        return deputy

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, what: What, file: int | None = None) -> Answer:
        """`file`: the descriptor of a message, which stays the caller's. Temporary where there is no answer: then what was asked may
        have been done."""
        limit = words.time_limit(what, self.settings) + _SPARE
        if isinstance(what, words.Look | words.Forward):  # somebody waits for it, and programs may run for long
            return await self._bounded(self._looks, what, file, limit, waiting=limit)
        return await self._bounded(self._deeds, what, file, limit, waiting=None)

    async def _bounded(
        self, places: asyncio.Semaphore, what: What, file: int | None, limit: float, waiting: float | None
    ) -> Answer:
        try:
            async with self._clock.timeout(waiting), places, self._clock.timeout(limit):
                return await self._asked(what, file)
        except TimeoutError:
            raise Temporary("the deputy does not answer") from None
        except (OSError, words.Malformed) as error:
            raise Temporary(f"the deputy can not be asked: {error}") from error

    async def _asked(self, what: What, file: int | None) -> Answer:
        if self._gone.is_set():
            raise Temporary("the deputy has ended")
        self._last += 1
        number, turn = self._last, asyncio.get_running_loop().create_future()
        self._waiting[number] = turn
        try:
            await self._send(words.encoded(Request(number, what)), file)
            answer: Answer = await turn
            return answer
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """A core task: a server that lost it can not make another, as it has no rights to give."""
        await self._gone.wait()

    async def close(self) -> None:
        """It ends when what it has under way has ended; nobody waits for that here."""
        self._lost()
        self._door.close()
        threading.Thread(target=self._process.wait, name="the deputy's end", daemon=True).start()

    async def _send(self, packet: bytes, file: int | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                socket.send_fds(self._door, [packet], [] if file is None else [file])
                return
            except BlockingIOError:
                room = asyncio.Event()
                loop.add_writer(self._door, room.set)
                try:
                    await room.wait()
                finally:
                    loop.remove_writer(self._door)

    async def _greeted(self) -> None:
        self._waiting[0] = turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._door, self._hear)
        await self._send(words.encoded(self.settings), None)
        answer = await turn
        parted = "without a network" if answer.said else "in the host's network, as it may not leave it"
        log.info("the deputy, process %d, acts for the system's users, %s", self.pid, parted)

    def _hear(self) -> None:
        while True:
            try:
                packet = self._door.recv(words.PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._lost()
                return
            try:
                answer = words.ANSWER.decode(packet)
            except msgspec.DecodeError as error:
                log.error("the deputy's answer can not be read: %s", error)
                continue
            turn = self._waiting.get(answer.id)
            if turn is not None and not turn.done():
                turn.set_result(answer)

    def _lost(self) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        asyncio.get_running_loop().remove_reader(self._door)
        for turn in self._waiting.values():
            if not turn.done():
                turn.set_exception(Temporary("the deputy has ended"))


def _process(door: socket.socket) -> "subprocess.Popen[bytes]":
    """Nobody is served yet who would have to wait; and a thread that did it would stay, with rights that the others give up."""
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _START, root, str(door.fileno())],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        pass_fds=(door.fileno(),),
    )  # fmt: skip


def _pair() -> tuple[socket.socket, socket.socket]:
    kind = getattr(socket, "SOCK_SEQPACKET", None)
    if kind is None or not hasattr(os, "pidfd_open"):
        raise Permanent("local.system_users needs Linux")
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    for door in (ours, theirs):
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PACKETS)
    ours.setblocking(False)
    return ours, theirs
