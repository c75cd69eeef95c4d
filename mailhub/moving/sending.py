"""A Maildir copied out: as a Maildir, or as mbox files. TARGET appears when it is whole."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from mailhub.model.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailhub.store import maildir

from .mail import from_maildir

_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)
_KEPT = ("dovecot-uidlist", "dovecot-keywords", "maildirfolder", "subscriptions")
_STATUS, _MORE = ((SEEN, "R"),), ((ANSWERED, "A"), (FLAGGED, "F"), (DELETED, "D"), (DRAFT, "T"))


def to_maildir(home: Path, target: Path, progress: Callable[[int], object]) -> int:
    """How many messages. FileExistsError, OSError."""
    partial = _begun(target)
    count = 0
    for directory in (home, *sorted(home.glob(".*/"))):
        if not (directory / "cur").is_dir() or directory.name.startswith(".."):
            continue
        there = partial if directory == home else partial / directory.name
        for part in ("tmp", "new", "cur"):
            (there / part).mkdir(parents=True, exist_ok=True)
        for part in ("new", "cur"):
            with os.scandir(directory / part) as entries:
                for entry in entries:
                    shutil.copy2(entry.path, there / part / entry.name)
                    count += 1
        for name in _KEPT:
            if (directory / name).exists():
                shutil.copy2(directory / name, there / name)
    os.sync()
    partial.rename(target)
    progress(1)
    return count


def to_mbox(home: Path, target: Path, progress: Callable[[int], object]) -> int:
    """mboxrd, a file for each folder that holds mail. How many messages. FileExistsError, OSError."""
    partial = _begun(target)
    partial.mkdir()
    count = 0
    for message in from_maildir(home):
        text = b"".join(message.blocks).replace(b"\r\n", b"\n")
        date = time.asctime(time.gmtime(message.date))
        head, blank, body = text.partition(b"\n\n")
        status = "".join(sign for bit, sign in _STATUS if message.flags & bit) + "O"
        more = "".join(sign for bit, sign in _MORE if message.flags & bit)
        fields = f"\nStatus: {status}" + (f"\nX-Status: {more}" if more else "")
        fields += f"\nX-Keywords: {' '.join(message.keywords)}" if message.keywords else ""
        whole = head.rstrip(b"\n") + fields.encode() + (blank or b"\n\n") + body
        with (partial / maildir.encode_name(message.folder)).open("ab") as file:
            file.write(f"From MAILER-DAEMON {date}\n".encode() + _QUOTE.sub(rb">\1", whole).rstrip(b"\n") + b"\n\n")
        count += 1
    os.sync()
    partial.rename(target)
    progress(1)
    return count


def _begun(target: Path) -> Path:
    """What it is called until it is whole; what an earlier attempt left there goes."""
    if target.exists():
        raise FileExistsError(str(target))
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial
