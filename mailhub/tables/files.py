"""A table in a file: read in a thread when first asked, and again by itself when the file has changed."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary

log = logging.getLogger("mailhub.tables")

FILE_LIMIT = 67_108_864  # octets
SLOW = 0.05  # seconds of a look-up in memory, which all sessions wait for
LOOK = 1.0  # seconds between two looks at whether a file has changed

Mark = tuple[int, int, int]  # what changes when the file does


class Content(Protocol):
    """What a file was read to. One that holds connections has a `close`, too."""

    def find(self, key: str) -> str | Awaitable[str | None] | None: ...


class FileTable:
    """`parse` makes the content of the text, or raises a MailError that says what is wrong. `threaded`: `find` waits for
    the disk and runs in a thread, too."""

    def __init__(
        self,
        path: str,
        parse: Callable[[str], Content],
        clock: Clock,
        *,
        threaded: bool = False,
        whole_keys: bool = False,
    ) -> None:
        self.whole_keys = whole_keys
        self.path, self._parse, self._clock, self._threaded = path, parse, clock, threaded
        self.content: Content | None = None  # what was read last
        self._mark: Mark | None = None
        self._trouble = ""
        self._told = False
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def lookup(self, key: str) -> str | None:
        if self._clock.monotonic() - self._looked >= LOOK:
            await self.refresh()
        if self.content is None:
            raise Temporary(f"{self.path}: {self._trouble}")
        if self._threaded:
            answer = await asyncio.to_thread(self.content.find, key)
        else:
            began = self._clock.monotonic()
            answer = self.content.find(key)
            self._took(self._clock.monotonic() - began, key)
        return await answer if isinstance(answer, Awaitable) else answer

    def _took(self, seconds: float, key: str) -> None:
        """Everybody waited that long; told once for what was read."""
        if seconds > SLOW and not self._told:
            self._told = True
            log.warning(
                "table %s: a key of %d characters took %.2f s: see `mailhub check`", self.path, len(key), seconds
            )

    async def refresh(self) -> str:
        """Read the file where it has changed; "" or what is wrong with it. One look serves all who ask meanwhile."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked_at)
        await asyncio.shield(self._looking)
        return self._trouble

    def _looked_at(self, task: "asyncio.Task[None]") -> None:
        self._looking = None

    async def _look(self) -> None:
        self._looked = self._clock.monotonic()
        try:
            mark, content = await asyncio.to_thread(self._read)
        except (OSError, MailError, UnicodeDecodeError) as error:
            trouble = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            if trouble != self._trouble:
                kept = "; what was read before stays in force" if self.content is not None else ""
                log.error("table %s: %s%s", self.path, trouble, kept)
            self._trouble = trouble
            return
        if content is not None:
            if self._mark is not None:
                log.info("table %s was read again", self.path)
            self.close()
            self.content, self._told = content, False
        self._mark, self._trouble = mark, ""

    def close(self) -> None:
        """Give back what the content holds."""
        close = getattr(self.content, "close", None)
        if close is not None:
            close()

    def _read(self) -> tuple[Mark, Content | None]:
        """In a thread. None where the file is as it was."""
        with open(self.path, "rb") as file:
            found = os.fstat(file.fileno())
            mark = (found.st_mtime_ns, found.st_size, found.st_ino)
            if mark == self._mark and not self._trouble:
                return mark, None
            data = file.read(FILE_LIMIT + 1)
        if len(data) > FILE_LIMIT:
            raise Temporary(f"more than {FILE_LIMIT} octets")
        return mark, self._parse(data.decode("utf-8-sig"))
