"""Mail of other places, message by message: Maildirs, mbox files, IMAP servers."""

import hashlib
import imaplib
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from mailhub.model.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailhub.store import maildir, side_files

_BLOCK = 262_144
_FROM = re.compile(rb"From .*\d\d:\d\d")  # what begins a message of an mbox
_QUOTED = re.compile(rb">+From ")
_FLAGS = {"\\seen": SEEN, "\\answered": ANSWERED, "\\flagged": FLAGGED, "\\deleted": DELETED, "\\draft": DRAFT}
_STATUS = {"R": SEEN, "A": ANSWERED, "F": FLAGGED, "D": DELETED, "T": DRAFT}
_USES = {"\\sent": "Sent", "\\drafts": "Drafts", "\\trash": "Trash", "\\junk": "Junk", "\\archive": "Archive"}
_CHUNK = 100  # messages asked about at one time


class Trouble(Exception):
    """The source can not be read on; the text says why."""


class Message(Struct):
    """`source`: what tells it from all others there. `blocks`: its octets."""

    folder: str
    source: str
    date: int
    flags: int
    keywords: Sequence[str]
    blocks: Iterable[bytes]


def from_maildir(root: Path) -> Iterator[Message]:
    """Maildir++, as Dovecot and Courier lay it out."""
    names = sorted(entry.name for entry in root.iterdir() if entry.name.startswith(".") and (entry / "cur").is_dir())
    for name in ("", *names):
        folder = maildir.decode_name(name[1:]) if name else "INBOX"
        if folder is None:
            raise Trouble(f"{root / name}: not a folder name in modified UTF-7")
        words: tuple[str, ...] = ()
        if (root / name / "dovecot-keywords").exists():
            words = side_files.read_keywords((root / name / "dovecot-keywords").read_bytes())
        for part in ("cur", "new"):
            with os.scandir(root / name / part) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                        yield _of_file(folder, entry.name, Path(entry.path), words)


def count_maildir(root: Path) -> int:
    """How many messages `from_maildir` finds, for a progress bar."""
    folders = [root, *(entry for entry in root.iterdir() if entry.name.startswith(".") and (entry / "cur").is_dir())]
    parts = [folder / part for folder in folders for part in ("cur", "new")]
    return sum(sum(1 for _ in os.scandir(part)) for part in parts if part.is_dir())


