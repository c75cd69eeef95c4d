"""access(5): under which keys a client, a name or an address is looked up, and what the value found there means."""

import ipaddress
import re
from collections.abc import Iterator

from mailhub.model import address as addresses
from mailhub.model.reply import Reply

from .visit import Orders

PERMIT = "permit"
_FILTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:\S*\Z")  # transport:nexthop
_CODE = re.compile(r"([45][0-9]{2})(?:[ \t]+([45]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:[ \t]+(.*))?\Z", re.DOTALL)

Verdict = Reply | str | None  # a refusal; PERMIT; nothing to say


def domain_keys(name: str) -> Iterator[str]:
    """`mail.example.org`, then `example.org`, `.example.org`, and so on."""
    name = name.lower().rstrip(".")
    if not name:
        return
    yield name
    _, dot, parent = name.partition(".")
    while dot:
        yield parent
        yield "." + parent
        _, dot, parent = parent.partition(".")


def client_keys(name: str, client: str) -> Iterator[str]:
    """The verified name and its parents, then the address and the networks that hold it."""
    yield from domain_keys(name)
    try:
        ip = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return
    sign = "." if ip.version == 4 else ":"
    text = str(ip)
    yield text
    while sign in text:
        text = text.rpartition(sign)[0].rstrip(sign)
        if text:
            yield text


def address_keys(address: str, delimiter: str) -> Iterator[str]:
    """`user+tag@domain`, `user@domain`, the domain and its parents, `user+tag@`, `user@`; `<>` for the null sender."""
    if not address:
        yield "<>"
        return
    local, domain = addresses.split(address)
    user, detail = addresses.without_detail(local, delimiter)
    yield address.lower()
    if detail is not None:
        yield f"{user}@{domain}".lower()
    yield from domain_keys(domain)
    yield f"{local}@".lower()
    if detail is not None:
        yield f"{user}@".lower()


def act(value: str, orders: Orders, refusal: Reply) -> tuple[Verdict, str]:
    """What a table's value means: a verdict, and the restrictions it names instead (access(5), "other actions"). `refusal`: the
    reply of a bare REJECT. Orders are noted."""
    word, _, text = value.strip().partition(" ")
    text = text.strip()
    match word.upper():
        case "OK" | "PERMIT":
            return PERMIT, ""
        case "DUNNO" | "WARN" | "INFO":
            return None, ""
        case "REJECT":
            return _reply(refusal, text), ""
        case "DEFER":
            return _reply(Reply(450, "4.7.1", refusal.text), text), ""
        case "DEFER_IF_PERMIT":
            orders.defer_if_permit = text or "Service unavailable, try again later"
            return None, ""
        case "DEFER_IF_REJECT":
            orders.defer_if_reject = text or "Service unavailable, try again later"
            return None, ""
        case "HOLD":
            orders.held = text or "by a table"
            return None, ""
        case "DISCARD":
            orders.discarded = text or "by a table"
            return PERMIT, ""
        case "REDIRECT":
            orders.redirect = text
            return None, ""
        case "FILTER":
            if not _FILTER.match(text):
                return Reply(451, "4.3.0", "Temporary lookup failure"), ""
            orders.filter = text
            return None, ""
        case "BCC":
            orders.copies.append(text)
            return None, ""
        case "PREPEND":
            orders.prepended.append(text)
            return None, ""
    if word.isdigit() and len(word) != 3:
        return PERMIT, ""
    found = _CODE.match(value.strip())
    if found is not None:
        enhanced = found[2] or ("4.7.1" if found[1][0] == "4" else "5.7.1")
        return Reply(int(found[1]), enhanced, found[3] or refusal.text), ""
    return (PERMIT, "") if word.isdigit() else (None, value.strip())


def _reply(refusal: Reply, text: str) -> Reply:
    """REJECT and DEFER may bring their own text, with an enhanced code before it."""
    code, _, rest = text.partition(" ")
    if re.match(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}\Z", code) and code[0] == str(refusal.code)[0]:
        return Reply(refusal.code, code, rest.strip() or refusal.text)
    return Reply(refusal.code, refusal.enhanced, text or refusal.text)
