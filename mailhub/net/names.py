"""Domain names as DNS carries them: lower case, A-labels (RFC 5890), no dot at the end. Pure.

IDNA 2008 without a table of its own: labels are compared as Unicode's NFKC of their lower case (what UTS 46 does without
its "transitional" folding, so that `straße` never becomes `strasse`, which is somebody else's).
"""

import re
import unicodedata

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1: these are dots to people
_CONTEXT = frozenset(
    "-\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d"
)  # what stands beside letters, marks and digits (RFC 5892)
_LIMIT = 253  # octets of a whole name (RFC 1035 section 2.3.4)


def ascii_name(name: str) -> str:
    """`name` as it is asked for. ValueError where it cannot be a domain name."""
    labels = _DOTS.split(name.removesuffix("."))
    coded = ".".join(_a_label(label) for label in labels)
    if len(coded) > _LIMIT:
        raise ValueError(f"{name[:_LIMIT]!r}... is too long for a domain name")
    return coded


def people_name(name: str) -> str:
    """`name` with its A-labels as people write them, in lower case; as it is where it has none, or where they are no names."""
    labels = name.lower().removesuffix(".").split(".")
    try:
        shown = ".".join(
            one.removeprefix("xn--").encode().decode("punycode") if one.startswith("xn--") else one for one in labels
        )
        return shown if ascii_name(shown) == ".".join(labels) else name
    except ValueError:
        return name


def _a_label(label: str) -> str:
    coded = label.lower()
    if not label.isascii():
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
        if any(unicodedata.category(char)[0] not in "LMN" and char not in _CONTEXT for char in plain):
            raise ValueError(f"{label!r} is not a label of a domain name")
        coded = plain if plain.isascii() else "xn--" + plain.encode("punycode").decode()
    if not _LABEL.fullmatch(coded):
        raise ValueError(f"{label!r} is not a label of a domain name")
    return coded
