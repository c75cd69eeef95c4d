"""A site moves from one kind of store to the other: in the command's own process, with both stores to itself."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from mailhub.config.schema import Config
from mailhub.model.clock import SystemClock
from mailhub.model.errors import MailError
from mailhub.store.migrate import Moved as Moved
from mailhub.store.migrate import Site
from mailhub.store.migrate import migrate as _migrate
from mailhub.store.migrate import reopen as _reopen

from .errors import ControlError

T = TypeVar("T")


def migrate(source: Config, target: Config, progress: Callable[[int, int], object], *, dry: bool) -> Moved:
    """`dry`: count, and leave the target alone. ControlError."""
    return _done(_migrate(_site(source), _site(target), SystemClock(), progress, dry=dry))


def reopen(config: Config) -> str:
    """Let a store that all was moved away from be used again; where that was moved to. ControlError."""
    target = _done(_reopen(_site(config), SystemClock()))
    if not target:
        raise ControlError("not_found", "nothing was moved away from this store")
    return target


def _done(work: Coroutine[object, object, T]) -> T:
    try:
        return asyncio.run(work)
    except MailError as error:
        raise ControlError("temporary" if error.reply.temporary else "refused", str(error)) from error


def _site(config: Config) -> Site:
    return Site(Path(config.data), config.store, config.hostname)