def _of_file(folder: str, name: str, path: Path, words: Sequence[str]) -> Message:
    base, letters = maildir.split_name(name)
    known = letters & ((1 << 5) - 1)
    keywords = [word for n, word in enumerate(words) if maildir.flags_of(chr(97 + n)) & letters]
    return Message(folder, base, int(path.stat().st_mtime), known, keywords, _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def from_mbox(path: Path, folder: str) -> Iterator[Message]:
    """mboxrd: ">From " at the beginning of a line is "From ". A message is in memory whole."""
    lines: list[bytes] = []
    number, blank = 0, True
    with path.open("rb") as file:
        for line in file:
            if blank and _FROM.match(line):
                if lines:
                    yield _of_lines(folder, number, lines)
                    number += 1
                lines = [line]
            elif lines:
                lines.append(line[1:] if _QUOTED.match(line) else line)
            elif line.strip():
                raise Trouble(f'{path}: does not begin with "From ": no mbox')
            blank = not line.strip()
    if lines:
        yield _of_lines(folder, number, lines)


def _of_lines(folder: str, number: int, lines: list[bytes]) -> Message:
    """The first is the "From " line; the last an empty one that divides."""
    text = lines[1:-1] if lines[-1] in (b"\n", b"\r\n") else lines[1:]
    flags, date = 0, _mbox_date(lines[0])
    for line in text:
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        if name.lower() in (b"status", b"x-status"):
            flags |= sum(_STATUS.get(chr(sign), 0) for sign in set(value.strip()))
    body = b"".join(line if line.endswith(b"\r\n") else line.removesuffix(b"\n") + b"\r\n" for line in text)
    source = f"{number} {hashlib.blake2b(body, digest_size=16).hexdigest()}"
    return Message(folder, source, date, flags, (), (body,))


def _mbox_date(line: bytes) -> int:
    """Of asctime(3), taken for UTC; now where there is none."""
    found = re.search(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", line)
    if found is None:
        return 0
    import calendar

    try:
        return calendar.timegm(time.strptime(found[0].decode(), "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return 0


# --- IMAP -------------------------------------------------------------------------------------------------------------


def bounded(session: imaplib.IMAP4, limit: int) -> None:
    """What it reads of one literal, and of one line, has a bound."""
    read = session.read

    def checked(size: int) -> bytes:
        if size > limit:
            raise Trouble(f"a message of {size} octets, more than the {limit} that are taken")
        return read(size)

    session.read = checked  # type: ignore[method-assign]


def from_imap(session: imaplib.IMAP4, came: Any) -> Iterator[Message]:
    """All folders of the account that is signed in. `came(folder, source)`: the octets of those are not asked for again, they have none."""
    for name, folder in folders(session):
        status, answer = session.select(_quoted(name), readonly=True)
        if status != "OK":
            raise Trouble(f"{folder}: {answer!r}")
        validity = session.response("UIDVALIDITY")[1][0]
        validity = validity.decode() if validity else "0"
        count = (answer[0] or b"0")[:11]
        for uid, flags, date in _rows(session, int(count)):
            source = f"{validity} {uid}"
            text = b"" if came(folder, source) else _text(session, uid)
            if text is not None:
                known = sum({_FLAGS.get(flag.lower(), 0) for flag in flags})
                keywords = [flag for flag in flags if not flag.startswith("\\")]
                yield Message(folder, source, date, known, keywords, (text,))


def count_imap(session: imaplib.IMAP4) -> int:
    """How many messages its folders say they have, for a progress bar."""
    told = [session.status(_quoted(name), "(MESSAGES)")[1] for name, _ in folders(session)]
    found = [re.search(rb"MESSAGES (\d{1,10})\b", lines[0] or b"") for lines in told if lines]
    return sum(int(match[1]) for match in found if match)


def folders(session: imaplib.IMAP4) -> list[tuple[str, str]]:
    """Their names there, and here: levels by dots; those for special uses by our names for them."""
    status, lines = session.list()
    if status != "OK":
        raise Trouble(f"LIST: {lines!r}")
    found = []
    for line in lines:
        text = b"".join(line) if isinstance(line, tuple) else line
        match = re.match(rb'\(([^)]*)\) (?:"((?:\\.|[^"\\])*)"|NIL) (.*)', text or b"", re.DOTALL)
        if match is None:
            continue
        flags = match[1].decode("ascii", "replace").lower().split()
        if "\\noselect" in flags or "\\nonexistent" in flags:
            continue
        raw = match[3].rpartition(b"}\r\n")[2] if isinstance(line, tuple) else match[3]
        name = re.sub(r"\\(.)", r"\1", raw.decode("utf-8", "replace").strip('"'))
        delimiter = (match[2] or b"").decode("ascii", "replace").replace("\\\\", "\\")
        found.append((name, _here(name, delimiter, flags)))
    return sorted(found, key=lambda pair: (pair[1] != "INBOX", pair[1]))


def _here(name: str, delimiter: str, flags: Sequence[str]) -> str:
    if name.upper() == "INBOX":
        return "INBOX"
    for use, ours in _USES.items():
        if use in flags:
            return ours
    levels = name.split(delimiter) if delimiter else [name]
    read = [(maildir.decode_name(level) or level).replace(".", "_") or "_" for level in levels]
    return ".".join(read)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _rows(session: imaplib.IMAP4, count: int) -> Iterator[tuple[int, list[str], int]]:
    """UID, flags, INTERNALDATE, the last message first: where another session expunges meanwhile, some are seen twice and none is missed."""
    for high in range(count, 0, -_CHUNK):
        status, lines = session.fetch(f"{max(1, high - _CHUNK + 1)}:{high}", "(UID FLAGS INTERNALDATE)")
        if status != "OK":
            raise Trouble(f"FETCH: {lines!r}")
        for line in lines:
            text = line[0] if isinstance(line, tuple) else line
            uid = re.search(rb"UID (\d{1,10})\b", text or b"")
            if not text or uid is None:
                continue
            flags = [flag.decode("ascii", "replace") for flag in imaplib.ParseFlags(text)]
            date = imaplib.Internaldate2tuple(text)
            yield int(uid[1]), flags, int(time.mktime(date)) if date else 0


def _text(session: imaplib.IMAP4, uid: int) -> bytes | None:
    """None where it is gone meanwhile."""
    _, lines = session.uid("FETCH", str(uid), "(BODY.PEEK[])")
    return next((bytes(line[1]) for line in lines if isinstance(line, tuple)), None)
