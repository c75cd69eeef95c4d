"""URLs that name a message or a part of one (RFC 5092), and those that let others read it (RFC 4467)."""

import datetime
import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from mailhub.model.mailbox import SEPARATOR

from . import fetch_items, names
from .fetch_items import Section, What
from .framing import Frame
from .lexer import NUMBER_MAX, BadSyntax, Lexer

URL_LIMIT = 4_096  # octets
_FORM = re.compile(
    rb"(?:imap://(?:(?P<user>[^@/;:]{1,1000})(?:;AUTH=[^@/]{1,100})?@)?(?P<host>[^/@]{1,300}))?"
    rb"/(?P<mailbox>[^;]{1,2000}?)(?:;UIDVALIDITY=(?P<uidvalidity>[0-9]{1,10}))?"
    rb"/;UID=(?P<uid>[0-9]{1,10})"
    rb"(?:/;SECTION=(?P<section>[^;]{0,2000}?))?"
    rb"(?:/;PARTIAL=(?P<origin>[0-9]{1,10})(?:\.(?P<most>[0-9]{1,10}))?)?"
    rb"(?:;EXPIRE=(?P<expire>[^;/]{1,50}))?"
    rb"(?P<urlauth>;URLAUTH=(?P<access>(?:submit\+|user\+)[^;/:]{1,1000}|anonymous|authuser)"
    rb"(?::(?P<mechanism>[A-Za-z0-9.-]{1,50}):(?P<token>[0-9A-Fa-f]{32,200}))?)?",
    re.IGNORECASE,
)


class BadUrl(Exception):
    """No URL of a message, or none that can be read here."""


class MessageUrl(Struct, frozen=True):
    """`user`: whose mail, "" where the URL begins with the mailbox. `expire`: seconds since 1970, None for never.

    `access`: who may read it, in lower case, "" without URLAUTH. `rump`: what the token speaks for."""

    user: str
    mailbox: str
    uidvalidity: int | None
    uid: int
    section: Section
    expire: float | None
    access: str
    rump: bytes
    mechanism: str
    token: bytes


def read(url: bytes) -> MessageUrl:
    """Raises BadUrl."""
    found = _FORM.fullmatch(url) if len(url) <= URL_LIMIT else None
    if found is None:
        raise BadUrl
    try:
        mailbox = unquote_to_bytes(found["mailbox"]).decode("utf-8")
        user = unquote_to_bytes(found["user"] or b"").decode("utf-8")
        access = unquote_to_bytes(found["access"] or b"").decode("utf-8").lower()
        section = _section(unquote_to_bytes(found["section"] or b""), found["origin"], found["most"])
        expire = None if found["expire"] is None else _time(unquote_to_bytes(found["expire"]).decode("ascii"))
    except (ValueError, BadSyntax):
        raise BadUrl from None
    uid = int(found["uid"])
    if not 0 < uid <= NUMBER_MAX or (access and not user):
        raise BadUrl
    mechanism = found["mechanism"]
    return MessageUrl(
        user,
        names.canonical(mailbox.replace("/", SEPARATOR), SEPARATOR),
        None if found["uidvalidity"] is None else int(found["uidvalidity"]),
        uid,
        section,
        expire,
        access,
        url if mechanism is None else url[: found.start("mechanism") - 1],
        "" if mechanism is None else mechanism.decode("ascii").upper(),
        found["token"] or b"",
    )


def _section(text: bytes, origin: bytes | None, most: bytes | None) -> Section:
    """The octets of a URL are a section's, peeked at; without a length to the end (RFC 5092 section 6.1)."""
    section = fetch_items.read_section(Lexer(Frame((text + b"]",)))) if text else Section(What.ALL, peek=True)
    if origin is None:
        return section
    if most is not None and not int(most):
        raise BadUrl
    partial = int(origin), NUMBER_MAX if most is None else int(most)
    return Section(section.what, section.path, section.fields, partial, peek=True)


def _time(text: str) -> float:
    """date-time of RFC 3339; without an offset it says nothing."""
    at = datetime.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise BadUrl
    return at.timestamp()
