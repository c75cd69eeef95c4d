"""Files and index compared, and each disagreement mended. What is on its way (renames, files not written yet) is none."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.mailbox import Folder

from .. import maildir
from ..api import Disagreement
from ..files import Files
from ..lane import Lane
from ..side_files import read_uidlist
from .adopting import Again, Recount, counters, is_queued
from .filer import Filer
from .intents import make_maildir
from .scan import Found, Scan
from .writer import Writer

LEFTOVER = 36 * 3600  # seconds after which a file in tmp/ is nobody's any more (maildir(5))
_CHUNK = 200
Row = tuple[int, int, int, int]  # uid, name flags, flags, size


class Doubles(Struct, frozen=True):
    """Files of one base name. The first one is the message's."""

    base: str
    paths: tuple[str, ...]


class Checkup:
    """`db` belongs to the reading lane; files are looked at in the filer's."""

    def __init__(
        self, scan: Scan, writer: Writer, reader: Lane, db: sqlite3.Connection, filer: Filer, files: Files
    ) -> None:
        self._scan, self._writer, self._reader, self._db, self._filer, self._files = (
            scan, writer, reader, db, filer, files,
        )  # fmt: skip

    async def check(self, account: str, now: float) -> list[Disagreement]:
        """All disagreements; nothing is changed but what lags behind is caught up with. Each is seen twice: what was under way the
        first time is done the second."""
        await self._filer.catch_up()
        first = await self._compare(account, now)
        if not first:
            return []
        await self._filer.catch_up()
        again = set(await self._compare(account, now))
        return [found for found in first if found in again]

    async def _compare(self, account: str, now: float) -> list[Disagreement]:
        found = [Disagreement("directory without folder", name, "", "") for name in await self._new_folders(account)]
        for folder in await self._reader.call(self._scan.folders, account):
            rows = await self._reader.call(self._rows, folder.id)
            counted = await self._reader.call(counters, self._db, folder.id)
            some = await self._filer.lane.call(self._folder, folder, rows, now)
            queued = await self._reader.call(self._queued, some)
            found += [each for each in some if each.file not in queued]
            if counted != (folder.messages, folder.unseen, folder.size):
                told = (
                    f"{folder.messages} messages, {folder.unseen} unseen, {folder.size} octets; the rows say {counted}"
                )
                found.append(Disagreement("counters", folder.name, "", told))
        return found

    def _queued(self, found: Sequence[Disagreement]) -> set[str]:
        """Files that the queue is about to enter."""
        return {each.file for each in found if each.kind == "file without row" and is_queued(self._db, each.file)}

    async def _new_folders(self, account: str) -> list[str]:
        known = {folder.name for folder in await self._reader.call(self._scan.folders, account)}
        there, _ = await self._filer.lane.call(self._scan.on_disk, account)
        return [name for name in there if name not in known]

    def _rows(self, folder: int) -> dict[str, Row]:
        rows = self._db.execute("select file, uid, name_flags, flags, size from message where folder=?", (folder,))
        return {file: (uid, name_flags, flags, size) for file, uid, name_flags, flags, size in rows.fetchall()}

    # --- in the filer's lane -----------------------------------------------------------------------------------------

    def _folder(self, folder: Folder, rows: dict[str, Row], now: float) -> list[Disagreement]:
        directory = self._scan.directory(folder)
        if not self._files.exists(f"{directory}/cur"):
            return [Disagreement("folder without directory", folder.name, "", f"{len(rows)} messages")]
        files = self._scan.files_of(directory)
        there = {entry.base: entry for entry in files}
        found = [Disagreement("double file", folder.name, double.base, ", ".join(double.paths[1:]))
                 for double in self._doubles(files, rows)]  # fmt: skip
        found += [Disagreement("file without row", folder.name, base, there[base].path)
                  for base in sorted(there.keys() - rows.keys())]  # fmt: skip
        for base, (uid, name_flags, flags, size) in sorted(rows.items(), key=lambda item: item[1][0]):
            if name_flags == maildir.NO_FILE:
                continue
            entry = there.get(base)
            if entry is None:
                found.append(Disagreement("row without file", folder.name, base, f"UID {uid}"))
                continue
            visible = flags & maildir.VISIBLE
            if max(0, entry.name_flags) != visible:
                told = f"UID {uid}: {maildir.letters(visible)!r}, the file's name {maildir.letters(max(0, entry.name_flags))!r}"
                found.append(Disagreement("flags", folder.name, base, told))
            octets = self._files.size(entry.path)
            if octets is not None and octets != size and self._scan.size(entry.path) != size:
                found.append(Disagreement("size", folder.name, base, f"UID {uid}: {size} octets, the file {octets}"))
        found += [Disagreement("leftover", folder.name, path, "") for path in self._leftovers(directory, now)]
        return found + self._listed(folder, directory, rows)

    def _doubles(self, files: Sequence[Found], rows: dict[str, Row]) -> list[Doubles]:
        counted = Counter(entry.base for entry in files)
        doubles = []
        for base in sorted(base for base, number in counted.items() if number > 1):
            mine = rows.get(base)
            # the one where the row has it goes first, else one in cur/
            same = sorted(
                (entry for entry in files if entry.base == base),
                key=lambda e: (mine is None or e.name_flags != mine[1], e.name_flags == maildir.IN_NEW, e.path),
            )
            doubles.append(Doubles(base, tuple(entry.path for entry in same)))
        return doubles

    def _leftovers(self, directory: str, now: float) -> list[str]:
        paths = [f"{directory}/tmp/{name}" for name in self._files.listing(f"{directory}/tmp")]
        return [path for path in paths if self._files.exists(path) and self._files.modified(path) < now - LEFTOVER]

    def _listed(self, folder: Folder, directory: str, rows: dict[str, Row]) -> list[Disagreement]:
        """Dovecot's list, which is another program's only way to our UIDs."""
        path = f"{directory}/dovecot-uidlist"
        listed = read_uidlist(self._files.read(path)) if self._files.exists(path) else None
        if listed is None:
            return [Disagreement("uidlist", folder.name, "", "missing")] if rows else []
        if listed.uidvalidity != folder.uidvalidity:
            told = f"UIDVALIDITY {listed.uidvalidity}, ours {folder.uidvalidity}"
            return [Disagreement("uidlist", folder.name, "", told)]
        wrong = [base for base, row in rows.items() if listed.uids.get(base) != row[0]]
        return [Disagreement("uidlist", folder.name, base, f"UID {listed.uids.get(base)}, ours {rows[base][0]}")
                for base in sorted(wrong)]  # fmt: skip

    # --- mending -----------------------------------------------------------------------------------------------------

    async def repair(self, account: str, now: float) -> list[Disagreement]:
        """Mend what `check` finds; what could not be. Files win where mail is concerned: what has no file is expunged, what has no row
        is entered. No octet of a message is deleted unless there is a second copy."""
        await self._filer.catch_up()
        await self._filer.lane.call(self._scan.make_home, account)
        for folder in await self._reader.call(self._scan.folders, account):
            rows = await self._reader.call(self._rows, folder.id)
            await self._filer.lane.call(self._mend_files, folder, rows, now)
        await self._scan.account(account)
        for folder in await self._reader.call(self._scan.folders, account):
            await self._mend_sizes(folder)
            await self._writer.do(Recount(folder.id))
        await self._filer.rewrite_lists(account)
        return await self.check(account, now)

    def _mend_files(self, folder: Folder, rows: dict[str, Row], now: float) -> None:
        directory = self._scan.directory(folder)
        make_maildir(self._files, directory)
        for double in self._doubles(self._scan.files_of(directory), rows):
            kept = self._files.read(double.paths[0])
            for number, path in enumerate(double.paths[1:], 1):
                if self._files.read(path) == kept:
                    self._files.unlink(path)
                else:  # two messages: the second one gets a name of its own
                    self._files.rename(path, path.replace(double.base, self._apart(double.base, number, rows), 1))
        for path in self._leftovers(directory, now):
            self._files.unlink(path)

    def _apart(self, base: str, number: int, rows: dict[str, Row]) -> str:
        sizes = maildir.sizes(base)
        while (name := f"{base.removesuffix(sizes)}-{number}{sizes}") in rows:
            number += 1
        return name

    async def _mend_sizes(self, folder: Folder) -> None:
        rows = await self._reader.call(self._rows, folder.id)
        again = await self._filer.lane.call(self._resized, folder, rows)
        for start in range(0, len(again), _CHUNK):
            await self._writer.do(Again(folder.id, again[start : start + _CHUNK]))

    def _resized(self, folder: Folder, rows: dict[str, Row]) -> list[tuple[int, int, int, bytes, bytes]]:
        again = []
        for entry in self._scan.files_of(self._scan.directory(folder)):
            row = rows.get(entry.base)
            if row is not None and row[1] != maildir.NO_FILE:
                octets = self._files.size(entry.path)
                if octets is not None and octets != row[3] and self._scan.size(entry.path) != row[3]:
                    again.append((row[0], *self._scan.render(entry.path)))
        return again
