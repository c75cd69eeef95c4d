"""What of a message goes back with a report: all of it where RET=FULL asks for that and it is small enough, else its header.

It is looked through in blocks and never held: the report refers to the stored body.
"""

import logging

from mailhub.message.headers import header_end
from mailhub.message.report import Returned, boundary
from mailhub.model.errors import MailError
from mailhub.store.api import Content, Item

log = logging.getLogger("mailhub.queue")


async def returned(item: Item, message_id: str, header_limit: int, whole_limit: int) -> Returned:
    """The message if it has no more than `whole_limit` octets, else at most `header_limit` of its header. Nothing where it can
    not be read now: a report without it is better than none."""
    content = item.content
    try:
        header = await _header(content, header_limit)
        if content.size <= whole_limit and item.parameters.body != "BINARYMIME":
            eight = await _eight(content, message_id)
            if eight is not None:
                return Returned(None, eight, unicode=_is_unicode(header))
    except MailError as error:
        log.warning("report without the message: %s", error)
        return Returned()
    return Returned(header, not header.isascii(), unicode=_is_unicode(header))


def _is_unicode(header: bytes) -> bool:
    try:
        return not header.isascii() and bool(header.decode("utf-8"))
    except UnicodeDecodeError:
        return False


async def _header(content: Content, limit: int) -> bytes:
    """The message's header, at most `limit` octets of it in whole lines."""
    start = await content.read(0, min(limit, content.size))
    end = header_end(start)
    if end == len(start) < content.size:
        end = start.rfind(b"\n") + 1
    return start[:end]


async def _eight(content: Content, message_id: str) -> bool | None:
    """Whether it has octets above 127; None where it holds what divides the report's parts."""
    mark = b"--" + boundary(message_id).encode()
    held, eight = b"", False
    async for block in content.blocks():
        if mark in held + block:
            return None
        eight = eight or not block.isascii()
        held = block[-len(mark) :]
    return eight
