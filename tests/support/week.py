"""A week of an account: what happens on its server day by day, and pictures of both sides that can be compared.

A picture is, for each folder, a sorted list of (checksum of the message, its flags); line ends do not count, nor what a
synchroniser writes into a header for its own use.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from mailhub.hub import Hub
from mailhub.model.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, FlagOp
from mailhub.store.maildir import decode_name

from .hubs import send

LETTERS = {"S": SEEN, "R": ANSWERED, "F": FLAGGED, "T": DELETED, "D": DRAFT}
Picture = dict[str, list[tuple[str, str]]]
_OWN = re.compile(rb"^(?:X-TUID|X-OfflineIMAP|X-getmail-retrieved|X-Mozilla-(?:Status2?|Keys):)[^\n]*\n", re.MULTILINE)

ODD = [
    b"Subject: plain\r\n\r\nhello\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.dot\r\n\r\n.\r\n",
    b"Subject: =?gb18030?B?1tzSuw==?=\r\nContent-Type: text/plain; charset=gb18030\r\n\r\n\xd6\xdc\xd2\xbb\r\n",
    b"Subject: \xe9 raw\r\n\r\n8-bit \xff\xfe without a charset\r\n",
    b"Subject: no body\r\n\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 990 + b"\r\n" + b"From here\r\n>From there\r\n" * 40,
    b'Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\none\r\n--b\r\n'
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntwo\r\n--b--\r\n",
    b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 + (b"\r\n" + b"0123456789abcdef" * 4) * 20_000 + b"\r\n",
]


def checksum(text: bytes) -> str:
    return hashlib.sha256(_OWN.sub(b"", text.replace(b"\r\n", b"\n")).rstrip(b"\n")).hexdigest()[:16]


@dataclass
class Server:
    """The account on the hub; messages are named by their subjects, which are different."""

    hub: Hub
    account: str
    made: Iterator[int] = field(default_factory=count)

    async def deliver(self, *texts: bytes) -> None:
        for text in texts:
            head, _, rest = text.partition(b"\r\n")
            await send(self.hub, "friend@other.test", self.account, head + b" #%d\r\n" % next(self.made) + rest)
        await self.hub.queue.idle()

    async def create(self, name: str) -> None:
        await self.hub.mailboxes.account(self.account).create(name)

    async def mark(self, flags: int, *places: int, folder: str = "INBOX") -> None:
        """Set flags of the messages at those places (0 is the oldest)."""
        mail = self.hub.mailboxes.account(self.account)
        view = await mail.open_view(await mail.find(folder), read_only=False)
        await view.set_flags([view.uids[at] for at in places], FlagOp.REPLACE, flags)
        view.close()

    async def expunge(self, *places: int, folder: str = "INBOX") -> None:
        mail = self.hub.mailboxes.account(self.account)
        there = await mail.snapshot(await mail.find(folder))
        await there.remove(sorted(there.uids[at] for at in places))

    async def move(self, target: str, *places: int, folder: str = "INBOX") -> None:
        mail = self.hub.mailboxes.account(self.account)
        view = await mail.open_view(await mail.find(folder), read_only=False)
        await view.move(sorted(view.uids[at] for at in places), await mail.find(target))
        view.close()

    async def texts(self, folder: str = "INBOX") -> list[tuple[bytes, int]]:
        """The messages of a folder with their flags, oldest first."""
        mail = self.hub.mailboxes.account(self.account)
        view = await mail.open_view(await mail.find(folder), read_only=True)
        out = []
        for uid, flags in zip(view.uids, view.flags, strict=True):
            async with await view.open(uid) as file:
                out.append((bytes(await file.read(0, file.size)), flags))
        view.close()
        return out

    async def picture(self) -> Picture:
        """Of all folders with something in them."""
        found = {}
        for folder in await self.hub.mailboxes.account(self.account).folders():
            entries = [
                (checksum(text), "".join(sorted(letter for letter, flag in LETTERS.items() if flags & flag)))
                for text, flags in await self.texts(folder.name)
            ]
            if entries:
                found[folder.name] = sorted(entries)
        return found


@dataclass
class LocalMaildirs:
    """A tree of Maildirs in which a synchroniser keeps its side; `inbox` is the folder that stands for INBOX."""

    root: Path

    def files(self, folder: str = "INBOX") -> list[Path]:
        """By subject."""
        at = self.root / folder.replace(".", "/")
        return sorted(
            (file for sub in ("new", "cur") for file in (at / sub).iterdir()), key=lambda file: _subject(file)
        )

    def folders(self) -> list[str]:
        return sorted(str(path.parent.relative_to(self.root)).replace("/", ".") for path in self.root.rglob("cur"))

    def picture(self) -> Picture:
        found = {}
        for folder in self.folders():
            entries = [(checksum(file.read_bytes()), _flags(file)) for file in self.files(folder)]
            if entries:
                found[decode_name(folder)] = sorted(entries)
        return found

    def mark(self, letters: str, *places: int, folder: str = "INBOX") -> None:
        files = self.files(folder)
        for at in places:
            base = files[at].name.partition(":")[0]
            files[at].rename(files[at].parent.parent / "cur" / f"{base}:2,{letters}")

    def remove(self, *places: int, folder: str = "INBOX") -> None:
        files = self.files(folder)
        for at in places:
            files[at].unlink()

    def move(self, target: str, *places: int, folder: str = "INBOX") -> None:
        """As mail programs do: under a name of its own, so that it is new there."""
        files = self.files(folder)
        for at in places:
            to = self.root / target.replace(".", "/")
            for sub in ("new", "cur", "tmp"):
                (to / sub).mkdir(parents=True, exist_ok=True)
            name = f"{files[at].stat().st_mtime_ns}.{at}_{os.getpid()}.local:2,{_flags(files[at])}"
            shutil.move(files[at], to / "cur" / name)

    def write(self, text: bytes, letters: str, folder: str = "INBOX") -> None:
        at = self.root / folder.replace(".", "/")
        for sub in ("new", "cur", "tmp"):
            (at / sub).mkdir(parents=True, exist_ok=True)
        (at / "cur" / f"{len(list(at.rglob('*')))}.written.local:2,{letters}").write_bytes(text.replace(b"\r\n", b"\n"))


def _flags(file: Path) -> str:
    return "".join(sorted(set(file.name.partition(":2,")[2]) & set(LETTERS)))


def _subject(file: Path) -> bytes:
    """With its number; a file whose subject has none comes last."""
    found = re.search(rb"^Subject: .* #(\d+)\r?$", file.read_bytes(), re.MULTILINE)
    return found[1].rjust(9, b"0") if found else b"~" + file.name.encode()
