"""XCLIENT and XFORWARD (Postfix's XCLIENT_README and XFORWARD_README): a trusted proxy or filter says who is really there.

Offered to hosts that the config names, and to nobody else. XCLIENT replaces the client for all checks and begins the session
anew; XFORWARD is told for the log alone.
"""

import dataclasses
import ipaddress
import logging
import re
from typing import TYPE_CHECKING

from mailhub.model.reply import Reply
from mailhub.wire.smtp import SyntaxRefused, greeting, xtext

if TYPE_CHECKING:
    from .session import SmtpSession

log = logging.getLogger("mailhub.protocols.smtp")

XCLIENT = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
XFORWARD = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
VALUE_LIMIT = 512  # characters of one attribute

NOT_FOR_YOU = Reply(550, "5.7.0", "Not for you")
IN_TRANSACTION = Reply(503, "5.5.1", "Not during a mail transaction")
OK = Reply(250, "2.0.0", "Ok")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_NOTHING = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


async def xclient(session: "SmtpSession", argument: str) -> None:
    """XCLIENT attribute=value ..."""
    if not session.may_xclient:
        return session.answer(NOT_FOR_YOU)
    if session.transaction is not None:
        return session.answer(IN_TRANSACTION)
    found = _attributes(argument, XCLIENT)
    client = found.get("ADDR", session.client)
    refusal = session.become(
        client=client,
        port=int(found.get("PORT") or session.record.port),
        helo=found.get("HELO", ""),
        login=found.get("LOGIN", ""),
        name=found.get("NAME"),
        extended=found.get("PROTO", "ESMTP").upper() != "SMTP",
    )
    if refusal is not None:
        return session.leave(refusal)
    return session.say(greeting(session.hostname + " ESMTP", (), code=220))


async def xforward(session: "SmtpSession", argument: str) -> None:
    """XFORWARD attribute=value ..."""
    if not session.may_xforward:
        return session.answer(NOT_FOR_YOU)
    if session.transaction is not None:
        return session.answer(IN_TRANSACTION)
    found = _attributes(argument, XFORWARD)
    session.forwarded = dataclasses.replace(
        session.forwarded, **{name.lower(): value for name, value in found.items() if name in ("NAME", "ADDR", "HELO")}
    )
    log.info("%s: forwarded for %s", session.record, " ".join(f"{name}={value!r}" for name, value in found.items()))
    return session.answer(OK)


@dataclasses.dataclass(frozen=True, slots=True)
class Forwarded:
    """What XFORWARD said of the client behind a filter; "" where nothing."""

    name: str = ""
    addr: str = ""
    helo: str = ""


def _attributes(argument: str, known: tuple[str, ...]) -> dict[str, str]:
    """Names in upper case; what is unavailable is "". SyntaxRefused where one is malformed."""
    found: dict[str, str] = {}
    for word in argument.split():
        name, equals, value = word.partition("=")
        name = name.upper()
        if not equals or name not in known or len(value) > VALUE_LIMIT:
            raise SyntaxRefused(501, "5.5.4", f"Bad attribute {name[:40]}")
        if name in found:
            raise SyntaxRefused(501, "5.5.4", f"{name} given twice")
        if value.upper() in _NOTHING:
            found[name] = ""
            continue
        try:
            text = xtext.decode(value)
        except ValueError:
            raise SyntaxRefused(501, "5.5.4", f"{name}: not xtext") from None
        if name in ("ADDR", "DESTADDR"):
            text = _address(text)
        if name in ("PORT", "DESTPORT") and not _PORT.match(text):
            raise SyntaxRefused(501, "5.5.4", "Not a port")
        found[name] = text
    if not found:
        raise SyntaxRefused(501, "5.5.4", "No attributes")
    return found


def _address(text: str) -> str:
    """`192.0.2.1` or `IPV6:2001:db8::1`"""
    inner = text[5:] if text[:5].upper() == "IPV6:" else text
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        raise SyntaxRefused(501, "5.5.4", "Not an address") from None
