"""Replies as octets (RFC 5321 section 4.2, RFC 2034 for the enhanced code on every line)."""

from collections.abc import Sequence

from mailhub.model.reply import Reply

LINE_LIMIT = 510  # octets before CRLF, RFC 5321 section 4.5.3.1.5


def render(reply: Reply) -> bytes:
    """One line for each line of the text. What is no printable ASCII character becomes "?"."""
    text = reply.text
    if text.isascii() and text.isprintable() and len(text) < 480:
        return (f"{reply.code} {reply.enhanced} {text}\r\n" if reply.enhanced else f"{reply.code} {text}\r\n").encode()
    enhanced = reply.enhanced + " " if reply.enhanced else ""
    return _lines(reply.code, [enhanced + line for line in text.split("\n")])


def greeting(hostname: str, extensions: Sequence[str], code: int = 250) -> bytes:
    """The answer to EHLO (RFC 5321 section 4.1.1.1), and with 220 the first words; they have no enhanced codes."""
    return _lines(code, [hostname, *extensions])


def _lines(code: int, lines: Sequence[str]) -> bytes:
    last = len(lines) - 1
    return b"".join(b"%d%c%s\r\n" % (code, b" " if n == last else b"-", _safe(line)) for n, line in enumerate(lines))


def _safe(line: str) -> bytes:
    printable = "".join(c if c.isprintable() else "?" for c in line)
    return printable.encode("ascii", "replace")[: LINE_LIMIT - 4]
