"""Reverse-path and forward-path (RFC 5321 section 4.1.2, with the UTF-8 of RFC 6531 section 3.3).

    Path           = "<" [ A-d-l ":" ] Mailbox ">"
    Mailbox        = Local-part "@" ( Domain / address-literal )
    Local-part     = Dot-string / Quoted-string

More lenient than the grammar in two places: blanks before "<" (old mail programs), and underscores in domains (hosts
that exist). Stricter in two: no general address literals, no invisible characters.
"""

import ipaddress
import re

from msgspec import Struct

from .command import SyntaxRefused

LOCAL_LIMIT = 255  # octets; the RFC's 64 is a minimum, and VERP addresses are longer
DOMAIN_LIMIT = 255  # octets
ROUTE_LIMIT = 1_024

_ATOM = r"[^\s<>()\[\]\\,;:@\".\x00-\x1f\x7f-\x9f]+"
# Letters, digits, "_" and all from U+00A1 on, told by what is not in it (the second one has "-" as well): a range up to
# U+10FFFF takes 2 ms to compile each time it stands in a pattern.
_LETTER, _INNER = r"[^\x00-/:-@\[-\^`{-\xa0]", r"[^\x00-,./:-@\[-\^`{-\xa0]"
_LABEL = rf"{_LETTER}(?:{_INNER}*{_LETTER})?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_PATH = re.compile(
    rf"""[ \t]*<
        (?:(?P<route>@{_DOMAIN}(?:,@{_DOMAIN})*):)?
        (?P<address>
            (?P<local>{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[\x20-\x7e])*")
            (?:@(?P<domain>{_DOMAIN}|\[(?P<literal>[^\]\[\\\s]*)\]))?
        )?>""",
    re.VERBOSE,
)


class Path(Struct, frozen=True):
    """`address` as it was written, "" for `<>`; `route`: the source route before it ("@a,@b"), "" where there is none."""

    address: str
    route: str = ""


def parse_path(text: str) -> tuple[Path, str]:
    """The path at the start of `text`, and what follows its ">". SyntaxRefused where there is none.

    `<>` and a mailbox without a domain (`<postmaster>`) pass here; whether they are allowed is for the command.
    """
    found = _PATH.match(text)
    if found is None:
        raise SyntaxRefused(501, "5.1.3", "Bad address syntax")
    route, address, local, domain, literal = found.groups()
    if address is None:
        if route is not None:
            raise SyntaxRefused(501, "5.1.3", "Bad address syntax")
        return Path(""), text[found.end() :]
    if len(address) > 60 and _too_long(local, domain, route):
        raise SyntaxRefused(501, "5.1.3", "Address too long")
    if not text.isascii() and not _visible(address + (route or "")):
        raise SyntaxRefused(501, "5.1.3", "Bad address syntax")
    if literal is not None and not _is_address(literal):
        raise SyntaxRefused(501, "5.1.3", "Bad address literal")
    return Path(address, route or ""), text[found.end() :]


def _too_long(local: str, domain: str | None, route: str | None) -> bool:
    return (
        len(local.encode()) > LOCAL_LIMIT
        or len((domain or "").encode()) > DOMAIN_LIMIT
        or len((route or "").encode()) > ROUTE_LIMIT
    )


def _visible(text: str) -> bool:
    """No Unicode blanks, line ends, format or private characters, but for the joiners that Indic scripts and Persian need."""
    return text.replace("\u200c", "").replace("\u200d", "").isprintable()


def _is_address(literal: str) -> bool:
    """RFC 5321 section 4.1.3: `192.0.2.1` or `IPv6:2001:db8::1`."""
    try:
        if literal[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(literal[5:])
            return "%" not in literal  # a zone index is no part of the grammar
        ipaddress.IPv4Address(literal)
    except ValueError:
        return False
    return True
