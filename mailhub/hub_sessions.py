"""The part of a hub that runs sessions on streams: each a task of its own."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from mailhub.net.stream import Stream
from mailhub.protocols.session import Session

log = logging.getLogger("mailhub.hub")

_LINGER = 30.0  # seconds for a client to take the last words of a session


def begin(session: Session, talk: Callable[[Stream], Coroutine[Any, Any, None]], stream: Stream) -> None:
    """A session on a stream: a task of its own, whose end closes the connection."""

    async def run() -> None:
        try:
            await talk(stream)
        except Exception:
            log.exception("%s: the session crashed", session)
        finally:
            stream.close()
            stream.cut_after(_LINGER)

    session.on_abort(stream.abort)
    session.own(asyncio.get_running_loop().create_task(run(), name=str(session)))
