"""Work on large messages in a thread: what it reads, and when."""

import threading

import pytest

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message.window import BLOCK
from mailhub.model.errors import Temporary


class Text:
    """`asked`: offsets and lengths that were read, and whether the thread had begun by then."""

    def __init__(self, size: int) -> None:
        self.octets, self.begun = b"x" * (size - 3) + b"end", threading.Event()
        self.asked: list[tuple[int, int, bool]] = []

    async def read(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length, self.begun.is_set()))
        return self.octets[offset : offset + length]

    async def found(self, size: int) -> int:
        lane = HeavyLane()
        try:
            return await lane.over(self._find, size, self.read)
        finally:
            lane.close()

    def _find(self, window: object) -> int:
        self.begun.set()
        return window.find(b"end", 0)  # type: ignore[attr-defined,no-any-return]


async def test_a_message_of_one_block_is_read_before_the_thread_begins() -> None:
    text = Text(100_000)
    assert await text.found(100_000) == 99_997
    assert text.asked == [(0, 100_000, False)]


async def test_further_blocks_are_read_as_they_are_looked_at() -> None:
    size = BLOCK + 1_000
    text = Text(size)
    assert await text.found(size) == size - 3
    assert text.asked == [(0, BLOCK, False), (BLOCK, 1_000, True)]


async def test_some_blocks_are_read_ahead_and_no_more() -> None:
    text, lane = Text(20 * BLOCK), HeavyLane()
    looked = await lane.over(
        lambda seen: (seen[BLOCK : BLOCK + 1], seen[19 * BLOCK : 19 * BLOCK + 1]), 20 * BLOCK, text.read
    )
    lane.close()
    assert list(map(len, looked)) == [1, 1]
    assert (
        {0, BLOCK, 19 * BLOCK} <= {offset for offset, *_ in text.asked} <= {n * BLOCK for n in (0, 1, 2, 3, 4, 5, 19)}
    )


async def test_a_message_that_is_short_is_temporary() -> None:
    with pytest.raises(Temporary, match="ends at 100 of 200"):
        await Text(100).found(200)
