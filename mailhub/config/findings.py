"""What a rule finds wrong, and the judgements that many rules share. Pure."""

import ipaddress

from msgspec import Struct

from .lines import Path


class Finding(Struct, frozen=True):
    """Something wrong at the key `path`: what was found there, and what is allowed."""

    path: Path
    found: str
    allowed: str


def shown(value: object) -> str:
    """A value as the operator may have written it, cut to a readable length."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = '"' + value.encode("unicode_escape").decode("ascii") + '"' if not value.isprintable() else f'"{value}"'
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def is_domain(name: str) -> bool:
    """A domain of letters (of any script), digits and hyphens, as RFC 5321 section 4.1.2 and RFC 6531 section 3.3 say."""
    return 0 < len(name.encode()) <= 255 and all(_is_label(label) for label in name.split("."))


def _is_label(label: str) -> bool:
    plain = all(char.isalnum() or char == "-" or (ord(char) > 127 and char.isprintable()) for char in label)
    return plain and 0 < len(label) <= 63 and label[0] != "-" != label[-1]


def ip_version(text: str) -> int | None:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None
