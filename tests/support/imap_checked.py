"""An IMAP client that believes nothing but what it was told, and complains where the server breaks a rule of the RFCs."""

import asyncio
import re
from bisect import insort
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_NUMBER = re.compile(rb"\* (\d+) (EXPUNGE|EXISTS|RECENT)\r\n")
_FETCH = re.compile(rb"\* (\d+) (FETCH|UIDFETCH) \((.*)\)\r\n", re.DOTALL)
_UID, _FLAGS, _MODSEQ = re.compile(rb"UID (\d+)"), re.compile(rb"FLAGS \(([^)]*)\)"), re.compile(rb"MODSEQ \((\d+)\)")
_VANISHED = re.compile(rb"\* VANISHED (\(EARLIER\) )?([0-9,:]+)\r\n")
_CODE = re.compile(rb"(?:\*|\w+) OK \[(HIGHESTMODSEQ|UIDVALIDITY) (\d+)\]")
_SEARCH = re.compile(rb"\* SEARCH((?: \d+)*)(?: \(MODSEQ \d+\))?\r\n")
_QUIET = ("FETCH", "STORE", "SEARCH")  # no EXPUNGE while one of these is under way (RFC 3501 section 7.4.1)
_UNSELECTED = ("LOGIN", "ENABLE")  # said before a mailbox is open: of its expunges nothing is told
ENABLES = {"plain": "", "condstore": "CONDSTORE", "qresync": "QRESYNC", "uidonly": "UIDONLY", "both": "QRESYNC UIDONLY"}


class HungUp(Exception):
    """The server ended the connection."""


class Connection(Protocol):
    """How the client speaks."""

    def write(self, data: bytes) -> None: ...

    def readline(self) -> Awaitable[bytes]: ...

    def read(self, size: int) -> Awaitable[bytes]: ...

    def close(self) -> None: ...


