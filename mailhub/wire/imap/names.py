"""Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3), INBOX in any case, and the wildcards of LIST."""

import base64
import binascii
import re
from collections.abc import Iterable

INBOX = "INBOX"
_PRINTABLE = re.compile("[ -~]")


def decode(raw: bytes) -> str:
    """The Unicode name. Names in plain UTF-8, as some clients send them, are taken as such; ValueError for neither."""
    if not raw.isascii():
        return raw.decode("utf-8")
    if b"&" not in raw:
        return raw.decode("ascii")
    out: list[str] = []
    at = 0
    while (start := raw.find(b"&", at)) >= 0:
        out.append(raw[at:start].decode("ascii"))
        end = raw.find(b"-", start)
        if end < 0:
            raise ValueError("modified UTF-7 without its end")
        out.append(_shifted(raw[start + 1 : end]))
        at = end + 1
    out.append(raw[at:].decode("ascii"))
    return "".join(out)


def _shifted(text: bytes) -> str:
    if not text:
        return "&"
    try:
        units = base64.b64decode(text.replace(b",", b"/") + b"=" * (-len(text) % 4), validate=True)
        found = units.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not modified UTF-7: {text[:40]!r}") from error
    if _PRINTABLE.search(found):
        raise ValueError("printable ASCII in modified UTF-7 (RFC 3501 section 5.1.3): one folder would have two names")
    return found


def encode(name: str) -> bytes:
    """The name as a client that knows only RFC 3501 reads it."""
    out: list[bytes] = []
    run: list[str] = []
    for char in name:
        if " " <= char <= "~":
            if run:
                out.append(_shift("".join(run)))
                run.clear()
            out.append(b"&-" if char == "&" else char.encode("ascii"))
        else:
            run.append(char)
    if run:
        out.append(_shift("".join(run)))
    return b"".join(out)


def _shift(text: str) -> bytes:
    encoded = base64.b64encode(text.encode("utf-16-be", "surrogatepass"))
    return b"&" + encoded.rstrip(b"=").replace(b"/", b",") + b"-"


def canonical(name: str, separator: str) -> str:
    """INBOX and the first level INBOX in capitals: they mean the same in any case (RFC 3501 section 5.1)."""
    first, found, rest = name.partition(separator)
    return INBOX + found + rest if first.upper() == INBOX else name


class Patterns:
    """LIST's patterns: "*" any run, "%" any run without the separator.

    All are run at once over a name, as one set of places in them, a bit each: the time is that of the name's length times the
    patterns' length in machine words, whatever stands in them.
    """

    def __init__(self, patterns: Iterable[str], separator: str) -> None:
        self._separator = separator
        self._start = self._ends = self._stars = self._wild = at = 0
        self._at: dict[str, int] = {}  # character: the places that it passes
        for pattern in patterns:
            self._start |= 1 << at
            for char in _RUN.sub(_widest, pattern):
                if char in "*%":
                    self._wild |= 1 << at
                    self._stars |= (char == "*") << at
                else:
                    self._at[char] = self._at.get(char, 0) | 1 << at
                at += 1
            self._ends |= 1 << at
            at += 1
        self._start |= (self._start & self._wild) << 1

    def match(self, name: str) -> bool:
        """Whether one of the patterns covers the whole name."""
        places, wild, stars = self._start, self._wild, self._stars
        for char in name:
            stays = places & (stars if char == self._separator else wild)
            places = stays | (places & self._at.get(char, 0)) << 1
            places |= (places & wild) << 1
            if not places:
                return False
        return bool(places & self._ends)


_RUN = re.compile("[*%]{2,}")


def _widest(run: "re.Match[str]") -> str:
    return "*" if "*" in run[0] else "%"
