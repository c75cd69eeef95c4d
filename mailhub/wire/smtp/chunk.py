"""BDAT (RFC 3030 section 2): its argument, and what a chunk means for the message it is a part of."""

import re

from .command import SyntaxRefused
from .data import Fault, only_crlf

_ARGUMENT = re.compile(r"([0-9]{1,20})(?:[ \t]+(LAST))?\Z", re.IGNORECASE)


def chunk_argument(argument: str) -> tuple[int, bool]:
    """Octets of the chunk, and whether it is the last. SyntaxRefused where the argument is malformed: then nobody knows how
    much would follow, and the connection can not go on."""
    found = _ARGUMENT.match(argument)
    if found is None:
        raise SyntaxRefused(501, "5.5.4", "Syntax: BDAT octets [LAST]")
    return int(found[1]), found[2] is not None


class ChunkReader:
    """The octets of all chunks of a message, as `DataReader` for DATA: no transparency, the same rules for what is in it.

    `binary`: BODY=BINARYMIME was declared, any octet may stand anywhere. A message of text that does not end with CRLF
    gets one at its end (`finish`). Limits are octets; 0: none.
    """

    __slots__ = ("_binary", "_column", "_cr", "_line_limit", "_normalize", "_size_limit", "fault", "size")

    def __init__(self, size_limit: int, line_limit: int, newlines: str, *, binary: bool) -> None:
        self.size = 0
        self.fault: Fault | None = None
        self._size_limit, self._line_limit = size_limit, line_limit
        self._normalize, self._binary = newlines == "normalize", binary
        self._column = 0  # octets of the last line so far
        self._cr = b""  # a CR at the end of a block, whose LF may come with the next

    def feed(self, block: bytes) -> bytes:
        """Octets that became known as part of the message."""
        self.size += len(block)
        if self._size_limit and self.size > self._size_limit:
            self.fault = self.fault or Fault.SIZE
        if self.fault is not None or self._binary:
            return b"" if self.fault is not None else block
        data = self._cr + block
        self._cr = b"\r" if data.endswith(b"\r") else b""
        return self._text(data[:-1] if self._cr else data)

    def finish(self) -> bytes:
        """What belongs to the end: the CR that waited, a line end where there is none."""
        if self.fault is not None or self._binary:
            return b""
        waiting, self._cr = self._cr, b""
        rest = self._text(waiting) if waiting else b""
        if self.fault is None and self._column:
            if 0 < self._line_limit < self._column:  # `_lines_fit` left room for a CRLF that did not come
                return self._refuse(Fault.LINE)
            rest += b"\r\n"
            self.size += 2
        return rest

    def _text(self, data: bytes) -> bytes:
        if not data:
            return b""
        if b"\0" in data:
            return self._refuse(Fault.NUL)
        if not only_crlf(data):
            if not self._normalize:
                return self._refuse(Fault.NEWLINE)
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        if self._line_limit and not self._lines_fit(data):
            return self._refuse(Fault.LINE)
        last = data.rfind(b"\n")
        self._column = len(data) - last - 1 if last >= 0 else self._column + len(data)
        return data

    def _lines_fit(self, data: bytes) -> bool:
        """Steps of a whole limit at a time: from the end of a line to the last end of a line within reach."""
        limit, start = self._line_limit, 0
        reach = limit - self._column + 2
        while len(data) - start > reach:
            newline = data.rfind(b"\n", start, start + max(reach, 0))
            if newline < 0:
                return False
            start, reach = newline + 1, limit + 2
        return True

    def _refuse(self, fault: Fault) -> bytes:
        self.fault = fault
        return b""
