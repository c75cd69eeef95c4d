"""When a client is told what has happened: with its commands, in IDLE, and between commands where NOTIFY asks for it."""

import asyncio
import logging
from typing import TYPE_CHECKING

from mailhub.mailbox.changes import Bell
from mailhub.model.errors import MailError, NotFound
from mailhub.wire.imap.notify import Event

from . import updates

if TYPE_CHECKING:
    from .session import ImapSession

log = logging.getLogger("mailhub.imap")


async def tell(session: "ImapSession", *, expunges: bool) -> None:
    """All there is to tell: of the selected mailbox, and of those watched. Raises NotFound where the selected one is gone."""
    if session.selected is not None:
        await updates.tell(session, expunges=expunges, flags=_tells_flags(session))
    if session.watch is not None:
        await session.watch.fetch_new()
        await session.watch.tell()


async def until_said(session: "ImapSession", *, idle: bool) -> bytes:
    """The client's next line, with its end. What happens meanwhile is told: in IDLE, or between commands."""
    line = asyncio.ensure_future(session.reader.raw_line())
    try:
        while not line.done():
            with session.interruptible():
                await _either(line, _waits_for(session, idle=idle))
            if not line.done():
                await _tell_at_once(session, idle=idle)
        return line.result()
    except MailError as error:
        if idle or isinstance(error, NotFound):
            raise
        log.warning("%s: no more updates before the next command", session.context.session, exc_info=True)
        with session.interruptible():
            return await line
    finally:
        line.cancel()


def _tells_selected(session: "ImapSession", *, idle: bool) -> bool:
    """Without NOTIFY in IDLE; then only as it asks, in IDLE too (RFC 5465 sections 3.1 and 4). With commands it is told of ever."""
    if session.watch is None:
        return idle
    return session.watch.selected is not None and bool(session.watch.selected.events)


def _tells_flags(session: "ImapSession") -> bool:
    """Not where the client has asked for other events of the selected mailbox."""
    asked = None if session.watch is None or session.watch.selected is None else session.watch.selected.events
    return not asked or Event.FLAGS in asked


def _waits_for(session: "ImapSession", *, idle: bool) -> list[Bell]:
    bells: list[Bell] = []
    if session.selected is not None and _tells_selected(session, idle=idle):
        bells.append(session.selected.changed)
    if session.watch is not None:
        bells.append(session.watch.changed)
    return bells


async def _tell_at_once(session: "ImapSession", *, idle: bool) -> None:
    """Between commands expunges are told where the client has asked for SELECTED (RFC 5465 sections 6.1 and 6.2)."""
    if session.selected is not None and _tells_selected(session, idle=idle):
        delayed = session.watch is not None and session.watch.delays_expunges
        await tell(session, expunges=idle or not delayed)
    elif session.watch is not None:
        await session.watch.tell()


async def _either(line: "asyncio.Future[bytes]", bells: list[Bell]) -> None:
    """Return when the line is there, or one of the bells is set. One future for all: a task for each was 2.6 KB of an idle client's 17."""
    if line.done() or any(bell.is_set() for bell in bells):
        return
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(*_: object) -> None:
        if not woken.done():
            woken.set_result(None)

    for bell in bells:
        bell.ring = wake
    line.add_done_callback(wake)
    try:
        await woken
    finally:
        line.remove_done_callback(wake)
        for bell in bells:
            bell.ring = bool
