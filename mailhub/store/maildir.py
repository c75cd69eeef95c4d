"""Maildir++ as Dovecot and Courier lay it out: names, letters, uidlist, keywords. Pure: values in, values out.

    DATA/mail/DOMAIN/USER/Maildir/          INBOX: tmp/ new/ cur/
    DATA/mail/DOMAIN/USER/Maildir/.A.B/     folder "A.B", its name in modified UTF-7 (RFC 3501 section 5.1.3)
    .../dovecot-uidlist                     UIDVALIDITY, next UID, and "uid :base name" per message
    .../dovecot-keywords                    "0 name": what the letter "a" in a file name means
    .../Maildir/subscriptions               names subscribed, one a line

A file is `base` in new/ and `base:2,LETTERS` in cur/.
"""

import base64
import re
from collections.abc import Iterable, Sequence

from mailhub.model.address import split
from mailhub.model.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, KEYWORD_SHIFT, SEEN

LETTERS = ((DRAFT, "D"), (FLAGGED, "F"), (ANSWERED, "R"), (SEEN, "S"), (DELETED, "T"))  # in ASCII order
_BIT = {letter: bit for bit, letter in LETTERS}
KEYWORD_LETTERS = 26
_SAFE = re.compile(r"[^a-z0-9_+=@.~-]")
DELIVERY = re.compile(r"^\d+\.Q([0-9A-Z]+)R(\d+)\.")  # the base name of a delivery from our queue: item, recipient

IN_NEW = -1  # in place of name flags: the file lies in new/
NO_FILE = -2  # the file is still to be written from its content


def home(account: str) -> str:
    """Where an account's Maildir lies, below DATA/mail. No name from outside leaves that folder."""
    local, domain = split(account)
    return f"{_segment(domain or '-')}/{_segment(local)}/Maildir"


def _segment(text: str) -> str:
    out = _SAFE.sub(lambda m: "".join(f"%{octet:02X}" for octet in m[0].encode("utf-8", "surrogateescape")), text)
    return "%2E" + out[1:] if out.startswith(".") else out or "%"


def folder_dir(name: str) -> str:
    """The folder's directory below the Maildir, with a leading "/"; "" for INBOX."""
    return "" if name == "INBOX" else "/." + encode_name(name)


def folder_name(directory: str) -> str | None:
    """The folder that a directory entry `.Name` stands for; None where it is no folder."""
    if not directory.startswith(".") or directory in (".", "..") or directory.startswith(".."):
        return None
    name = decode_name(directory[1:])
    return None if name is None or name.upper() == "INBOX" or "" in name.split(".") else name


