"""Parameters of MAIL and RCPT (RFC 5321 section 4.1.2, "esmtp-param"), each a row of a table.

Adding an extension's parameter: a reader here, a row in MAIL or RECIPIENT with the EHLO keyword it belongs to, and that
keyword in the table of `protocols.smtp.extensions`. One whose extension is not offered is not known (555).
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from mailhub.model.envelope import PLAIN, DeliverBy, MailParameters, Notify

from . import xtext
from .command import SyntaxRefused

ENVID_LIMIT = 100  # characters, RFC 3461 section 4.4
ORCPT_LIMIT = 500  # characters, RFC 3461 section 4.2

_KEYWORD = re.compile(r"[0-9A-Za-z][-0-9A-Za-z]*\Z")
_VALUE = re.compile(r"[^\x00-\x20=\x7f-\x9f]+\Z")
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)\Z", re.IGNORECASE)
# RFC 3339 section 5.6, date-time
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_TYPE = re.compile(r"[0-9A-Za-z-]{1,40}\Z")

Reader = Callable[[str | None], Any]


class Row(NamedTuple):
    """`extension`: the EHLO keyword under which the parameter may be used."""

    extension: str
    read: Reader


class RecipientParameters(Struct, frozen=True):
    """What RCPT said besides the path (RFC 3461 sections 4.1 and 4.2). `orcpt`: "rfc822;address", decoded."""

    notify: Notify = Notify.DEFAULT
    orcpt: str | None = None


def _wrong(text: str) -> SyntaxRefused:
    return SyntaxRefused(501, "5.5.4", text)


def _size(value: str | None) -> int:
    """RFC 1870 section 6: 1*20DIGIT."""
    if value is None or len(value) > 20 or not (value.isascii() and value.isdigit()):
        raise _wrong("Syntax: SIZE=octets")
    return int(value)


def _body(value: str | None) -> str:
    """RFC 6152 section 2, RFC 3030 section 3."""
    if value is None or value.upper() not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise _wrong("Syntax: BODY=7BIT, BODY=8BITMIME or BODY=BINARYMIME")
    return value.upper()


def _flag(value: str | None) -> bool:
    """A keyword without a value: SMTPUTF8 (RFC 6531 section 3.4), REQUIRETLS (RFC 8689 section 2)."""
    if value is not None:
        raise _wrong("That parameter takes no value")
    return True


def _auth(value: str | None) -> str:
    """RFC 4954 section 5: `<>` or a mailbox as xtext. It is read and not believed, as the RFC lets a server do."""
    try:
        return value if value == "<>" else xtext.decode(value or " ")
    except ValueError:
        raise _wrong("Syntax: AUTH=<> or AUTH=mailbox") from None


def _ret(value: str | None) -> Literal["FULL", "HDRS"]:
    """RFC 3461 section 4.3."""
    match (value or "").upper():
        case "FULL":
            return "FULL"
        case "HDRS":
            return "HDRS"
    raise _wrong("Syntax: RET=FULL or RET=HDRS")


def _envid(value: str | None) -> str:
    """RFC 3461 section 4.4."""
    try:
        if value is None or len(value) > ENVID_LIMIT:
            raise ValueError
        return xtext.decode(value)
    except ValueError:
        raise _wrong(f"Syntax: ENVID=xtext of at most {ENVID_LIMIT} characters") from None


def _notify(value: str | None) -> Notify:
    """RFC 3461 section 4.1."""
    words = (value or "").upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    if not set(words) <= {"SUCCESS", "FAILURE", "DELAY"} or len(set(words)) != len(words):
        raise _wrong("Syntax: NOTIFY=NEVER, or a list of SUCCESS, FAILURE and DELAY")
    wanted = Notify.DEFAULT
    for word in words:
        wanted |= Notify[word]
    return wanted


def _orcpt(value: str | None) -> str:
    """RFC 3461 section 4.2, RFC 6533 section 3 for `utf-8;`."""
    kind, semicolon, address = (value or "").partition(";")
    try:
        if not semicolon or not _TYPE.match(kind) or not address or len(value or "") > ORCPT_LIMIT:
            raise ValueError
        decoded = xtext.decode_address(address) if kind.lower() == "utf-8" else xtext.decode_utf8(address)
    except ValueError:
        raise _wrong(f"Syntax: ORCPT=rfc822;xtext of at most {ORCPT_LIMIT} characters") from None
    if kind.lower() == "rfc822" and not decoded.isascii():
        kind = "utf-8"  # what Postfix means when it writes an address of another script as xtext
    return f"{kind};{decoded}"


def _by(value: str | None) -> tuple[int, Literal["N", "R"], bool]:
    """RFC 2852 section 4: seconds, what to do then, whether to trace."""
    found = _BY.match(value or "")
    if found is None:
        raise _wrong("Syntax: BY=seconds;N or BY=seconds;R, and T behind it")
    seconds, mode = int(found[1]), found[2].upper()
    if mode == "R" and seconds <= 0:
        raise _wrong("BY: a message to be returned needs some time first")
    return seconds, "R" if mode == "R" else "N", bool(found[3])


def _priority(value: str | None) -> int:
    """RFC 6710 section 4."""
    if value is None or not re.match(r"(?:0|-?[1-9])\Z", value):
        raise _wrong("Syntax: MT-PRIORITY=-9 to 9")
    return int(value)


def _hold_for(value: str | None) -> int:
    """RFC 4865 section 4: 1*9DIGIT seconds."""
    if value is None or not re.match(r"[0-9]{1,9}\Z", value):
        raise _wrong("Syntax: HOLDFOR=seconds")
    return int(value)


def _hold_until(value: str | None) -> float:
    """RFC 4865 section 4: a date and time of RFC 3339."""
    try:
        if value is None or not _DATE_TIME.match(value):
            raise ValueError
        return datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError):
        raise _wrong("Syntax: HOLDUNTIL=2030-01-31T09:00:00Z") from None


MAIL: Mapping[str, Row] = {
    "SIZE": Row("SIZE", _size),
    "BODY": Row("8BITMIME", _body),
    "SMTPUTF8": Row("SMTPUTF8", _flag),
    "AUTH": Row("AUTH", _auth),
    "RET": Row("DSN", _ret),
    "ENVID": Row("DSN", _envid),
    "BY": Row("DELIVERBY", _by),
    "MT-PRIORITY": Row("MT-PRIORITY", _priority),
    "REQUIRETLS": Row("REQUIRETLS", _flag),
    "HOLDFOR": Row("FUTURERELEASE", _hold_for),
    "HOLDUNTIL": Row("FUTURERELEASE", _hold_until),
}
RECIPIENT: Mapping[str, Row] = {"NOTIFY": Row("DSN", _notify), "ORCPT": Row("DSN", _orcpt)}

_NONE = RecipientParameters()


def mail_parameters(rest: str, now: float, offered: Collection[str]) -> MailParameters:
    """Read what follows the path of MAIL. `now`: wall time, for what counts from it; `offered`: EHLO keywords.

    555 for a keyword that is not known or not offered, 501 for one that is wrong.
    """
    if not rest:
        return PLAIN
    found = _read(rest, MAIL, offered)
    if "HOLDFOR" in found and "HOLDUNTIL" in found:
        raise _wrong("HOLDFOR and HOLDUNTIL exclude each other")
    if found.get("BODY") == "BINARYMIME" and "BINARYMIME" not in offered:
        raise _wrong("BODY=BINARYMIME is not offered")
    by = found.get("BY")
    return MailParameters(
        size=found.get("SIZE"),
        body=found.get("BODY", "7BIT"),
        smtputf8=found.get("SMTPUTF8", False),
        ret=found.get("RET"),
        envid=found.get("ENVID"),
        requiretls=found.get("REQUIRETLS", False),
        priority=found.get("MT-PRIORITY", 0),
        deliver_by=DeliverBy(now + by[0], by[1], by[2]) if by else None,
        release=now + found["HOLDFOR"] if "HOLDFOR" in found else found.get("HOLDUNTIL"),
    )


def recipient_parameters(rest: str, offered: Collection[str]) -> RecipientParameters:
    """Read what follows the path of RCPT, as `mail_parameters` does."""
    if not rest:
        return _NONE
    found = _read(rest, RECIPIENT, offered)
    return RecipientParameters(found.get("NOTIFY", Notify.DEFAULT), found.get("ORCPT"))


def _read(rest: str, table: Mapping[str, Row], offered: Collection[str]) -> dict[str, Any]:
    if rest[0] not in " \t":
        raise _wrong("A blank must follow the path")
    found: dict[str, Any] = {}
    for word in rest.split():
        keyword, equals, value = word.partition("=")
        if not _KEYWORD.match(keyword) or (equals and not _VALUE.match(value)):
            raise _wrong("Bad parameter syntax")
        keyword = keyword.upper()
        if keyword in found:
            raise _wrong(f"{keyword} given twice")
        row = table.get(keyword)
        if row is None or row.extension not in offered:
            raise SyntaxRefused(555, "5.5.4", f"Parameter {keyword[:40]} not recognized")
        found[keyword] = row.read(value if equals else None)
    return found
