"""What a backup consists of: a line of JSON for each file, mail in the order of accounts and folders."""

import hashlib
import os
import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from .. import maildir
from .layout import Trouble, is_digest, open_plain

_LINE = 65_536  # octets of a line
_FILE = re.compile(r"[^/\x00-\x1f\x7f.:][^/\x00-\x1f\x7f:]{0,254}")
_SPOOL = re.compile(r"[0-9a-f]{1,32}(-[0-9a-f]{1,8})?")  # perhaps with room before the body
_PART = re.compile(r"[A-Za-z0-9_@+=,*-][A-Za-z0-9._@+=,*-]{0,200}")
DATA = ("acme", "tls", "maildrop")  # folders below the data folder whose files come along
SIDE = ("dovecot-uidlist", "dovecot-keywords", "subscriptions")  # what other servers' UIDs and names stand in


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file. `kind`: "mail" (`file`: base name, `name_flags` as in the index, `uid`: 0 where the index does not know it), "side" (`file`
    beside the mail), "spool", or "data" (`file`: path below the data folder). `date`: when it was changed last."""

    kind: str
    digest: str
    size: int
    file: str
    account: str = ""
    folder: str = ""
    uid: int = 0
    name_flags: int = 0
    date: int = 0

    def path(self) -> str:
        """Below the data folder. No name of an entry that `checked` let pass leads out of it."""
        if self.kind == "spool":
            return f"spool/{self.file}"
        if self.kind == "data":
            return self.file
        directory = f"mail/{maildir.home(self.account)}{maildir.folder_dir(self.folder)}"
        return f"{directory}/{self.file if self.kind == 'side' else maildir.place(self.file, self.name_flags)}"


def checked(entry: Entry) -> bool:
    """Whether it names what a backup of ours may hold."""
    if not is_digest(entry.digest) or not 0 <= entry.size < 1 << 48 or not 0 <= entry.date < 1 << 40:
        return False
    if entry.kind == "spool":
        return _SPOOL.fullmatch(entry.file) is not None
    if entry.kind == "data":
        first, *rest = entry.file.split("/")
        return first in DATA and 0 < len(rest) <= 4 and all(map(_PART.fullmatch, rest))
    if not entry.account or not is_folder(entry.folder):
        return False
    if entry.kind == "side":
        return entry.file in SIDE
    named = _FILE.fullmatch(entry.file) is not None and maildir.clean(entry.file) == entry.file
    return entry.kind == "mail" and named and maildir.IN_NEW <= entry.name_flags < 1 << 40 and 0 <= entry.uid < 1 << 32


def is_folder(name: str) -> bool:
    """Whether a Maildir has a directory of its own for it."""
    return name == "INBOX" or maildir.folder_name("." + maildir.encode_name(name)) == name


class Written:
    """A manifest that is being written; its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self._encoder = file, hashlib.sha256(), msgspec.json.Encoder()

    def put(self, entry: Entry) -> None:
        line = self._encoder.encode(entry) + b"\n"
        self._digest.update(line)
        self._file.write(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def entries(path: str, digest: str) -> Iterator[Entry]:
    """Its lines, in the order they stand. Its digest is looked at before the first one is given: Trouble where it is another, or where a
    line names what no backup holds."""
    decoder = msgspec.json.Decoder(Entry)
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise Trouble(f"{path}: it is not what was written: its digest is another")
            file.seek(0)
            while line := file.readline(_LINE):
                entry = decoder.decode(line)
                if not checked(entry):
                    raise Trouble(f"{path}: a line that no backup has: {line[:200]!r}")
                yield entry
    except (OSError, msgspec.MsgspecError) as error:
        raise Trouble(f"{path}: {error}") from None
