"""XCLIENT and XFORWARD (Postfix's XCLIENT_README and XFORWARD_README): a trusted proxy or filter says who is really there.

Offered to hosts that the config names, and to nobody else. XCLIENT replaces the client for all checks and begins the session
anew; XFORWARD is told for the log alone.
"""

import ipaddress
import logging
import re
from typing import TYPE_CHECKING

from mailhub.model.reply import Reply
from mailhub.net import addresses
from mailhub.policy import ClientName
from mailhub.wire.smtp import SyntaxRefused, xtext

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
_UNDECIDED = "\0"  # no name can be that


async def xclient(session: "SmtpSession", argument: str) -> None:
    """XCLIENT attribute=value ..."""
    if not session.may_xclient:
        return session.answer(NOT_FOR_YOU)
    if session.transaction is not None:
        return session.answer(IN_TRANSACTION)
    found = _attributes(argument, XCLIENT)
    client = found.get("ADDR", session.client)
    refusal = await session.become(
        client=client,
        port=int(found.get("PORT") or session.record.port),
        helo=found.get("HELO", ""),
        login=found.get("LOGIN", ""),
        told=_name(found),
        extended=found.get("PROTO", "ESMTP").upper() != "SMTP",
    )
    if refusal is not None:
        return session.leave(refusal)
    return session.greet()


def _name(found: dict[str, str]) -> ClientName | None:
    """What is said of the client's name, taken as verified; None where nothing is: then DNS is asked."""
    name = found.get("NAME")
    if name is None:
        return None
    return ClientName(undecided=True) if name == _UNDECIDED else ClientName(name, name)


async def xforward(session: "SmtpSession", argument: str) -> None:
    """XFORWARD attribute=value ..."""
    if not session.may_xforward:
        return session.answer(NOT_FOR_YOU)
    if session.transaction is not None:
        return session.answer(IN_TRANSACTION)
    found = _attributes(argument, XFORWARD)
    log.info("%s: forwarded for %s", session.record, " ".join(f"{name}={value!r}" for name, value in found.items()))
    return session.answer(OK)


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
            found[name] = _UNDECIDED if (name, value.upper()) == ("NAME", "[TEMPUNAVAIL]") else ""
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
        return addresses.plain(str(ipaddress.ip_address(inner)))
    except ValueError:
        raise SyntaxRefused(501, "5.5.4", "Not an address") from None
