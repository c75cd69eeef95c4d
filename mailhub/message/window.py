"""A message that is looked at through a window: it is read in blocks, and few of them are in memory at one time."""

from collections import OrderedDict
from collections.abc import Callable

BLOCK = 262_144
_KEPT = 4  # blocks: the scan looks ahead from one place and reads at another


class Window:
    """What `parts` needs of octets: find, count and slices. `read(offset, length)` gives exactly that many."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size, self._read = size, read
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        pieces = []
        while start < stop:
            base = start - start % BLOCK
            piece = self._block(base)[start - base : stop - base]
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def find(self, octets: bytes, start: int = 0, stop: int | None = None) -> int:
        """As of bytes; `start` is not negative."""
        stop = self._size if stop is None else min(stop, self._size)
        over = len(octets) - 1  # of a match, what may lie in the next block
        while start + over < stop:
            base = start - start % BLOCK
            block = self._block(base)
            found = block.find(octets, start - base, stop - base)
            if found >= 0:
                return base + found
            following = base + len(block)
            seam = max(start, following - over)
            found = self[seam : min(stop, following + over)].find(octets)
            if found >= 0:
                return seam + found
            start = following
        return -1

    def count(self, octet: bytes, start: int, stop: int) -> int:
        """Of one octet, as of bytes."""
        found = 0
        while start < stop:
            base = start - start % BLOCK
            block = self._block(base)
            found += block.count(octet, start - base, stop - base)
            start = base + len(block)
        return found

    def _block(self, base: int) -> bytes:
        block = self._blocks.get(base)
        if block is None:
            block = self._blocks[base] = self._read(base, min(BLOCK, self._size - base))
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(base)
        return block
