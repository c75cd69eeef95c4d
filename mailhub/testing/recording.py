"""A session of a real client, saved as a transcript and played again as a regression test.

A transcript is plain text: `# smtp` names the door, `C: ` is what the client said, `S: ` what the server said, a line each.
Passwords are replaced by SECRET when they are written; what is different each time (queue ids, dates, UIDVALIDITY) by `<*>`,
which stands for anything when the transcript is played.
"""

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECRET = "scrubbed"
ANY = "<*>"
_LINE_LIMIT = 1 << 20

_VOLATILE = re.compile(
    r"(?<=queued as )[0-9A-Z]+|(?<=UIDVALIDITY )\d+|(?<=MAILBOXID \()[^)]+|(?<=EMAILID \()[^)]+|(?<=THREADID \()[^)]+"
    r"|(?<=INTERNALDATE )\"[^\"]*\"|(?<=Q)[0-9A-Z]{11,13}(?=R\d+\.)|<\d+\.\d+@[^>]*>|\d{7,}"
    r"|\w{3}, +\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}|(?<= id )[0-9A-Z]{11,13}\b"
)
_PLAIN = re.compile(r"^((?:\S+ )?(?:AUTH|AUTHENTICATE) PLAIN )(\S+)$", re.IGNORECASE)
_LOGIN = re.compile(r"^(\S+ LOGIN (?:\"(?:[^\"\\]|\\.)*\"|\S+) ).*$", re.IGNORECASE)
_PASS = re.compile(r"^(PASS ).*$", re.IGNORECASE)
_APOP = re.compile(r"^(APOP \S+ ).*$", re.IGNORECASE)
_AUTH = re.compile(r"^(?:\S+ )?(?:AUTH|AUTHENTICATE) ([A-Za-z0-9-]+)\s*$", re.IGNORECASE)


@dataclass
class Talk:
    """One session: `pieces` are ("C" or "S", octets) as they came."""

    service: str
    pieces: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, side: str, octets: bytes) -> None:
        if self.pieces and self.pieces[-1][0] == side:
            octets = self.pieces.pop()[1] + octets
        self.pieces.append((side, octets))

    @property
    def text(self) -> str:
        """The transcript."""
        return "\n".join([f"# {self.service}", *self._lines()]) + "\n"

    def _lines(self) -> Iterator[str]:
        mechanism, asked = "", 0  # of a SASL dialogue under way, and how many words of it were said
        for side, octets in self.pieces:
            for line in octets.decode("utf-8", "surrogateescape").removesuffix("\r\n").split("\r\n"):
                if side == "S":
                    yield f"S: {_VOLATILE.sub(ANY, line)}"
                    if not line.startswith(("334", "+ ", "+")) or line.startswith("+OK"):
                        mechanism = ""
                elif mechanism:
                    asked += 1
                    yield f"C: {_dialogue(mechanism, asked, line)}"
                else:
                    begun = _AUTH.match(line)
                    mechanism, asked = (begun[1].upper(), 0) if begun else ("", 0)
                    yield f"C: {_scrubbed(line)}"


class Recording:
    """What is said while it lasts: `talks`, a session each, in the order they began."""

    def __init__(self) -> None:
        self.talks: list[Talk] = []

    def save(self, path: Path | str, talk: int = 0) -> None:
        """Write the transcript of one session."""
        Path(path).write_text(self.talks[talk].text, encoding="utf-8", errors="surrogateescape")


def _scrubbed(line: str) -> str:
    if found := _PLAIN.match(line):
        return found[1] + _plain(found[2])
    for pattern in (_LOGIN, _PASS, _APOP):
        if found := pattern.match(line):
            return found[1] + SECRET
    return line


def _dialogue(mechanism: str, asked: int, line: str) -> str:
    """A word of a SASL dialogue: PLAIN and LOGIN can be played again, for others a test has to sign in by itself."""
    if mechanism == "PLAIN":
        return _plain(line)
    if mechanism == "LOGIN":
        return line if asked == 1 else base64.b64encode(SECRET.encode()).decode()
    return SECRET


def _plain(word: str) -> str:
    """The response of PLAIN (RFC 4616) with another password."""
    try:
        parts = base64.b64decode(word, validate=True).split(b"\0")
    except binascii.Error:
        return SECRET
    return base64.b64encode(b"\0".join([*parts[:-1], SECRET.encode()])).decode()


async def play(transcript: str, host: str, port: int) -> None:
    """Say what the client said to that door; AssertionError at the first answer that is another one."""
    reader, writer = await asyncio.open_connection(host, port, limit=_LINE_LIMIT)
    try:
        for number, line in enumerate(transcript.splitlines(), 1):
            side, text = line[:3], line[3:]
            if side == "C: ":
                writer.write(text.encode("utf-8", "surrogateescape") + b"\r\n")
            elif side == "S: ":
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                said = (await reader.readline()).decode("utf-8", "surrogateescape").rstrip("\r\n")
                pattern = ".*".join(map(re.escape, text.split(ANY)))
                assert re.fullmatch(pattern, said), (
                    f"line {number}: the server said {said!r}, the transcript has {text!r}"
                )
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def read(transcript: str | Path) -> str:
    """Its text, of a file where it is a path."""
    return transcript if isinstance(transcript, str) else transcript.read_text("utf-8", "surrogateescape")


def door(transcript: str) -> str:
    """The port that a transcript was recorded at."""
    first = transcript.partition("\n")[0]
    assert first.startswith("# "), "a transcript begins with `# smtp` or another port"
    return first[2:].strip()
