"""Multi-line responses: CRLF line ends, a dot before a dot, ended by a dot alone (RFC 1939 section 3)."""


class Stuffer:
    """Fed with a message in blocks; LF alone becomes CRLF, so that a file of another program is sent right too."""

    def __init__(self) -> None:
        self._held = b""
        self._at_start = True

    def feed(self, block: bytes) -> bytes:
        """What can be sent now."""
        data = self._held + block
        self._held = b"\r" if data.endswith(b"\r") else b""  # its LF may come with the next block
        if self._held:
            data = data[:-1]
        if not data:
            return b""
        if data.count(b"\n") != data.count(b"\r\n"):
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        first = b"." if self._at_start and data.startswith(b".") else b""
        self._at_start = data.endswith(b"\n")
        return first + data.replace(b"\r\n.", b"\r\n..")

    def end(self) -> bytes:
        """The rest, and the dot."""
        rest = self._held
        at_start = self._at_start and not rest
        return rest + (b".\r\n" if at_start else b"\r\n.\r\n" if not rest else b"\n.\r\n")


class Top:
    """Cuts a message, fed in blocks, after its header, the blank line and `lines` lines of its body (TOP, section 7)."""

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._in_header = True
        self._line_empty = True  # so far, nothing but CR stands on this line
        self.full = False

    def cut(self, block: bytes) -> bytes:
        """The part of the block that belongs to the answer."""
        at = 0
        while at < len(block):
            if not self._in_header and self._left <= 0:
                self.full = True
                return block[:at]
            end = block.find(b"\n", at)
            if end < 0:
                self._line_empty = self._line_empty and not block[at:].strip(b"\r")
                return block
            blank = self._line_empty and not block[at:end].strip(b"\r")
            if self._in_header:
                self._in_header = not blank
            else:
                self._left -= 1
            self._line_empty = True
            at = end + 1
        return block
