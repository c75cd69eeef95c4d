"""Mail that comes into Maildirs: files first, synced, then the rows that name them; last what lies beside the mail."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence

from mailhub.model.errors import Temporary

from .. import maildir
from ..files import Files
from ..lane import Lane
from ..side_files import uidlist_head, uidlist_lines
from ..sqlite import SqliteStore
from ..sqlite.adopting import recount
from ..sqlite.homes import Homes
from ..sqlite.intents import make_maildir
from ..sqlite.sidecars import Sidecars
from .octets import Read, blocks
from .sides import FolderRow, Message, Side, folder_row

_OCTETS = re.compile(r",S=(\d+)")
_FOLDER = (
    "id, account, name, uidvalidity, uidnext, modseq, keywords, special_use, recent_from,"
    " coalesce((select modseq from expunged where folder = folder.id and uid < 1), 0)"
)


class Maildirs:
    """The half of `embedded.Embedded` that writes mail."""

    store: SqliteStore
    db: sqlite3.Connection

    def __init__(self, lane: Lane, files: Files, mail: str, location: str) -> None:
        self.lane, self._files, self._mail = lane, files, mail
        self._homes = Homes(files, mail, location)

    def folder_rows(self, account: str) -> list[FolderRow]:
        rows = self.db.execute(f"select {_FOLDER} from folder where account = ? order by name", (account,)).fetchall()
        return [folder_row(row) for row in rows]

    def _directory(self, folder: FolderRow) -> str:
        return self._homes.path(folder.account) + maildir.folder_dir(folder.name)

    async def put_folder(self, folder: FolderRow) -> None:
        await self.lane.call(self._put_folder, folder)

    def _put_folder(self, folder: FolderRow) -> None:
        directory = self._directory(folder)
        self._homes.make(folder.account)
        make_maildir(self._files, directory)
        home = self._homes.path(folder.account)
        for path in (directory, home, home.rpartition("/")[0], home.rpartition("/")[0].rpartition("/")[0], self._mail):
            self._files.sync_file(path)
        f = folder
        with transaction(self.db):
            self.db.execute(
                "insert into folder (id, account, name, uidvalidity, uidnext, modseq, keywords, special_use, recent_from, messages,"
                " unseen, size) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0) on conflict(id) do nothing",
                (
                    f.id,
                    f.account,
                    f.name,
                    f.uidvalidity,
                    f.uidnext,
                    f.modseq,
                    json.dumps(f.keywords),
                    f.special_use,
                    f.recent_from,
                ),
            )
            if folder.forgotten:  # how many tombstones stand behind it is counted at the end
                self.db.execute(
                    "insert into expunged (folder, modseq, uid) select ?1, ?2, 0 where not exists"
                    " (select 1 from expunged where folder = ?1 and uid < 1)",
                    (folder.id, folder.forgotten),
                )

    async def put_former(self, folder: FolderRow, ids: Mapping[int, str]) -> None:
        """In Dovecot's list, where the whole of it will keep them."""
        rows = [(uid, file, size) for uid, file, size in await self.lane.call(self._files_of, folder.id) if uid in ids]
        fields = {file: f"P{ids[uid]}" for uid, file, _ in rows}
        guid = f"{folder.uidvalidity:08x}{folder.id:08x}".ljust(32, "0")
        text = uidlist_head(folder.uidvalidity, folder.uidnext, guid) + uidlist_lines(rows, fields)
        await self.lane.call(self._files.replace_text, f"{self._directory(folder)}/dovecot-uidlist", text)

    def _files_of(self, folder: int) -> list[tuple[int, str, int]]:
        return self.db.execute(
            "select uid, file, size from message where folder = ? order by uid", (folder,)
        ).fetchall()

    async def there(self, folder: int, uids: Sequence[int]) -> Collection[int]:
        text = "select uid from message where folder = ? and uid in (select value from json_each(?))"
        rows = await self.lane.call(lambda: self.db.execute(text, (folder, json.dumps(list(uids)))).fetchall())
        return {uid for (uid,) in rows}

    async def put_messages(self, folder: FolderRow, messages: Sequence[Message], source: Side) -> None:
        directory = self._directory(folder)
        written = []
        for message in messages:
            async with await source.read(folder.id, message.uid) as file:
                octets = _OCTETS.search(maildir.sizes(message.file))
                lines = octets is not None and int(octets[1]) < message.size
                path = await self._write(directory, message, file.read, bare=lines)
                if lines and octets is not None and await self.lane.call(self._files.size, path) != int(octets[1]):
                    path = await self._write(directory, message, file.read, bare=False)
            written.append(path)
        await self.lane.call(self._sync, directory, written)
        await self.lane.call(self._index, folder, messages)

    async def _write(self, directory: str, message: Message, read: Read, *, bare: bool) -> str:
        """The file of a message; `bare`: with LF alone at the ends of lines, as its name says that it was."""
        name = maildir.place(message.file, message.flags & maildir.VISIBLE)
        part, path = f"{directory}/tmp/{message.file}", f"{directory}/{name}"
        await self.lane.call(self._files.unlink, part)
        descriptor = await self.lane.call(self._files.create, part)
        try:
            held = b""
            async for block in blocks(read, message.size):
                if bare:
                    text = held + block
                    held = b"\r" if text.endswith(b"\r") else b""
                    block = text[: len(text) - len(held)].replace(b"\r\n", b"\n")
                await self.lane.call(self._files.append, descriptor, (block,))
            if held:
                await self.lane.call(self._files.append, descriptor, (held,))
        finally:
            await self.lane.call(self._files.close, descriptor)
        await self.lane.call(self._files.set_modified, part, message.date)
        await self.lane.call(self._files.rename, part, path)
        return path

    def _sync(self, directory: str, written: Sequence[str]) -> None:
        if self._files.sync_all(directory):
            return
        for path in (*written, f"{directory}/cur"):
            self._files.sync_file(path)

    def _index(self, folder: FolderRow, messages: Sequence[Message]) -> None:
        rows = [
            (folder.id, m.uid, m.flags, m.modseq, m.date, m.size, m.flags & maildir.VISIBLE, 0, m.file, m.moved)
            for m in messages
        ]
        with transaction(self.db):
            self.db.executemany(
                "insert or ignore into message (folder, uid, flags, modseq, date, size, name_flags, dirty, file, moved)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self.db.executemany(
                "insert or ignore into rendered (folder, uid, envelope, structure) values (?, ?, ?, ?)",
                [(folder.id, m.uid, m.envelope, m.structure) for m in messages],
            )

    async def finish(self, account: str, uidvalidity: int) -> None:
        """Counters and side files; then the store looks at the Maildirs as it does at any start, and finds nothing new."""
        await self.lane.call(self._finish, account)
        before = await self.lane.call(self.folder_rows, account)
        await self.store.mailboxes.folders(account)
        after = await self.lane.call(self.folder_rows, account)
        if before != after:
            names = ", ".join(sorted({folder.name for folder in (set(before) ^ set(after))}))
            raise Temporary(f"{account}: the Maildirs are not what the index says: {names}")

    def _finish(self, account: str) -> None:
        with transaction(self.db):
            for folder in self.folder_rows(account):
                recount(self.db, folder.id)
                self.db.execute(
                    "update expunged set uid = -(select count(*) from expunged e where e.folder = ?1 and e.uid > 0)"
                    " where folder = ?1 and uid < 1",
                    (folder.id,),
                )
        Sidecars(self.db, self._files, self._mail).rewrite(account)


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
