"""Runs the hooks: a thread with an event loop of its own, the file read again when it has changed, a deadline for each call."""

import asyncio
import contextlib
import inspect
import logging
import os
import threading
import types
from collections.abc import Awaitable, Callable

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent, Temporary
from mailhub.stall import StallDetector

from .answers import ANSWERS, Answer
from .events import Event

log = logging.getLogger("mailhub.hooks")

_BLOCKED = 4  # threads that are blocked, after which none is begun any more
_GRACE = 1.0  # seconds that a thread which was late has to show that it lives
_OTHERS = 0o022  # who may write to the file, besides its owner

Function = Callable[[Event], Awaitable[Answer | None]]


class HookFailed(Temporary):
    """A hook was late, raised, or answered nonsense; or the file can not be used."""


class Hooks:
    """`start`, `call` and `close` on the hub's loop. What a hook holds up is its own thread: where that does not come back, another
    is begun in its place."""

    def __init__(self, config: schema.Hooks, clock: Clock, stall_seconds: float) -> None:
        self.config, self._clock, self._stall_seconds = config, clock, stall_seconds
        self._room: _Room | None = None
        self._waiting = 0
        self._blocked: list[_Room] = []

    def start(self) -> None:
        """Permanent where the file can not be used."""
        self._room = _Room(self.config.file, self._stall_seconds)
        self._room.read()
        self._room.start()

    def close(self) -> None:
        if self._room is not None:
            self._room.stop()
            self._room = None

    async def call(self, name: str, event: Event) -> Answer | None:
        """What the function of that name answers; None where there is none. HookFailed."""
        room = await self._living()
        if self._waiting >= self.config.pending_limit:
            raise HookFailed(f"{name}: {self._waiting} calls wait already")
        self._waiting += 1
        asked, late = asyncio.run_coroutine_threadsafe(room.run(name, event), room.loop), True
        try:
            async with self._clock.timeout(self.config.time_limit):
                answer = await asyncio.wrap_future(asked)
            late = False
        except TimeoutError:
            raise HookFailed(f"{name}: no answer in {self.config.time_limit:g} seconds") from None
        except HookFailed:
            late = False
            raise
        except Exception as error:
            late = False
            log.error("%s", name, exc_info=error)
            raise HookFailed(f"{name}: {type(error).__name__}") from error
        finally:
            self._waiting -= 1
            if late:
                asked.cancel()
                with contextlib.suppress(RuntimeError):  # it is closed
                    room.probe()
        if answer is not None and not isinstance(answer, ANSWERS[name]):
            raise HookFailed(f"{name} may not answer with {type(answer).__name__}")
        return answer

    async def _living(self) -> "_Room":
        """The room whose loop turns, as far as is known; another one where it has not turned for a while."""
        room = self._room
        if room is not None and not room.turns():
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(min(_GRACE, self.config.time_limit / 5)):
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), room.loop))
            if not room.turns() and room is self._room:
                self._replace(room)
        if self._room is None:
            raise HookFailed("the server is stopping")
        return self._room

    def _replace(self, room: "_Room") -> None:
        self._blocked = [one for one in self._blocked if not one.turns()]
        if len(self._blocked) >= _BLOCKED:
            raise HookFailed(f"{_BLOCKED} threads of hooks are blocked: mend {self.config.file}")
        self._blocked.append(room)
        log.error("a hook of %s blocks its thread: the next ones get a new one", self.config.file)
        room.stop()
        self._room = _Room(self.config.file, self._stall_seconds)
        self._room.functions, self._room.mark = room.functions, room.mark
        self._room.start()


class _Room:
    """The thread, its loop, and the functions of the file."""

    def __init__(self, file: str, stall_seconds: float) -> None:
        self._file = file
        self.functions: dict[str, Function] = {}
        self.mark: tuple[int, int, int] | None = None
        self._asked = self._answered = 0  # whether it turns
        self.loop: asyncio.AbstractEventLoop  # from `start` on
        self._detector = StallDetector(stall_seconds)
        self._trouble = ""

    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self._main, name="mailhub-hooks", daemon=True).start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._detector.start)
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def stop(self) -> None:
        self._detector.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)

    def probe(self) -> None:
        """Ask whether the loop turns: until it says so, it counts as blocked."""
        self._asked += 1
        self.loop.call_soon_threadsafe(self._turned, self._asked)

    def _turned(self, asked: int) -> None:
        self._answered = asked

    def turns(self) -> bool:
        return self._answered == self._asked

    async def run(self, name: str, event: Event) -> Answer | None:
        """In the thread."""
        self._refresh()
        function = self.functions.get(name)
        try:
            return None if function is None else await function(event)
        except (KeyboardInterrupt, SystemExit) as error:  # it ends itself alone
            raise HookFailed(f"{name}: {type(error).__name__}") from None

    def _refresh(self) -> None:
        """What can not be read leaves what was read before in force."""
        try:
            self.read()
            self._trouble = ""
        except Permanent as error:
            if str(error) != self._trouble:
                log.error("%s; what was read before stays in force", error)
            self._trouble = str(error)

    def read(self) -> None:
        """Where the file has changed. Permanent."""
        try:
            found = os.stat(self._file)
            mark = found.st_mtime_ns, found.st_size, found.st_ino
            if mark == self.mark:
                return
        except OSError as error:
            raise Permanent(f"{self._file}: {error}") from error
        again = self.mark is not None
        self.mark = mark
        self.functions = _functions(self._file, compiled(self._file))
        log.info("%s was read%s: %s", self._file, " again" if again else "", ", ".join(self.functions) or "no hook")


def compiled(file: str) -> types.CodeType:
    """What stands in the file, not run yet. Permanent."""
    try:
        with open(file, encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_mode & _OTHERS:
                raise Permanent(f"{file}: others may write to it: chmod go-w")
            return compile(opened.read(), file, "exec")
    except SyntaxError as error:
        raise Permanent(f"{file} line {error.lineno}: SyntaxError: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise Permanent(f"{file}: {error}") from error


def _functions(file: str, code: types.CodeType) -> dict[str, Function]:
    module = types.ModuleType("mailhub_hooks_file")
    module.__file__ = file
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise Permanent(f"{file}: {type(error).__name__}: {error}") from error
    found = {name: getattr(module, name) for name in ANSWERS if hasattr(module, name)}
    for name, function in found.items():
        if not inspect.iscoroutinefunction(function):
            raise Permanent(f"{file}: {name} is no async function")
    return found
