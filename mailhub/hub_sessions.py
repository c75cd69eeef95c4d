"""The part of a hub that runs sessions on streams: each a task of its own."""

import asyncio
import logging
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from mailhub.model.clock import Clock
from mailhub.net.stream import Stream
from mailhub.protocols.session import Session

log = logging.getLogger("mailhub.hub")

_LINGER = 30.0  # seconds for a client to take the last words of a session


def begin(clock: Clock, session: Session, talk: Callable[[Stream], Coroutine[Any, Any, None]], stream: Stream) -> None:
    """A session on a stream: a task of its own, whose end closes the connection."""

    async def run() -> None:
        try:
            await talk(stream)
        except Exception:
            log.exception("%s: the session crashed", session)
        finally:
            _close(clock, stream)

    session.on_abort(stream.abort)
    session.own(asyncio.get_running_loop().create_task(run(), name=str(session)))


def _close(clock: Clock, stream: Stream) -> None:
    """Close when the client has taken what was said to it, or does not take it. A stream that is gone is not kept."""
    stream.close()
    leftover = weakref.ref(stream)

    def cut() -> None:
        if (stream := leftover()) is not None:
            stream.abort()

    clock.call_later(_LINGER, cut)
