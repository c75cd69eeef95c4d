"""What of a message's HTML some mail programs do not show, and what is odd about its links. A table of our own: short, and only what
has stood in those programs for years."""

import re

from msgspec import Struct

from mailhub.message.reading import Message

_OUTLOOK, _GMAIL, _YAHOO, _ALL = "Outlook for Windows", "Gmail", "Yahoo", "most programs"
_FEATURES: tuple[tuple[str, str, str], ...] = (  # pattern, what it is, who does not show it
    (r"<script\b", "scripts", _ALL),
    (r"<(?:iframe|object|embed|applet)\b", "frames and embedded objects", _ALL),
    (r"<(?:form|input|select|textarea|button)\b", "forms", f"{_OUTLOOK}, {_YAHOO}"),
    (r"<(?:video|audio)\b", "video and sound", f"{_OUTLOOK}, {_GMAIL}"),
    (r"<svg\b", "inline SVG", f"{_OUTLOOK}, {_GMAIL}"),
    (r"<link\b[^>]*stylesheet", "style sheets by link", f"{_OUTLOOK}, {_GMAIL}, {_YAHOO}"),
    (r"@import\b", "style sheets by @import", f"{_OUTLOOK}, {_GMAIL}"),
    (r"@font-face\b", "web fonts", f"{_OUTLOOK}, {_GMAIL}"),
    (r"@media\b", "media queries", _OUTLOOK),
    (r"display\s*:\s*(?:inline-)?flex", "flexbox", _OUTLOOK),
    (r"display\s*:\s*(?:inline-)?grid", "grid layout", f"{_OUTLOOK}, {_YAHOO}"),
    (r"position\s*:\s*(?:absolute|fixed|sticky)", "positioned elements", f"{_OUTLOOK}, {_GMAIL}"),
    (r"float\s*:", "floats", _OUTLOOK),
    (r"border-radius\s*:", "round corners", _OUTLOOK),
    (r"box-shadow\s*:|text-shadow\s*:", "shadows", f"{_OUTLOOK}, {_GMAIL}"),
    (r"background-image\s*:|background\s*:[^;\"']*url\(", "background images", _OUTLOOK),
    (r"(?:linear|radial)-gradient\(", "gradients", _OUTLOOK),
    (r"max-width\s*:", "max-width", _OUTLOOK),
    (r"\bcalc\(|\bvar\(--", "calc() and variables", f"{_OUTLOOK}, {_YAHOO}"),
    (r"animation\s*:|@keyframes\b|transition\s*:", "animations", f"{_OUTLOOK}, {_GMAIL}"),
    (r"transform\s*:", "transforms", f"{_OUTLOOK}, {_GMAIL}"),
    (r"opacity\s*:", "opacity", _OUTLOOK),
    (r"src\s*=\s*[\"']?data:", "images as data: URLs", f"{_OUTLOOK}, {_GMAIL}"),
    (r"\.webp\b", "WebP images", _OUTLOOK),
    (r"<(?:style)\b", "style elements (kept by most, dropped in Gmail's apps for other accounts)", "some programs"),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), what, who) for pattern, what, who in _FEATURES)
_LIMIT = 1 << 20  # characters that are looked at


class Finding(Struct, frozen=True):
    """`what` is in the message and `who` does not show it."""

    what: str
    who: str
    times: int


def unsupported(message: Message) -> list[Finding]:
    """What is in its HTML that some programs do not show, most often first."""
    html = message.html[:_LIMIT]
    found = [Finding(what, who, len(pattern.findall(html))) for pattern, what, who in _PATTERNS]
    return sorted((one for one in found if one.times), key=lambda one: -one.times)


def link_trouble(link: str) -> str:
    """What is odd about a link, without asking its host; "" where nothing is."""
    if re.match(r"(?i)javascript:|vbscript:|data:", link):
        return "is a program, and no mail program follows it"
    if not re.match(r"(?i)[a-z][a-z0-9+.-]*:", link):
        return "has no scheme: mail programs do not know where it leads"
    if re.match(r"(?i)https?://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[::1\])", link):
        return "leads to this machine or network"
    if link.lower().startswith("http://"):
        return "is not encrypted"
    if re.search(r"\{\{|\}\}|%7B%7B|undefined|null$", link):
        return "looks like a template that was not filled in"
    return ""
