"""Large bodies that came just now stay in memory until their first attempt: it reads them twice, each time by way of the loop and a thread
(0.3 ms of 2.5 for 100 KB). Few, and none that is very large: what does not stay is read from its file."""

LARGEST = 131_072  # octets of a body that stays
MANY = 32  # that stay, and as many that are coming


class Recent:
    """By the names of their spool files. Where there are too many the oldest goes."""

    def __init__(self) -> None:
        self._coming: dict[str, list[bytes]] = {}
        self._bodies: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._coming) + len(self._bodies)

    def begin(self, name: str, blocks: list[bytes], size: int) -> None:
        """The first blocks of a body that is coming; `size`: octets of it so far."""
        if size <= LARGEST:
            self._coming[name] = blocks
            _trim(self._coming)

    def come(self, name: str, block: bytes, size: int) -> None:
        """The next block."""
        blocks = self._coming.get(name)
        if blocks is None:
            return
        if size > LARGEST:
            del self._coming[name]
        else:
            blocks.append(block)

    def finish(self, name: str) -> None:
        """It has come, and is in its file."""
        blocks = self._coming.pop(name, None)
        if blocks is not None:
            self._bodies[name] = b"".join(blocks)
            _trim(self._bodies)

    def forget(self, name: str) -> None:
        """No row names it any more, or it will not be finished."""
        self._coming.pop(name, None)
        self._bodies.pop(name, None)

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        """None where it is not here."""
        body = self._bodies.get(name)
        return None if body is None else body[offset : offset + length]


def _trim(bodies: "dict[str, bytes] | dict[str, list[bytes]]") -> None:
    if len(bodies) > MANY:
        del bodies[next(iter(bodies))]
