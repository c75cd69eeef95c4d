"""The control socket: lines of JSON to `Control.perform` and back. `words` says what the lines hold."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from mailhub.model.errors import Permanent

from . import socket_path
from .errors import ControlError
from .service import Control
from .words import VERSION, Call, Failure, Said

log = logging.getLogger("mailhub.control")

REQUEST_LIMIT = 1_048_576  # octets of one request
CONNECTIONS = 64

Progress = Callable[[int, int], None]


class ControlServer:
    """Serves `control` on the socket in the data folder, from `start` to `stop`."""

    def __init__(self, data: Path, control: Control) -> None:
        self._data, self._control = data, control
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Permanent where the socket can not be made."""
        try:
            door = socket_path.bind(self._data)
        except OSError as error:
            raise Permanent(f"control socket {self._data / socket_path.NAME}: {error.strerror or error}") from error
        self._server = await asyncio.start_unix_server(self._arrived, sock=door, limit=REQUEST_LIMIT)

    async def stop(self) -> None:
        """Close the socket and whatever is under way on it."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        (self._data / socket_path.NAME).unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._tasks) > CONNECTIONS:
                await _say(writer, Said(failure=Failure(kind="limit", text="too many commands at once, try again")))
                return
            while line := await reader.readline():
                await _say(writer, await self._answer(line, writer))
        except ValueError:  # StreamReader's word for a line over its limit
            await _say(
                writer, Said(failure=Failure(kind="usage", text=f"a request is longer than {REQUEST_LIMIT} octets"))
            )
        except OSError:  # the other side went away
            pass
        except Exception:
            log.exception("a control connection crashed")
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> Said:
        try:
            version = _VERSION.decode(line).v
            if version != VERSION:
                text = f"this server speaks version {VERSION} of the control protocol, the command version {version}"
                return Said(failure=Failure(kind="usage", text=text))
            call = _CALL.decode(line)
        except msgspec.DecodeError as error:
            return Said(failure=Failure(kind="usage", text=f"not a request: {error}"))
        try:
            answer = await self._control.perform(call.request, _reporter(writer))
        except ControlError as error:
            return Said(failure=Failure(kind=error.kind, text=str(error)))
        return Said(answer=msgspec.Raw(msgspec.json.encode(answer)))


class _Version(msgspec.Struct):
    """Read before all else: another version's requests can not be judged."""

    v: int


_VERSION = msgspec.json.Decoder(_Version)
_CALL = msgspec.json.Decoder(Call)


async def _say(writer: asyncio.StreamWriter, said: Said) -> None:
    writer.write(msgspec.json.encode(said) + b"\n")
    with contextlib.suppress(OSError):
        await writer.drain()


def _reporter(writer: asyncio.StreamWriter) -> Progress:
    """Progress as lines, a hundred at the most, so that a slow reader costs no memory."""
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        if (percent := done * 100 // max(total, 1)) > shown and not writer.is_closing():
            shown = percent
            writer.write(msgspec.json.encode(Said(progress=(done, total))) + b"\n")

    return report
