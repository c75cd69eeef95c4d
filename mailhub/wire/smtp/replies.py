"""Replies as octets (RFC 5321 section 4.2, RFC 2034 for the enhanced code on every line)."""

from collections.abc import Sequence

from mailhub.model.reply import Reply

LINE_LIMIT = 510  # octets before CRLF, RFC 5321 section 4.5.3.1.5


def render(reply: Reply, utf8: bool = False) -> bytes:
    """One line for each line of the text. What is no printable character becomes "?"; so does what is not ASCII
    unless the client asked for `utf8` (RFC 6531 section 3.7.4.2)."""
    text = reply.text
    if text.isascii() and text.isprintable() and len(text) < 480:
        return (f"{reply.code} {reply.enhanced} {text}\r\n" if reply.enhanced else f"{reply.code} {text}\r\n").encode()
    enhanced = reply.enhanced + " " if reply.enhanced else ""
    return _lines(reply.code, [enhanced + line for line in text.split("\n")], utf8)


def greeting(hostname: str, extensions: Sequence[str]) -> bytes:
    """The answer to EHLO (RFC 5321 section 4.1.1.1); it has no enhanced codes."""
    return _lines(250, [hostname, *extensions], False)


def _lines(code: int, lines: Sequence[str], utf8: bool) -> bytes:
    last = len(lines) - 1
    return b"".join(
        b"%d%c%s\r\n" % (code, b" " if n == last else b"-", _safe(line, utf8)) for n, line in enumerate(lines)
    )


def _safe(line: str, utf8: bool) -> bytes:
    printable = "".join(c if c.isprintable() else "?" for c in line)
    if not utf8:
        return printable.encode("ascii", "replace")[: LINE_LIMIT - 4]
    return printable.encode("utf-8", "replace")[: LINE_LIMIT - 4].decode("utf-8", "ignore").encode()
