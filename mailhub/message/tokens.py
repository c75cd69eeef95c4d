"""What a message is made of, for a filter that learns: words of its subject and text, its senders, hosts of its links. Pure.

Words of Latin, Cyrillic and the like are taken whole; text without spaces between words (Chinese, Japanese) by pairs of characters.
"""

import re
from collections.abc import Iterator

from . import address_list, headers, search_text
from .html_text import unescape
from .parts import Part, parse

READ = 1 << 20  # octets of a message that are looked at
LIMIT = 1_500  # different tokens of a message
_TEXT = 1 << 18  # characters of its text
_LONGEST = 24  # characters of a word; of a longer one only that is kept
_LINK = re.compile(r"https?://(?:[^\s/@<>\"']{1,100}@)?([A-Za-z0-9.-]{3,100})", re.IGNORECASE)
_TAG = re.compile(r"<[!/A-Za-z][^<>]{0,2000}>")
# Scripts without spaces: kana, CJK ideographs, hangul (by pairs as well: its particles stand behind the words)
_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_DENSE}]{{1,200}}|[^\W_{_DENSE}][\w'$-]{{0,200}}")
_LETTERS = "\u3000"  # no sign of those scripts is below
_IS_DENSE = re.compile(rf"[{_DENSE}]")
_FIELDS = {
    b"subject": "subject", b"x-mailer": "mailer", b"user-agent": "mailer", b"list-id": "list",
    b"content-type": "type", b"reply-to": "reply-to",
}  # fmt: skip


def tokens(data: bytes) -> list[str]:
    """Different ones, at most LIMIT, in the order in which they stand. `data`: the first READ octets of a message. Never raises."""
    root = parse(data)
    found: dict[str, None] = {}
    for token in _all(data, root):
        found[token] = None
        if len(found) >= LIMIT:
            break
    return list(found)


def sender(header: bytes) -> str:
    """The address in From, in lower case; "" where there is none."""
    value = headers.first(header, b"from")
    for mailbox in address_list.mailboxes(value) if value else ():
        return headers.text(mailbox.local + b"@" + mailbox.domain).lower()
    return ""


def words(text: str) -> Iterator[str]:
    """Those of a text, in lower case, each once or so."""
    for word in dict.fromkeys(_WORD.findall(text.casefold())):
        if word[0] > _LETTERS and _IS_DENSE.match(word):
            yield from (word[n : n + 2] for n in range(max(1, len(word) - 1)))
        elif len(word) > _LONGEST:
            yield f"long:{word[0]}{len(word) // 10 * 10}"
        elif len(word) > 2 or not word.isascii():
            yield word


def _all(data: bytes, root: Part) -> Iterator[str]:
    header = data[root.start : root.body]
    if author := sender(header):
        yield f"from:{author}"
        yield f"from:@{author.rpartition('@')[2]}"
    for name, value in headers.fields(header):
        if prefix := _FIELDS.get(name.lower()):
            yield from (f"{prefix}:{word}" for word in words(headers.decode(value)[:2_000]))
    text, size = [], 0
    for piece in search_text.body(data, root):
        text.append(piece[: _TEXT - size])
        size += len(text[-1])
        if size >= _TEXT:
            break
    yield from _of_text("".join(text))


def _of_text(text: str) -> Iterator[str]:
    for found in _LINK.finditer(text):
        host = found[1].lower().strip(".")
        yield f"link:{host}"
        if len(labels := host.split(".")) > 2:
            yield f"link:{'.'.join(labels[-2:])}"
    if "<" in text:
        text = unescape(_TAG.sub(" ", text))
    yield from words(text)
