"""HTML as a person reads it, and where its links go: one walk, whose cost grows with the length alone, whatever is broken in it.

(html.parser takes minutes for 60 KB of "<a ", and raises for what it can not read.)
"""

import re
from collections.abc import Iterator

from msgspec import Struct

_BLOCKS = frozenset(
    ("address", "article", "blockquote", "br", "div", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "pre",
     "section", "table", "td", "th", "tr", "ul")
)  # fmt: skip
# elements whose content is no markup: where each ends
_RAW = {name: re.compile(rf"</{name}(?![A-Za-z0-9])", re.IGNORECASE) for name in ("script", "style", "title")}
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9:-]{0,40}+)")
_STOP = re.compile(r"[>\"']")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)\s*+(?:=\s*+("[^"]*+"|'[^']*+'|[^\s"'>]++))?""")
_ENDLESS = re.compile(r"&#(?:x[0-9a-f]{9,}+|[0-9]{9,}+);?", re.IGNORECASE)


class Read(Struct, frozen=True):
    """`text`: with "\\n" between lines, and no two empty ones in a row. `links`: as they stand in `href`, in their order."""

    text: str
    links: tuple[str, ...]


def read(text: str) -> Read:
    """What a person reads of it. Never raises."""
    pieces: list[str] = []
    links: list[str] = []
    in_head = False
    for data, name, closes, attributes in _tokens(text):
        if data and not in_head:
            pieces.append(unescape(data).replace("\n", " "))
        if name in ("head", "body"):
            in_head = name == "head" and not closes
        if name in _BLOCKS:
            pieces.append("\n")
        if name in ("a", "area") and not closes:
            links.append(_href(attributes))
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return Read("\n".join(_without_double_blanks(lines)).strip(), tuple(link for link in links if link))


def unescape(text: str) -> str:
    """html.unescape, which raises for numbers of some thousand digits."""
    if "&" not in text:
        return text
    import html  # 2,231 names, for those who meet one

    return html.unescape(_ENDLESS.sub("\ufffd", text) if "&#" in text else text)


def _href(attributes: str) -> str:
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == "href":
            return unescape((found[2] or "").strip("\"'"))
    return ""


def _tokens(text: str) -> Iterator[tuple[str, str, bool, str]]:
    """(text before a tag, the tag's name or "", whether it closes, its attributes)."""
    at, tags = 0, _Tags(text)
    while at < len(text):
        start = text.find("<", at)
        if start < 0:
            yield text[at:], "", False, ""
            return
        found = _NAME.match(text, start + 1)
        if found is None and text[start + 1 : start + 2] not in ("!", "?", "/"):
            yield text[at : start + 1], "", False, ""  # no tag, only a sign
            at = start + 1
            continue
        end = tags.end(start, found.end() if found else 0)
        if found is None:
            yield text[at:start], "", False, ""
        else:
            name, closes = found[1].lower(), text[start + 1] == "/"
            yield text[at:start], name, closes, text[found.end() : end]
            if name in _RAW and not closes:
                close = _RAW[name].search(text, end)
                end = close.start() if close else len(text)
        at = end


class _Tags:
    """Where tags end. What was looked for in vain is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._missing: set[str] = set()

    def end(self, start: int, attributes: int) -> int:
        """The offset behind the tag, or the comment, that begins at `start`; that of the text where it does not end.
        `attributes`: where they begin, 0 for what is no tag."""
        text = self._text
        if text.startswith("<!--", start):
            close = self._find("-->", start + 4)
            return close + 3 if close >= 0 else len(text)
        at = attributes
        while at and (stop := _STOP.search(text, at)):
            if stop[0] == ">":
                return stop.end()
            at = self._find(stop[0], stop.end()) + 1 or stop.end()  # a quote that never ends is none
        close = self._find(">", attributes or start)
        return close + 1 if close >= 0 else len(text)

    def _find(self, sign: str, at: int) -> int:
        if sign in self._missing:
            return -1
        found = self._text.find(sign, at)
        if found < 0:
            self._missing.add(sign)
        return found


def _without_double_blanks(lines: Iterator[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        if line or before:
            yield line
        before = line
