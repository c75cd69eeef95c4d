"""A site moves from one kind of store to the other: in the command's own process, with both stores to itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from mailhub.config.schema import Config
from mailhub.model.clock import SystemClock
from mailhub.model.errors import MailError
from mailhub.store.migrate import Moved as Moved
from mailhub.store.migrate import Site
from mailhub.store.migrate import migrate as _migrate

from .errors import ControlError


def migrate(source: Config, target: Config, progress: Callable[[int, int], object], *, dry: bool) -> Moved:
    """`dry`: count, and leave the target alone. ControlError."""
    try:
        return asyncio.run(_migrate(_site(source), _site(target), SystemClock(), progress, dry=dry))
    except MailError as error:
        raise ControlError("temporary" if error.reply.temporary else "refused", str(error)) from error


def _site(config: Config) -> Site:
    return Site(Path(config.data), config.store, config.hostname)
