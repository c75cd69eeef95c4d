"""TRANSACTION and UPDATE (RFC 1939 sections 5 and 6): reading the list, marking, and removing what is marked."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from mailhub.mailbox.service import MessageFile
from mailhub.model.errors import MailError, Temporary
from mailhub.wire.pop3 import Command, Stuffer, Top

from .authorization import capa, lang
from .maildrop import Maildrop

if TYPE_CHECKING:
    from .session import Pop3Session

log = logging.getLogger("mailhub.pop3")

_BLOCK = 65_536  # octets of a message read at a time


def _mail(session: "Pop3Session") -> Maildrop:
    assert session.drop is not None  # by the session's choice of table
    return session.drop


async def _stat(session: "Pop3Session", command: Command) -> None:
    session.ok(f"{_mail(session).count} {_mail(session).size}")


async def _list(session: "Pop3Session", command: Command) -> None:
    await _listing(session, command, _mail(session).scan_listing)


async def _uidl(session: "Pop3Session", command: Command) -> None:
    await _mail(session).learn_ids()
    await _listing(session, command, _mail(session).unique_id)


async def _listing(session: "Pop3Session", command: Command, describe: Callable[[int], str]) -> None:
    mail = _mail(session)
    if command.arguments:
        return session.ok(describe(mail.number(command.arguments[0])))
    session.ok(f"{mail.count} messages ({mail.size} octets)")
    return await session.lines(map(describe, mail.numbers()))


async def _retr(session: "Pop3Session", command: Command) -> None:
    number = _mail(session).number(command.arguments[0])
    await _send(session, number, f"{_mail(session).octets(number)} octets", None)
    _mail(session).retrieved(number)


async def _top(session: "Pop3Session", command: Command) -> None:
    number, lines = _mail(session).top_arguments(command.arguments)
    await _send(session, number, "Top of message", Top(lines))


async def _send(session: "Pop3Session", number: int, text: str, top: Top | None) -> None:
    """The message, or what `top` cuts from it."""
    async with await _mail(session).message(number) as file:
        context = session.context
        session.mailboxes.trace.fetched(file.name, context.session.login, context.service, context.session.client)
        session.ok(text)
        try:
            await _blocks(session, file, top)
        except BaseException:
            # half a message must not look like a whole one, which the client may delete next
            session.stream.abort()
            raise


async def _blocks(session: "Pop3Session", file: MessageFile, top: Top | None) -> None:
    stuffer, offset = Stuffer(), 0
    while offset < file.size and not (top is not None and top.full):
        block = await file.read(offset, _BLOCK)
        if not block:
            raise Temporary("the message file is shorter than it was")
        offset += len(block)
        session.stream.write(stuffer.feed(block if top is None else top.cut(block)))
        await session.flush()
    session.stream.write(stuffer.end())


async def _dele(session: "Pop3Session", command: Command) -> None:
    number = _mail(session).number(command.arguments[0])
    _mail(session).delete(number)
    session.ok(f"Message {number} deleted")


async def _noop(session: "Pop3Session", command: Command) -> None:
    session.ok()


async def _rset(session: "Pop3Session", command: Command) -> None:
    mail = _mail(session)
    mail.reset()
    session.ok(f"{mail.count} messages ({mail.size} octets)")


async def _quit(session: "Pop3Session", command: Command) -> None:
    """UPDATE (RFC 1939 section 6): only now are messages removed."""
    session.leave()
    mail = _mail(session)
    if not session.options.leave_on_server:
        mail.expire()
    try:
        await mail.update()
    except MailError as error:
        log.error("%s: messages could not be removed: %s", session.context.session, error)
        return session.err("[SYS/TEMP] Some deleted messages were not removed")
    return session.ok("Bye")


COMMANDS: dict[str, Callable[["Pop3Session", Command], Awaitable[None]]] = {
    "CAPA": capa, "LANG": lang, "STAT": _stat, "LIST": _list, "UIDL": _uidl, "RETR": _retr, "TOP": _top,
    "DELE": _dele, "NOOP": _noop, "RSET": _rset, "QUIT": _quit,
}  # fmt: skip
