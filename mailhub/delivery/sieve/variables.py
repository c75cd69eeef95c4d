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


def modified(text: str, modifiers: Collection[str]) -> str:
    for name, change in MODIFIERS.items():
        if name in modifiers:
            text = change(text)
    return text
