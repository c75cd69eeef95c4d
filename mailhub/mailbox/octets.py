"""What is made of a message's octets for who lists and shows it."""

from collections.abc import Awaitable, Callable

from mailhub.message import headers
from mailhub.message.parts import parse
from mailhub.message.preview import preview
from mailhub.message.shown import Leaf
from mailhub.message.shown import leaves as leaves_of
from mailhub.message.threads import thread_id
from mailhub.message.window import Window
from mailhub.model.mailbox import Glimpse
from mailhub.store.api import Content


def behind(head: bytes, content: Content) -> Callable[[int, int], Awaitable[bytes]]:
    """Reads a message that has `head` before its stored content."""

    async def read(offset: int, length: int) -> bytes:
        part = head[offset : offset + length]
        if len(part) < length:
            part += await content.read(max(0, offset - len(head)), length - len(part))
        return part

    return read


def leaves(message: bytes | Window) -> list[Leaf]:
    return leaves_of(parse(message))


def glimpse(beginning: bytes) -> Glimpse:
    return Glimpse(thread_id(beginning[: headers.header_end(beginning)]) or "", preview(beginning) or "")
