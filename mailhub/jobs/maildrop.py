"""The maildrop is emptied into the queue: at the start, and whenever something is left there.

Exactly once: the name of a file is remembered in the commit that queues its message, and the file goes after that. A crash between the
two leaves a file whose name is known; it is only taken away.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from mailhub.config.schema import Maildrop as Config
from mailhub.model.clock import Clock, VirtualClock
from mailhub.model.errors import MailError, Permanent
from mailhub.store.api import SieveMark, SieveStore

from . import dropped

log = logging.getLogger("mailhub.jobs")

MARKS = "(maildrop)"  # in place of an account, for names that were taken
_KEPT = 10 * 366 * 86_400.0  # seconds: longer than a file stays

Accept = Callable[[dropped.Envelope, int, list[bytes], SieveMark], Awaitable[None]]


class Maildrop:
    """`accept` queues a message with its mark: Permanent where it never can, Temporary where it can not now. `told`: something was left,
    says the system; without that, the folder is looked at every `retry` seconds."""

    def __init__(
        self, folder: str, config: Config, limit: int, clock: Clock, marks: SieveStore, accept: Accept, watched: bool
    ) -> None:
        """`limit`: octets of a message. `watched`: `told` will be called."""
        self._folder, self._config, self._limit, self._clock = folder, config, limit, clock
        self._marks, self._accept, self._watched = marks, accept, watched
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[bool] | None = None

    def start(self, look: bool) -> "asyncio.Task[None]":
        """A core task, that ends by `stop` alone. `look`: something may be there already."""
        if look:
            self._news.set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="the maildrop")
        return self._task

    def told(self) -> None:
        self._news.set()

    async def stop(self) -> None:
        """A message that is being taken is taken or left as a whole."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._taking is not None:
            await asyncio.wait([self._taking])

    async def _run(self) -> None:
        left = False
        while True:
            async with self._patience(left):
                await self._news.wait()
            self._news.clear()
            try:
                left = await self._look()
            except (OSError, MailError) as error:
                log.warning("maildrop %s: %s; tried again in %.0f s", self._folder, error, self._config.retry)
                left = True
            except Exception:
                log.exception("maildrop %s", self._folder)
                left = True

    @contextlib.asynccontextmanager
    async def _patience(self, left: bool) -> AsyncIterator[None]:
        """No longer than `retry` where something is to be tried again, or nobody tells of news."""
        if not left and (self._watched or isinstance(self._clock, VirtualClock)):
            yield
            return
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(self._config.retry):
                yield

    async def _look(self) -> bool:
        """Whether something is left for later."""
        names = await asyncio.to_thread(dropped.names, self._folder, self._clock.now())
        if not names:
            return False
        left, taken = False, await self._marks.seen(MARKS, self._clock.now())
        for name in sorted(names, key=lambda name: name not in taken):  # those first that only have to go
            if name in taken:
                await asyncio.to_thread(dropped.remove, self._folder, name)
            else:
                self._taking = asyncio.get_running_loop().create_task(self._take(name))
                left |= not await asyncio.shield(self._taking)
        return left

    async def _take(self, name: str) -> bool:
        """False where it has to be tried again. OSError: so has all that is left."""
        try:
            envelope, user, blocks = await asyncio.to_thread(dropped.read, self._folder, name, self._limit)
            await self._accept(envelope, user, blocks, SieveMark(MARKS, name, self._clock.now() + _KEPT))
        except FileNotFoundError:
            return True  # whoever left it took it back
        except (dropped.Unusable, Permanent) as error:
            log.error("maildrop: %s is set aside: %s", name, error)
            await asyncio.to_thread(dropped.set_aside, self._folder, name)
            return True
        except MailError as error:
            log.warning("maildrop: %s has to wait: %s", name, error)
            return False
        await asyncio.to_thread(dropped.remove, self._folder, name)
        return True
