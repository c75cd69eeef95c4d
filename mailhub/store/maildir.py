"""Maildir++ as Dovecot and Courier lay it out: folders, names of files, letters. Pure: values in, values out.

    DATA/mail/DOMAIN/USER/Maildir/          INBOX: tmp/ new/ cur/
    DATA/mail/DOMAIN/USER/Maildir/.A.B/     folder "A.B", its name in modified UTF-7 (RFC 3501 section 5.1.3)

What lies beside the mail is told in `side_files`. A file is `base` in new/ and `base:2,LETTERS` in cur/.
"""

import base64
import re
from urllib.parse import unquote

from mailhub.model.address import key, split
from mailhub.model.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, KEYWORD_SHIFT, SEEN, origin

LETTERS = ((DRAFT, "D"), (FLAGGED, "F"), (ANSWERED, "R"), (SEEN, "S"), (DELETED, "T"))  # in ASCII order
_BIT = {letter: bit for bit, letter in LETTERS}
KEYWORD_LETTERS = 26
_SAFE = re.compile(r"[^a-z0-9_+=@.~-]")
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SIZES = re.compile(r"(,[SW]=\d+)+$")
DELIVERY = re.compile(r"^\d+\.Q([0-9A-Z]+)R(\d+)\.")  # the base name of a delivery from our queue: item, recipient

IN_NEW = -1  # in place of name flags: the file lies in new/
NO_FILE = -2  # the file is still to be written from its content


def home(account: str) -> str:
    """Where an account's Maildir lies, below DATA/mail. No name from outside leaves that folder."""
    local, domain = split(account)
    return f"{segment(domain or '-')}/{segment(local)}/Maildir"


def account(domain: str, user: str) -> str | None:
    """Whose Maildir lies in DOMAIN/USER; None where that is not how we write anybody's."""
    local, host = unquote(user, errors="surrogateescape"), unquote(domain, errors="surrogateescape")
    found = local if host == "-" else f"{local}@{host}"
    return found if found.isprintable() and key(found) == found and home(found) == f"{domain}/{user}/Maildir" else None


def segment(text: str) -> str:
    """A part of an address as one name in a path, that begins with no dot."""
    out = _SAFE.sub(lambda m: "".join(f"%{octet:02X}" for octet in m[0].encode("utf-8", "surrogateescape")), text)
    return "%2E" + out[1:] if out.startswith(".") else out or "%"


def folder_dir(name: str) -> str:
    """The folder's directory below the Maildir, with a leading "/"; "" for INBOX."""
    return "" if name == "INBOX" else "/." + encode_name(name)


def folder_name(directory: str) -> str | None:
    """The folder that a directory entry `.Name` stands for; None where it is no folder, or is not spelled as we would."""
    if not directory.startswith(".") or directory == "." or directory.startswith("..") or not directory.isascii():
        return None
    name = decode_name(directory[1:])
    if name is None or encode_name(name) != directory[1:]:
        return None
    return None if name.upper() == "INBOX" or "" in name.split(".") else name


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


def clean(base: str) -> str:
    """A base name in which octets that are no UTF-8, and control characters, are written as %XX."""
    return _UNCLEAN.sub(lambda m: "".join(f"%{octet:02X}" for octet in m[0].encode("utf-8", "surrogateescape")), base)


def sized(file: str, size: int) -> str:
    """The base name with the file's size in it, as Dovecot and Courier's quota read it."""
    return f"{file},S={size}"


def copied(name: str, source: str) -> str:
    """The base name of a copy: `name`, with what says which message it is, and of its size."""
    time, unique, host = name.split(".", 2)
    return f"{time}.{unique}_{origin(source)}.{host}{sizes(source)}"


def sizes(base: str) -> str:
    """What a base name says of sizes: "", ",S=12" (of the file) or ",S=12,W=13" (with each line end as CRLF)."""
    found = _SIZES.search(base)
    return found[0] if found else ""
