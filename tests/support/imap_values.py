"""IMAP answers as values: NIL is None, strings are octets however they were sent, lists are lists."""

import imaplib
import re
from typing import Any

_ATOM = re.compile(rb"[^\s()\"{\[]+(?:\[[^\]]*\])?[^\s()\"{]*")


def answers(data: list[Any]) -> bytes:
    """What imaplib took apart, put together again."""
    out = b""
    for item in data:
        out += item[0] + b"\r\n" + item[1] if isinstance(item, tuple) else item + b" "
    return out


def values(text: bytes) -> list[Any]:
    """All values in a row."""
    stack: list[list[Any]] = [[]]
    at = 0
    while at < len(text):
        sign = text[at : at + 1]
        if sign in b" \r\n":
            at += 1
        elif sign == b"(":
            stack.append([])
            at += 1
        elif sign == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif sign == b'"':
            end = at + 1
            while text[end : end + 1] != b'"':
                end += 2 if text[end : end + 1] == b"\\" else 1
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", text[at + 1 : end]))
            at = end + 1
        elif sign == b"{":
            end = text.index(b"}\r\n", at)
            size = int(text[at + 1 : end])
            stack[-1].append(text[end + 3 : end + 3 + size])
            at = end + 3 + size
        else:
            found = _ATOM.match(text, at)
            assert found, text[at : at + 40]
            stack[-1].append(None if found[0] == b"NIL" else found[0])
            at = found.end()
    assert len(stack) == 1, "parentheses"
    return stack[0]


def fetched(session: imaplib.IMAP4, folder: str, items: str, chunk: int = 50) -> list[dict[bytes, Any]]:
    """What FETCH says of all messages, oldest first, by item."""
    status, counted = session.select(folder, readonly=True)
    assert status == "OK", counted
    out: list[dict[bytes, Any]] = []
    total = int(counted[0] or 0)
    for start in range(1, total + 1, chunk):
        status, data = session.fetch(f"{start}:{min(total, start + chunk - 1)}", items)
        assert status == "OK", data
        row = values(answers(data))
        out += [{key.upper(): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)} for pairs in row[1::2]]
    assert len(out) == total
    return out