def encode_name(name: str) -> str:
    """Modified UTF-7 (RFC 3501 section 5.1.3); "/" is written in it too, since no file name may hold one."""
    out: list[str] = []
    run: list[str] = []

    def flush() -> None:
        if run:
            coded = base64.b64encode("".join(run).encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
            out.append(f"&{coded}-")
            run.clear()

    for char in name:
        if " " <= char <= "~" and char != "/":
            flush()
            out.append("&-" if char == "&" else char)
        else:
            run.append(char)
    flush()
    return "".join(out)


def decode_name(coded: str) -> str | None:
    """The name behind modified UTF-7, None where it is not well formed."""
    out: list[str] = []
    rest = coded
    while rest:
        plain, amp, rest = rest.partition("&")
        out.append(plain)
        if not amp:
            break
        shifted, minus, rest = rest.partition("-")
        if not minus:
            return None
        if not shifted:
            out.append("&")
            continue
        try:
            octets = base64.b64decode(shifted.replace(",", "/") + "=" * (-len(shifted) % 4), validate=True)
            out.append(octets.decode("utf-16-be"))
        except ValueError:
            return None
    return "".join(out)


def letters(flags: int) -> str:
    """The letters after ":2," for a flags number; keywords beyond the 26th have none."""
    out = "".join(letter for bit, letter in LETTERS if flags & bit)
    keywords = flags >> KEYWORD_SHIFT
    if keywords:
        out += "".join(chr(97 + n) for n in range(KEYWORD_LETTERS) if keywords >> n & 1)
    return out


def flags_of(text: str) -> int:
    """The flags number that letters stand for; letters that are not known are passed over."""
    flags = 0
    for letter in text:
        if letter in _BIT:
            flags |= _BIT[letter]
        elif "a" <= letter <= "z":
            flags |= 1 << (KEYWORD_SHIFT + ord(letter) - 97)
    return flags


VISIBLE = sum(bit for bit, _ in LETTERS) | ((1 << KEYWORD_LETTERS) - 1) << KEYWORD_SHIFT  # what a file name can carry


def place(base: str, name_flags: int) -> str:
    """The path of a message below its folder: "new/base" or "cur/base:2,LETTERS"."""
    return f"new/{base}" if name_flags == IN_NEW else f"cur/{base}:2,{letters(name_flags)}"


def split_name(name: str) -> tuple[str, int]:
    """A file name of cur/ as `(base, name flags)`."""
    base, _, info = name.partition(":")
    return base, flags_of(info[2:]) if info.startswith("2,") else 0


def sized(file: str, size: int) -> str:
    """The base name with the size in it, as Dovecot and Courier's quota read it."""
    return f"{file},S={size}"


# --- Dovecot's side files --------------------------------------------------------------------------------------------


def read_uidlist(text: bytes) -> tuple[int, int, dict[str, int]] | None:
    """`(uidvalidity, next uid, {base: uid})` of a dovecot-uidlist version 3 (or 1); None where it can not be read."""
    lines = text.decode("utf-8", "surrogateescape").split("\n")
    head = lines[0].split()
    uidvalidity = uidnext = 0
    try:
        if head and head[0] == "3":
            for word in head[1:]:
                if word[0] == "V":
                    uidvalidity = int(word[1:])
                elif word[0] == "N":
                    uidnext = int(word[1:])
        elif len(head) == 3 and head[0] == "1":
            uidvalidity, uidnext = int(head[1]), int(head[2])
    except ValueError:
        return None
    if not 0 < uidvalidity < 1 << 32:
        return None
    uids: dict[str, int] = {}
    for line in lines[1:]:
        number, _, rest = line.partition(" ")
        if not number.isascii() or not number.isdigit() or not 0 < int(number) < (1 << 32) - 1:
            continue
        _, colon, name = rest.partition(":") if head[0] == "3" else ("", ":", rest)
        if colon and name:
            uids[name.partition(":")[0]] = int(number)
            uidnext = max(uidnext, int(number) + 1)
    return uidvalidity, min(uidnext, (1 << 32) - 1), uids


def uidlist_head(uidvalidity: int, uidnext: int, guid: str) -> bytes:
    return f"3 V{uidvalidity} N{uidnext} G{guid}\n".encode()


def uidlist_lines(rows: Iterable[tuple[int, str]]) -> bytes:
    return "".join([f"{uid} :{base}\n" for uid, base in rows]).encode("utf-8", "surrogateescape")


def read_keywords(text: bytes) -> tuple[str, ...]:
    """The keyword names of a dovecot-keywords file by letter; gaps are named "keyword-N"."""
    found: dict[int, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        number, _, name = line.partition(" ")
        if number.isascii() and number.isdigit() and int(number) < KEYWORD_LETTERS and name:
            found[int(number)] = name
    return tuple(found.get(n, f"keyword-{n}") for n in range(max(found, default=-1) + 1))


def keywords_file(names: Sequence[str]) -> bytes:
    return "".join([f"{n} {name}\n" for n, name in enumerate(names[:KEYWORD_LETTERS])]).encode()


def read_subscriptions(text: bytes) -> list[str]:
    """Names of a subscriptions file, of Dovecot's first version (a name a line) or its second (levels by tabs)."""
    lines = text.decode("ascii", "replace").splitlines()
    if lines and lines[0].startswith("V\t2"):
        lines = [line.replace("\t", ".") for line in lines[1:]]
    names = (decode_name(line) for line in lines if line)
    return [name for name in names if name]


def subscriptions_file(names: Iterable[str]) -> bytes:
    return "".join([encode_name(name) + "\n" for name in sorted(names)]).encode()
