"""A large message that has to be converted is never whole in memory."""

import tracemalloc

from support.far_hosts import Text

from mailhub.delivery.relay.convert import Converter

MEGABYTE = 1 << 20


class Repeated(Text):
    """A header, and one line again and again."""

    def __init__(self, head: bytes, line: bytes, times: int) -> None:
        super().__init__(head)
        self._head, self._line = head, line
        self.size = len(head) + len(line) * times

    async def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        start = offset - len(self._head)
        if start < 0:
            return (self._head[offset:] + self._line * (length // len(self._line) + 1))[:length]
        skip = start % len(self._line)
        return (self._line * (length // len(self._line) + 2))[skip : skip + length]


async def test_twenty_megabytes_of_text_take_a_few_blocks() -> None:
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    content = Repeated(head, "größe\r\n".encode(), 20 * MEGABYTE // 9)
    converter = Converter()
    tracemalloc.start()
    size = 0
    async for block in (await converter.blocks(content, "7bit"))():
        assert block.isascii()
        size += len(block)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    converter.close()
    assert size > content.size
    assert most < 6 * MEGABYTE
