"""Parameters of MAIL and RCPT (RFC 5321 section 4.1.2, "esmtp-param"), each a row of a table.

Adding an extension's parameter: a reader here, a row in MAIL or RECIPIENT, and its keyword in the EHLO table of
`protocols.smtp.extensions`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from mailhub.model.envelope import PLAIN, MailParameters

from .command import SyntaxRefused

_KEYWORD = re.compile(r"[0-9A-Za-z][-0-9A-Za-z]*\Z")
_VALUE = re.compile(r"[^\x00-\x20=\x7f-\x9f]+\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")  # RFC 3461 section 4

Reader = Callable[[str | None], Any]


def _size(value: str | None) -> int:
    """RFC 1870 section 6: 1*20DIGIT."""
    if value is None or len(value) > 20 or not (value.isascii() and value.isdigit()):
        raise SyntaxRefused(501, "5.5.4", "Syntax: SIZE=octets")
    return int(value)


def _body(value: str | None) -> str:
    """RFC 6152 section 2."""
    if value is None or value.upper() not in ("7BIT", "8BITMIME"):
        raise SyntaxRefused(501, "5.5.4", "Syntax: BODY=7BIT or BODY=8BITMIME")
    return value.upper()


def _flag(value: str | None) -> bool:
    """A keyword without a value: SMTPUTF8 (RFC 6531 section 3.4)."""
    if value is not None:
        raise SyntaxRefused(501, "5.5.4", "That parameter takes no value")
    return True


def _auth(value: str | None) -> str:
    """RFC 4954 section 5: `<>` or a mailbox as xtext. It is read and not believed, as the RFC lets a server do."""
    if value is None or not (value == "<>" or _XTEXT.match(value)):
        raise SyntaxRefused(501, "5.5.4", "Syntax: AUTH=<> or AUTH=mailbox")
    return value


MAIL: Mapping[str, Reader] = {"SIZE": _size, "BODY": _body, "SMTPUTF8": _flag, "AUTH": _auth}
RECIPIENT: Mapping[str, Reader] = {}


def mail_parameters(rest: str) -> MailParameters:
    """Read what follows the path of MAIL; 555 for a keyword we do not know, 501 for one that is wrong."""
    if not rest:
        return PLAIN
    found = _read(rest, MAIL)
    return MailParameters(found.get("SIZE"), found.get("BODY", "7BIT"), found.get("SMTPUTF8", False))


def recipient_parameters(rest: str) -> None:
    """Read what follows the path of RCPT: no extension that has a parameter there is offered."""
    if rest:
        _read(rest, RECIPIENT)


def _read(rest: str, table: Mapping[str, Reader]) -> dict[str, Any]:
    if rest[0] not in " \t":
        raise SyntaxRefused(501, "5.5.4", "A blank must follow the path")
    found: dict[str, Any] = {}
    for word in rest.split():
        keyword, equals, value = word.partition("=")
        if not _KEYWORD.match(keyword) or (equals and not _VALUE.match(value)):
            raise SyntaxRefused(501, "5.5.4", "Bad parameter syntax")
        keyword = keyword.upper()
        if keyword in found:
            raise SyntaxRefused(501, "5.5.4", f"{keyword} given twice")
        reader = table.get(keyword)
        if reader is None:
            raise SyntaxRefused(555, "5.5.4", f"Parameter {keyword[:40]} not recognized")
        found[keyword] = reader(value if equals else None)
    return found