class TcpConnection:
    """To a server on loopback, which is given a minute for each line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def readline(self) -> bytes:
        return await asyncio.wait_for(self._reader.readline(), 60)

    async def read(self, size: int) -> bytes:
        return await asyncio.wait_for(self._reader.read(size), 60)

    def close(self) -> None:
        self._writer.close()


async def connect(port: int) -> TcpConnection:
    return TcpConnection(*await asyncio.open_connection("127.0.0.1", port))


@dataclass
class Belief:
    """What a client knows of a mailbox, by UID; kept from one connection to the next."""

    uidvalidity: int = 0
    highest: int = 0
    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    modseqs: dict[int, int] = field(default_factory=dict)


@dataclass
class CheckedClient:
    """`kind`: a key of ENABLES. `uids[n - 1]`: None until a FETCH has named it. `shared`: what all clients were told that a
    mod-sequence means."""

    connection: Connection
    kind: str
    shared: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    belief: Belief = field(default_factory=Belief)
    login: str = "alice"
    uids: list[int | None] = field(default_factory=list)
    found: list[int] = field(default_factory=list)  # of the last SEARCH
    lines: list[bytes] = field(default_factory=list)  # of the last command, for who finds it wrong
    _tag: int = 0
    _command: str = ""
    _exists: int = 0
    _reached: int = 0  # the mod-sequence up to which all has been told

    @property
    def by_uid(self) -> bool:
        return self.kind in ("qresync", "uidonly", "both")

    @property
    def uid_only(self) -> bool:
        return self.kind in ("uidonly", "both")

    @property
    def resyncs(self) -> bool:
        return self.kind in ("qresync", "both")

    @property
    def condstore(self) -> bool:
        return self.kind in ("condstore", "qresync", "both")

    async def open(self, mailbox: str) -> None:
        """Log in and select; who can, only asks what is new."""
        await self.connection.readline()
        await self.ask(f"LOGIN {self.login} secret")
        if ENABLES[self.kind]:
            await self.ask(f"ENABLE {ENABLES[self.kind]}")
        known = self.belief
        self._reached = known.highest
        if self.resyncs and known.highest:
            self.uids = [*sorted(known.flags)]
            answer = await self.ask(f"SELECT {mailbox} (QRESYNC ({known.uidvalidity} {known.highest}))")
        else:
            self.belief = Belief()
            answer = await self.ask(f"SELECT {mailbox}")
        assert b" OK " in answer, answer
        await self.learn()

    async def learn(self) -> None:
        """Name the messages that are only known to exist."""
        if None in self.uids:
            first = self.uids.index(None)
            known = self.uids[first - 1] if first and not self.uid_only else None  # numbers say what is not named
            items = "FLAGS MODSEQ" if self.condstore else "FLAGS"
            await self.ask(f"UID FETCH {(known or 0) + 1}:* (UID {items})")

    async def ask(self, command: str, then: str = "") -> bytes:
        """Say it, believe the answers; returns the tagged one. `then`: a line to say without waiting."""
        return (await self.ask_all([command], then))[0]

    async def ask_all(self, commands: Iterable[str], then: str = "") -> list[bytes]:
        """Several at once."""
        tags = []
        for command in commands:
            self._tag += 1
            tags.append((b"t%d " % self._tag, command))
            self.connection.write(b"t%d %b\r\n" % (self._tag, command.encode()))
        if then:
            self.connection.write(then.encode() + b"\r\n")
        answers = []
        for tag, command in tags:
            self._command, self.lines, self.found = command, [], []
            while not (line := await self._line()).startswith(tag):
                self._hear(line)
            self._coded(line)
            self._check(b" BAD " not in line, line)
            if command.startswith("SELECT"):
                self._grow()
                self._check(len(self.uids) == self._exists, line)
            elif command.split()[0] not in (*_QUIET, *_UNSELECTED):  # all up to here has been told, expunges too
                self._reached = max([self._reached, *self.belief.modseqs.values()])
            if None not in self.uids:  # and named: a client that is cut off here need not be told again
                self.belief.highest = self._reached
            answers.append(line)
        self._command = ""
        return answers

    async def _line(self) -> bytes:
        line = await self.connection.readline()
        while found := _LITERAL.search(line):
            size = int(found[1])
            while size:
                block = await self.connection.read(size)
                if not block:
                    raise HungUp
                size -= len(block)
                line += block
            line += await self.connection.readline()
        if not line.endswith(b"\n"):
            raise HungUp
        self.lines.append(line)
        return line

    def _check(self, holds: object, line: bytes) -> None:
        assert holds, f"{self.kind}: {line!r} in {self._command!r}; {self.uids} {self.lines[-8:]}"

    def _hear(self, line: bytes) -> None:
        if found := _NUMBER.fullmatch(line):
            self._number(int(found[1]), found[2], line)
        elif found := _FETCH.fullmatch(line):
            self._fetch(int(found[1]), found[2], found[3], line)
        elif found := _VANISHED.fullmatch(line):
            self._vanished(found[1] is not None, found[2], line)
        elif found := _SEARCH.fullmatch(line):
            self.found = [int(number) for number in found[1].split()]
        self._coded(line)

    def _coded(self, line: bytes) -> None:
        if found := _CODE.match(line):
            value = int(found[2])
            if found[1] == b"UIDVALIDITY":
                self._check(self.belief.uidvalidity in (0, value), line)
                self.belief.uidvalidity = value
            else:
                self._check(self._reached <= value, line)
                self._reached = value

    def _number(self, number: int, word: bytes, line: bytes) -> None:
        if word == b"EXISTS":
            self._exists = number
            if not self._command.startswith("SELECT"):  # there, what has vanished is told behind it
                self._check(number >= len(self.uids), line)
                self._grow()
        elif word == b"EXPUNGE":
            self._check(not self.by_uid and self._command.split()[0] not in _QUIET, line)
            self._check(1 <= number <= len(self.uids), line)
            self._exists -= 1
            self._forget(self.uids.pop(number - 1))

    def _grow(self) -> None:
        self.uids += [None] * (self._exists - len(self.uids))

    def _forget(self, uid: int | None) -> None:
        if uid is not None:
            del self.belief.flags[uid]
            self.belief.modseqs.pop(uid, None)

    def _vanished(self, earlier: bool, written: bytes, line: bytes) -> None:
        self._check(self.by_uid, line)
        self._check(not earlier or self._command.startswith(("SELECT", "UID FETCH")), line)
        self._check(self._command.split()[0] not in _QUIET, line)
        for low, _, high in (piece.partition(b":") for piece in written.split(b",")):
            for uid in range(int(low), int(high or low) + 1):
                self._exists -= not earlier
                if uid in self.uids:
                    self.uids.remove(uid)
                    self._forget(uid)
                elif (
                    None in self.uids and not earlier
                ):  # one that nobody has named yet, at the place where its UID belongs
                    before = max((n for n, one in enumerate(self.uids, 1) if one is not None and one < uid), default=0)
                    del self.uids[self.uids.index(None, before)]
                else:
                    self._check(earlier, line)

    def _fetch(self, number: int, word: bytes, items: bytes, line: bytes) -> None:
        self._check((word == b"UIDFETCH") == self.uid_only, line)
        if self._command.startswith("SELECT"):
            self._grow()
        named, flags, modseq = _UID.search(items), _FLAGS.search(items), _MODSEQ.search(items)
        uid = self._name(number, None if named is None else int(named[1]), line)
        if uid is None:
            return
        told = None if modseq is None else int(modseq[1])
        if flags is not None:
            words = frozenset(flags[1].decode().split()) - {"\\Recent"}
            self.belief.flags[uid] = words
            if told is not None:
                self._check(self.shared.setdefault((uid, told), words) == words, line)
        if told is not None:
            self._check(self.belief.modseqs.get(uid, 0) <= told, line)
            self.belief.modseqs[uid] = told
        elif flags is not None and self.condstore and not self._command.startswith(("FETCH", "UID FETCH")):
            self._check(False, line)  # each change comes with its mod-sequence (RFC 7162 section 3.1)

    def _name(self, number: int, uid: int | None, line: bytes) -> int | None:
        """Which message it is about; a number that is known stays what it was."""
        if self.uid_only:
            self._check(uid in (None, number), line)
            if number not in self.uids:
                self._check(None in self.uids, line)
                self.uids.remove(None)
                insort(self.uids, number, key=lambda one: one or 1 << 32)
            uid = number
        else:
            self._check(1 <= number <= len(self.uids), line)
            known = self.uids[number - 1]
            self._check(known is None or uid in (None, known), line)
            uid = uid or known
            self.uids[number - 1] = uid
        named = [one for one in self.uids if one is not None]
        self._check(named == sorted(set(named)), line)
        return uid
