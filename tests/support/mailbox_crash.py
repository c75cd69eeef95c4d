"""A mailbox on a machine that is switched off at any moment, and what its owner may find afterwards."""

import copy
import os
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import MailError
from mailhub.model.mailbox import KEYWORD_SHIFT, SYSTEM_FLAGS, FlagOp, Folder
from mailhub.store.api import NewMessage
from mailhub.store.sqlite import SqliteStore

from .crash_files import CrashFiles, end_threads, mortal_writer

WHO = "alice@mailhub.test"
HOME = "mail/mailhub.test/alice/Maildir"
Message = tuple[bytes, frozenset[str]]  # text, flags and keywords
State = dict[str, dict[int, Message]]  # folder, UID


@dataclass
class Owner:
    """`may`: what may be found, one of these, if the machine stopped in what is being done; `is_so` when it is done."""

    folder: Path
    chance: random.Random
    is_so: State = field(default_factory=lambda: {"INBOX": {}})
    may: list[State] = field(default_factory=list)
    told: dict[tuple[int, int], bytes] = field(default_factory=dict)  # (UIDVALIDITY, UID): what it ever stood for
    modseqs: dict[int, int] = field(default_factory=dict)  # by UIDVALIDITY
    lives: int = 0

    @property
    def path(self) -> Path:
        return self.folder / str(self.lives)

    @property
    def home(self) -> Path:
        return self.path / HOME

    async def open(self, crash_at: int | None = None) -> None:
        os.makedirs(self.path, exist_ok=True)
        self.files = CrashFiles(self.path, self.folder / f"{self.lives}-pins")
        self.files.adopt()
        self.files.crash_at = crash_at
        config = StoreConfig(free_space_floor=0, inline_limit=1_000, sync_interval=0.001)
        self.store = SqliteStore(self.path, config, VirtualClock(1_000_000.0), "mx.test", self.files)
        with mortal_writer(self.files):
            await self.store.open()

    async def kill(self) -> None:
        """No more than a power cut would do."""
        self.files.dead = True
        await end_threads(self.store)

    async def switch_on(self) -> None:
        """With what the disk holds; it may stop once more while it recovers."""
        self._next_life()
        try:
            await self.open(crash_at=self.chance.randint(1, 12))
            await self.store.mailboxes.folders(WHO)
            self.files.crash_at = None
            if self.files.dead:
                raise MailError("died since")
        except MailError:
            await self.kill()
            self._next_life()
            await self.open()
        self.files.crash_at = None
        await self.check()

    def _next_life(self) -> None:
        before = self.files
        self.lives += 1
        before.next_life(self.chance, self.path)

    async def close(self) -> None:
        await self.store.close()

    # --- what is found ---------------------------------------------------------------------------------------------

    async def find(self, name: str) -> Folder:
        return next(folder for folder in await self.store.mailboxes.folders(WHO) if folder.name == name)

    async def seen(self) -> State:
        """All that a client would see; each UID stands for what it stood for, and no mod-sequence goes back."""
        found: State = {}
        for folder in await self.store.mailboxes.folders(WHO):
            view = await self.store.mailboxes.view(folder.id)
            words = view.folder.keywords
            mine = found.setdefault(folder.name, {})
            for uid, flags in zip(view.uids, view.flags, strict=True):
                async with await self.store.mailboxes.open(folder.id, uid) as message:
                    text = await message.read(0, message.size)
                names = {name for name, bit in SYSTEM_FLAGS.items() if flags & bit}
                names |= {word for n, word in enumerate(words) if flags >> (KEYWORD_SHIFT + n) & 1}
                mine[uid] = (text, frozenset(names))
                assert self.told.setdefault((folder.uidvalidity, uid), text) == text, (
                    folder.name,
                    uid,
                    text,
                    self.told[folder.uidvalidity, uid],
                )
            assert all(uid < view.folder.uidnext for uid in view.uids)
            assert (view.folder.messages, view.folder.size) == (len(mine), sum(len(text) for text, _ in mine.values()))
            assert self.modseqs.get(folder.uidvalidity, 0) <= view.folder.modseq
            self.modseqs[folder.uidvalidity] = view.folder.modseq
        return found

    async def check(self) -> None:
        found = await self.seen()
        assert found in [self.is_so, *self.may], _short(found, self.is_so, *self.may)
        self.is_so, self.may = found, []
        wrong = await self.store.mailboxes.check(WHO)
        assert not wrong, wrong
        await self.store.mailboxes.rescan(WHO)
        assert await self.seen() == found, "the files say the same"

    # --- what is done ----------------------------------------------------------------------------------------------

    def now(self) -> State:
        return copy.deepcopy(self.is_so)

    async def do(self, deed: Awaitable[object], *steps: State) -> None:
        """It may stop at any of `steps`, the last of which is the whole."""
        self.may = list(steps)
        await deed
        self.is_so, self.may = steps[-1], []

    async def append(self, name: str, *texts: bytes, flags: int = 0, keywords: tuple[str, ...] = ()) -> None:
        folder = await self.find(name)
        messages = []
        for text in texts:
            writer = self.store.queue.body_writer()
            writer.feed(text)
            messages.append(NewMessage(await writer.finish(), 1, b"(E)", b"(B)", flags, keywords))
        words = frozenset({word for word, bit in SYSTEM_FLAGS.items() if flags & bit} | set(keywords))
        after = self.now()
        after[name] |= {folder.uidnext + n: (text, words) for n, text in enumerate(texts)}
        await self.do(self.store.mailboxes.append(folder.id, messages), after)

    async def create(self, name: str) -> None:
        after = self.now()
        for n in range(1, name.count(".") + 2):
            after.setdefault(".".join(name.split(".")[:n]), {})
        await self.do(self.store.mailboxes.create(WHO, name), after)

    async def copy(self, name: str, uids: list[int], target: str) -> None:
        source, to = await self.find(name), await self.find(target)
        after = self.now()
        after[target] |= {to.uidnext + n: after[name][uid] for n, uid in enumerate(uids)}
        await self.do(self.store.mailboxes.copy(source.id, uids, to.id), after)

    async def move(self, name: str, uids: list[int], target: str) -> None:
        source, to = await self.find(name), await self.find(target)
        after = self.now()
        after[target] |= {to.uidnext + n: after[name].pop(uid) for n, uid in enumerate(uids)}
        await self.do(self.store.mailboxes.move(source.id, uids, to.id), after)

    async def flag(self, name: str, uids: list[int], word: str, *keywords: str) -> None:
        folder = await self.find(name)
        after = self.now()
        for uid in uids:
            text, words = after[name][uid]
            after[name][uid] = (text, words | {word, *keywords})
        flags = SYSTEM_FLAGS[word]
        await self.do(self.store.mailboxes.set_flags(folder.id, uids, FlagOp.ADD, flags, keywords), after)

    async def expunge(self, name: str, uids: list[int]) -> None:
        folder = await self.find(name)
        after = self.now()
        for uid in uids:
            del after[name][uid]
        await self.do(self.store.mailboxes.expunge(folder.id, uids), after)

    async def rename(self, name: str, new: str) -> None:
        folder = await self.find(name)
        after = {new + n[len(name) :] if n == name or n.startswith(name + ".") else n: m for n, m in self.now().items()}
        await self.do(self.store.mailboxes.rename(folder.id, new), after)

    async def delete(self, name: str) -> None:
        folder = await self.find(name)
        empty, after = self.now(), self.now()
        empty[name] = {}
        del after[name]
        await self.do(self.store.mailboxes.delete(folder.id), empty, after)

    async def meddle(self, name: str, directory: str) -> None:
        """Another program reads a message, deletes one and puts one there; then the folder is scanned."""
        await self.do(self.store.mailboxes.sync(), self.now())
        folder = await self.find(name)
        after = self.now()
        read, gone, *_ = sorted(after[name])
        rows = await self.store.mailboxes.rows(folder.id, [read, gone], False)
        cur = self.home / directory / "cur"
        paths = {
            row.uid: next(path for path in cur.iterdir() if path.name.partition(":")[0] == row.file) for row in rows
        }
        self.files.settled()
        paths[read].rename(f"{paths[read]}T")
        paths[gone].unlink()
        (cur.parent / "new" / "1.outside.host").write_bytes(b"Subject: outside\r\n\r\n")
        self.files.settled()
        text, words = after[name][read]
        after[name][read] = (text, words | {"\\Deleted"})
        del after[name][gone]
        after[name][folder.uidnext] = (b"Subject: outside\r\n\r\n", frozenset())
        await self.do(self.store.mailboxes.rescan(WHO), *self._halves(name, read, gone, after))
        self.files.settled()

    def _halves(self, name: str, read: int, gone: int, after: State) -> list[State]:
        """A scan has a unit for flags, one for what is gone and one for what is new."""
        one, two = self.now(), self.now()
        one[name][read] = after[name][read]
        two[name][read] = after[name][read]
        del two[name][gone]
        return [one, two, after]


def _short(*states: State) -> str:
    """What was found, what was, what might be."""
    lines = (
        {
            name: {uid: (text.split(b"\r")[0], *sorted(words)) for uid, (text, words) in mine.items()}
            for name, mine in state.items()
        }
        for state in states
    )
    return "\n".join(map(str, lines))
