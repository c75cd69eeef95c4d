"""access(5): under which keys a client, a name or an address is looked up, and what the value found there means."""

import ipaddress
import logging
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from mailhub.config import schema
from mailhub.model import address as addresses
from mailhub.model.reply import Reply
from mailhub.net import addresses as net

from .orders import Orders

log = logging.getLogger("mailhub.policy")

PERMIT = "permit"
UNAVAILABLE = "Service unavailable"
NAMELESS = "unknown"  # the name of a client that has none, as Postfix looks it up
_FILTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:\S*\Z")  # transport:nexthop
_CODE = re.compile(r"[45][0-9]{2}\Z")
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z")

Ruling = Reply | str | None  # a refusal; PERMIT; nothing to say


class Deferral(NamedTuple):
    """Neither refused nor free of doubt: `reply` is said where everything else would permit, or would refuse."""

    reply: Reply
    unless: Literal["permit", "reject"]


Finding = Ruling | Deferral


def domain_keys(name: str) -> Iterator[str]:
    """`mail.example.org`, then `example.org`, `.example.org`, and so on."""
    name = name.lower().rstrip(".")
    if not name:
        return
    yield name
    if _is_address(name):
        return
    _, dot, parent = name.partition(".")
    while dot:
        yield parent
        yield "." + parent
        _, dot, parent = parent.partition(".")


def client_keys(name: str, client: str) -> Iterator[str]:
    """The client's name and its parents, then the address and the networks that hold it. Nothing where it has no address."""
    ip = net.parse(client)
    if ip is None:
        return
    yield from domain_keys(name or NAMELESS)
    sign = "." if ip.version == 4 else ":"
    text = str(ip)
    yield text
    while sign in text:
        text = text.rpartition(sign)[0].rstrip(sign)
        if text:
            yield text


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def address_keys(address: str, delimiter: str) -> Iterator[str]:
    """`user+tag@domain`, `user@domain`, the domain and its parents, `user+tag@`, `user@`; `<>` for the null sender.
    Quotes carry no meaning (RFC 5321 section 4.1.2): nobody gets round a line by writing `"user"@domain`."""
    if not address:
        yield "<>"
        return
    local, domain = addresses.split(addresses.key(address))
    users = _users(local, delimiter)
    yield from (f"{user}@{domain}" for user in users)
    yield from domain_keys(domain)
    yield from (f"{user}@" for user in users)


def mail_keys(address: str, delimiter: str) -> Iterator[str]:
    """`user+tag@domain`, `user@domain`, `@domain`: for tables of addresses that are there, or are somebody's."""
    local, domain = addresses.split(addresses.key(address))
    yield from (f"{user}@{domain}" for user in _users(local, delimiter))
    yield f"@{domain}"


def _users(local: str, delimiter: str) -> list[str]:
    """The local part, and the same without its tag."""
    user, detail = addresses.without_detail(local, delimiter)
    return [local] if detail is None else [local, user]


def act(value: str, orders: Orders, refusal: Reply, codes: schema.Smtp) -> tuple[Finding, str]:
    """What a table's value means: a verdict, and the restrictions it names instead (access(5), "other actions"). `refusal`: the
    reply of a bare REJECT. Orders are noted; those that can not be followed are passed over, as Postfix does."""
    word, text = _first_word(value)
    deferral = Reply(codes.access_map_defer_code, "4.7.1", refusal.text)
    match word.upper():
        case "OK" | "PERMIT" | "RELAY":
            return PERMIT, ""
        case "REJECT":
            return _said(refusal, text), ""
        case "DEFER":
            return _said(deferral, text), ""
        case "DEFER_IF_PERMIT":
            return Deferral(_said(deferral, text or UNAVAILABLE), "permit"), ""
        case "DEFER_IF_REJECT":
            return Deferral(_said(deferral, text or UNAVAILABLE), "reject"), ""
        case "DISCARD":
            orders.discarded = text or "by a table"
            return PERMIT, ""
        case "FILTER" if not _FILTER.match(text):
            return Reply(451, "4.3.0", "Temporary lookup failure"), ""
        case "DUNNO" | "WARN" | "INFO" | "HOLD" | "REDIRECT" | "FILTER" | "BCC" | "PREPEND":
            note(word.upper(), text, orders)
            return None, ""
    if word.isdigit() and text == "" and not _CODE.match(word):
        return PERMIT, ""
    if _CODE.match(word):
        return _said(Reply(int(word), f"{word[0]}.7.1", refusal.text), text), ""
    return None, value.strip()


def note(word: str, text: str, orders: Orders) -> None:
    """An order of a table for the whole message: HOLD, FILTER, PREPEND, REDIRECT, BCC. One that can not be followed is passed over."""
    match word:
        case "HOLD":
            orders.held = text or "by a table"
        case "FILTER":
            orders.filter = text
        case "PREPEND":
            orders.prepended.append(text)
        case "REDIRECT" | "BCC" if not all(addresses.split(text)):
            log.warning("%s %r: not followed: user@domain is needed", word, text)
        case "REDIRECT":
            orders.redirect = text
        case "BCC":
            orders.copies.append(text)


def _first_word(text: str) -> tuple[str, str]:
    words = text.split(None, 1)
    return (words[0] if words else "", words[1].strip() if len(words) > 1 else "")


def _said(reply: Reply, text: str) -> Reply:
    """The reply with a text of its own, and the enhanced code that stands before that, made to fit the code (RFC 3463)."""
    enhanced, rest = _first_word(text)
    if not _ENHANCED.match(enhanced):
        enhanced, rest = reply.enhanced, text
    return coded(reply.code, enhanced, rest or reply.text)


def coded(code: int, enhanced: str, text: str) -> Reply:
    """A reply whose enhanced code is of the class that `code` has."""
    return Reply(code, f"{code // 100}{enhanced[1:]}", text)
