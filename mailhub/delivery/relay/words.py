"""What is said to a peer, made safe, and what it says, made a Reply. Pure."""

import re

from mailhub.model.reply import Reply

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_TEXT_LIMIT = 2_000  # characters of a reply that are kept

# Nothing invisible, no bracket, no quote but around the whole local part: what stands between "<" and ">" can not end it.
_PLAIN = r"[^\x00-\x20\x7f-\x9f<>\"\\\u2028\u2029\ud800-\udfff]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\[\x20-\x7e])*"'
_ADDRESS = re.compile(rf"(?:{_QUOTED}@)?{_PLAIN}")
_ADDRESS_LIMIT = 1_000  # octets: commands of more than 1024 are not to be had (RFC 5321 section 4.5.3.1.4, RFC 6531)


def sendable(address: str) -> bool:
    """Whether an address can stand between "<" and ">". "" is the null reverse-path."""
    return not address or bool(_ADDRESS.fullmatch(address) and len(address.encode()) <= _ADDRESS_LIMIT)


def reply(code: int, text: str) -> Reply:
    """The peer's answer: its enhanced code, or one made of its class (RFC 3463 section 2), and bounded, printable text."""
    kind = code // 100
    lines = text.strip()[:_TEXT_LIMIT].splitlines()
    found = _ENHANCED.match(lines[0]) if lines else None
    enhanced = found[1] if found and int(found[1][0]) == kind else f"{kind if kind in (2, 4, 5) else 2}.0.0"
    clean = (_ENHANCED.sub("", line, count=1).strip() for line in lines)
    return Reply(code, enhanced, "\n".join(_printable(line) for line in clean))


def softened(reply: Reply) -> Reply:
    """A refusal of the session, not of the message: it says nothing about what will be tomorrow."""
    return Reply(reply.code - 100, "4" + reply.enhanced[1:], reply.text) if reply.permanent else reply


def of_recipient(reply: Reply) -> Reply:
    """An answer to RCPT. 552 means "too many recipients" where it says nothing else (RFC 5321 section 4.5.3.1.10); 3xx means
    nothing at all."""
    if reply.code // 100 == 3:
        return Reply(451, "4.5.0", str(reply))
    if reply.code == 552 and reply.enhanced in ("5.0.0", "5.5.3"):
        return Reply(452, "4.5.3", reply.text)
    return reply


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(char if char.isprintable() else " " for char in line)
