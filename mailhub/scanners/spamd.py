"""SpamAssassin's daemon (spamd(8), protocol SPAMC/1.5): a score, its threshold, and the names of the rules that fit."""

import re

from msgspec import Struct

from mailhub.net.stream import Stream

from .service import Blocks, Nonsense

_LINE = 1_024  # octets of a line of an answer
_FIELDS = 50  # lines before its body
_RULES = 16_384  # octets of its body
_STATUS = re.compile(rb"SPAMD/[0-9.]+ ([0-9]+) (.*)")
_SPAM = re.compile(r"(True|False|Yes|No) ; (-?[0-9]{1,6}(?:\.[0-9]{1,3})?) / (-?[0-9]{1,6}(?:\.[0-9]{1,3})?)")
_RULE = re.compile(r"\w{1,100}\Z")


class Judged(Struct, frozen=True):
    spam: bool
    score: float
    threshold: float
    rules: tuple[str, ...] = ()


async def judged(stream: Stream, prefix: bytes, size: int, blocks: Blocks, user: str = "") -> Judged:
    """`prefix`: lines put before the message; `size`: octets of what `blocks` gives; `user`: whose rules and preferences. Nonsense
    where it has no score."""
    named = "User: " + re.sub(r"[^!-~]", "?", user) + "\r\n" if user else ""
    stream.write(f"SYMBOLS SPAMC/1.5\r\nContent-length: {len(prefix) + size}\r\n{named}\r\n".encode() + prefix)
    async for block in blocks:
        stream.write(block)
        await stream.drain()
    stream.end()
    status = _STATUS.match(await stream.readline(_LINE))
    if status is None:
        raise Nonsense("spamd gave no status")
    if status[1] != b"0":
        raise Nonsense(f"spamd said {status[1].decode()} {status[2].decode('ascii', 'replace').strip()[:200]!r}")
    spam, length = None, 0
    for _ in range(_FIELDS):
        name, _, value = (await stream.readline(_LINE)).decode("utf-8", "replace").strip().partition(": ")
        if not name:
            break
        match name.lower():
            case "spam":
                spam = _SPAM.fullmatch(value)
            case "content-length" if value.isdecimal():
                length = int(value[:9])
    if spam is None:
        raise Nonsense("spamd gave no score")
    rules = (await stream.readexactly(min(length, _RULES))).decode("utf-8", "replace")
    names = tuple(rule for rule in re.split(r"[,\s]+", rules) if _RULE.match(rule))
    return Judged(spam[1] in ("True", "Yes"), float(spam[2]), float(spam[3]), names)
