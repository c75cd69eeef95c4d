"""How a message is found and opened: in its file, or in the content that stands for it."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor

from mailhub.model.errors import NotFound, Temporary

from .. import maildir
from ..api import Body, MessageFile
from ..bodies import HeldContent, OpenContent, OpenFile, OpenLines, ReadFile, Spool, StoredContent, with_crlf
from ..files import Files
from .intents import find

_SMALL = 32_768  # octets of a file that is read as it is opened: one step to the lane, not two (180 us a message before, 60 then)


class Opening:
    """`db` belongs to the reading lane, in which all this is called."""

    def __init__(
        self, db: sqlite3.Connection, spool: Spool, files: Files, pool: Executor, mail: str,
        load_body: Callable[[int], Awaitable[bytes]],
    ) -> None:  # fmt: skip
        self._db, self._spool, self._files, self._pool = db, spool, files, pool
        self._mail, self._load_body = mail, load_body

    def open(self, folder: int, uid: int) -> MessageFile | None:
        row = self._db.execute(
            "select name_flags, file, account, name, message.size from message join folder on folder.id = message.folder"
            " where folder=? and uid=?",
            (folder, uid),
        ).fetchone()
        if row is None:
            raise NotFound(f"no message {uid} in folder {folder}")
        name_flags, file, account, name, size = row
        if name_flags == maildir.NO_FILE:
            return self._content(file, folder, uid)
        path = f"{self._mail}/{maildir.home(account)}{maildir.folder_dir(name)}/{maildir.place(file, name_flags)}"
        for candidate in self._candidates(path):
            try:
                descriptor = self._files.open_read(candidate)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Temporary(f"{candidate}: {error}") from error
            return self._file(file, descriptor, size)
        if not self._files.exists(f"{self._mail}/{maildir.home(account)}/cur"):
            raise Temporary(f"the Maildir of {account} is gone; is its file system mounted?")
        return None

    def _file(self, name: str, descriptor: int, size: int) -> MessageFile:
        octets = self._files.length(descriptor)
        lines = octets < size  # the row counts each line end as CRLF
        if octets <= _SMALL:
            try:
                text = self._files.pread(descriptor, 0, octets)
            except OSError as error:
                raise Temporary(f"message file: {error}") from error
            finally:
                self._files.close(descriptor)
            return ReadFile(name, with_crlf(text) if lines else text, size if lines else octets)
        if lines:
            return OpenLines(name, self._files, self._pool, descriptor, octets, size)
        return OpenFile(name, self._files, self._pool, descriptor, octets)

    def _candidates(self, path: str) -> Iterator[str]:
        yield path
        found = find(self._files, path)
        if found is not None:
            yield found

    def _content(self, file: str, folder: int, uid: int) -> MessageFile | None:
        for _ in range(2):  # between row and file the message may have got its own, and the row is gone then
            row = self._db.execute(
                "select id, prefix, size, body, spool, tail, head from filed join content on content.id = filed.content"
                " where folder=? and uid=?",
                (folder, uid),
            ).fetchone()
            if row is None:
                return None
            number, prefix, size, body, spool, tail, head = row
            stored = StoredContent(number, prefix, Body(size, body, spool), self._spool, self._load_body, tail)
            if spool is None:
                return OpenContent(file, head, stored)
            try:
                descriptor = self._files.open_read(self._spool.path(spool))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Temporary(f"spool file {spool}: {error}") from error
            held = OpenFile(spool, self._files, self._pool, descriptor, size)
            return OpenContent(file, head, HeldContent(stored, held))
        raise Temporary(f"message {uid} of folder {folder} has lost its spool file")
