"""The files that Dovecot keeps beside the mail, and Courier's in their place. Pure: octets in, values out, and back.

.../dovecot-uidlist                     "3 V<uidvalidity> N<next uid> G<guid>", then "uid FIELDS :base name" per message
.../dovecot-keywords                    "0 name": what the letter "a" in a file name means
.../Maildir/subscriptions               names subscribed, one a line
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from .maildir import KEYWORD_LETTERS, decode_name, encode_name

LAST_UID = (1 << 32) - 2
_UNIQUE_ID = re.compile(r"[!-~]{1,70}")
_IDENTIFIED = re.compile(rb"^[0-9]{1,10} ([^:\n]+):([^\n]+)$", re.MULTILINE)
_WIDTH = re.compile(rb"W[0-9]+ *")
_SIZED = re.compile(r",S=\d+")
_ESCAPES = {"\x01t": "\t", "\x01n": "\n", "\x01r": "\r", "\x010": "\0", "\x011": "\x01"}


class UidList(Struct, frozen=True):
    """What a uidlist says. `fields`: by base name, what stands between UID and name (W: size with CRLF, G, P, O: identities)."""

    uidvalidity: int
    uidnext: int
    uids: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    guid: str = ""


def read_uidlist(text: bytes) -> UidList | None:
    """A dovecot-uidlist of version 3 or 1, or a courierimapuiddb; None where it can not be read.

    A line that can not be understood is passed over: its file is new to us. A UID that stands twice is given to neither.
    """
    lines = text.decode("utf-8", "surrogateescape").split("\n")
    head = lines[0].split()
    version = head[0] if head else ""
    values = {"V": 0, "N": 0}
    guid = ""
    try:
        if version == "3":
            guid = next((word[1:] for word in head[1:] if word[0] == "G"), "")
            values |= {word[0]: int(word[1:]) for word in head[1:] if word[0] in values}
        elif version == "1" and len(head) >= 3:
            values = {"V": int(head[1]), "N": int(head[2])}
    except ValueError:
        return None
    if not 0 < values["V"] < 1 << 32:
        return None
    uids: dict[str, int] = {}
    fields: dict[str, str] = {}
    for line in lines[1:]:
        number, _, rest = line.partition(" ")
        if not number.isascii() or not number.isdigit() or len(number) > 10 or not 0 < int(number) <= LAST_UID:
            continue
        extra, colon, name = rest.partition(":") if version == "3" else ("", ":", rest)
        base = name.partition(":")[0]
        if colon and base:
            uids[base] = int(number)
            if extra.strip():
                fields[base] = extra.strip()
    seen: set[int] = set()
    twice = {uid for uid in uids.values() if uid in seen or seen.add(uid)}  # type: ignore[func-returns-value]
    uidnext = min(max([1, values["N"], *(uid + 1 for uid in seen)]), LAST_UID + 1)
    kept = {base: uid for base, uid in uids.items() if uid not in twice}
    return UidList(values["V"], uidnext, kept, fields, guid)


def read_identities(text: bytes) -> UidList | None:
    """The same without its UIDs, in memory of what has an identity alone: of 200,000 messages most have none."""
    head, _, rest = text.partition(b"\n")
    listed = read_uidlist(head)
    if listed is None or not head.startswith(b"3 "):
        return read_uidlist(text)
    last = rest.rstrip(b"\n").rpartition(b"\n")[2].partition(b" ")[0]
    uidnext = min(max(listed.uidnext, int(last) + 1 if last.isdigit() and len(last) <= 10 else 1), LAST_UID + 1)
    fields = {}
    for found in _IDENTIFIED.finditer(rest):
        if found[1].strip() and not _WIDTH.fullmatch(found[1]):
            base = found[2].decode("utf-8", "surrogateescape").partition(":")[0]
            fields[base] = found[1].decode("utf-8", "surrogateescape").strip()
    return UidList(listed.uidvalidity, uidnext, {}, fields, listed.guid)


def former_ids(listed: UidList) -> dict[int, str]:
    """By UID: what POP3 called a message at a server before Dovecot (field P), where it can be said there (RFC 1939 section 7)."""
    return {
        listed.uids[base]: word[1:]
        for base, fields in listed.fields.items()
        for word in fields.split(" ")
        if word[:1] == "P" and base in listed.uids and _UNIQUE_ID.fullmatch(word[1:])
    }


def uidlist_head(uidvalidity: int, uidnext: int, guid: str) -> bytes:
    return f"3 V{uidvalidity} N{uidnext} G{guid}\n".encode()


def uidlist_lines(rows: Iterable[tuple[int, str, int]], fields: Mapping[str, str]) -> bytes:
    """A line for each `(uid, base, size with CRLF)`. Dovecot's own fields stay; else, where the name holds no size, W tells it."""
    return "".join([_line(uid, base, size, fields.get(base, "")) for uid, base, size in rows]).encode(
        "utf-8", "surrogateescape"
    )


def _line(uid: int, base: str, size: int, extra: str) -> str:
    if not extra and not _SIZED.search(base):
        extra = f"W{size}"
    return f"{uid} {extra} :{base}\n" if extra else f"{uid} :{base}\n"


def unknown(letter: int) -> str:
    """What Dovecot names a keyword of which only the letter is known."""
    return f"unknown-{letter}"


def read_keywords(text: bytes) -> tuple[str, ...]:
    """The keyword names of a dovecot-keywords file, by letter."""
    found: dict[int, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        number, _, name = line.partition(" ")
        if number.isascii() and number.isdigit() and len(number) < 3 and int(number) < KEYWORD_LETTERS and name:
            found[int(number)] = name
    return tuple(found.get(n, unknown(n)) for n in range(max(found, default=-1) + 1))


def keywords_file(names: Sequence[str]) -> bytes:
    return "".join([f"{n} {name}\n" for n, name in enumerate(names[:KEYWORD_LETTERS])]).encode()


def read_subscriptions(text: bytes) -> tuple[str, ...]:
    """Names of a subscriptions file: Dovecot's first version (a name a line) or its second (levels by tabs)."""
    lines = text.decode("ascii", "replace").splitlines()
    if lines and lines[0].startswith("V\t2"):
        lines = [".".join(map(_unescaped, line.split("\t"))) for line in lines[1:]]
    names = (decode_name(line) for line in lines if line)
    return tuple(sorted({name for name in names if name}))


def read_courier_subscriptions(text: bytes) -> tuple[str, ...]:
    """Names of a courierimapsubscribed: there all folders stand below INBOX."""
    return tuple(sorted({name.removeprefix("INBOX.") for name in read_subscriptions(text)}))


def _unescaped(level: str) -> str:
    return re.sub("\x01.", lambda found: _ESCAPES.get(found[0], ""), level) if "\x01" in level else level


def subscriptions_file(names: Iterable[str]) -> bytes:
    return "".join([encode_name(name) + "\n" for name in sorted(names)]).encode()
