"""Variables and their modifiers (RFC 5229)."""

import re
import urllib.parse
from collections.abc import Callable, Collection, Mapping

# ${name}, ${namespace.name}, ${1}
REFERENCE = re.compile(r"\$\{((?:[A-Za-z_][A-Za-z0-9_]*\.)*(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+))\}")
_WILD = re.compile(r"([*?\\])")
_SPECIAL = re.compile(r"([][{}()|*+?.^$\\])")

# In the order in which they are applied (RFC 5229 section 4.1, RFC 5435 section 6).
MODIFIERS: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "lowerfirst": lambda text: text[:1].lower() + text[1:],
    "upperfirst": lambda text: text[:1].upper() + text[1:],
    "quotewildcard": lambda text: _WILD.sub(r"\\\1", text),
    "quoteregex": lambda text: _SPECIAL.sub(r"\\\1", text),
    "encodeurl": lambda text: urllib.parse.quote(text, safe="-._~"),
    "length": lambda text: str(len(text)),
}


_PARTIAL = re.compile(r"%[0-9A-F]?\Z")


def shortened(text: str, modifiers: Collection[str], limit: int) -> str:
    """Modified, and of at the most so many octets in UTF-8; what stands for one character is there whole or not at all."""
    found = modified(text, modifiers)
    short = cut(found, limit)
    if short == found:
        return short
    if "encodeurl" in modifiers:
        short = _PARTIAL.sub("", short)
        octets = urllib.parse.unquote_to_bytes(short)
        lost = len(octets) - len(octets.decode("utf-8", "ignore").encode())
        short = short[: len(short) - 3 * lost]
    elif not {"quotewildcard", "quoteregex"}.isdisjoint(modifiers) and (len(short) - len(short.rstrip("\\"))) % 2:
        short = short[:-1]
    return short


def cut(text: str, limit: int) -> str:
    """At the most so many octets in UTF-8."""
    return text if len(text) * 4 <= limit else text.encode()[:limit].decode("utf-8", "ignore")


def modified(text: str, modifiers: Collection[str]) -> str:
    for name, change in MODIFIERS.items():
        if name in modifiers:
            text = change(text)
    return text
