"""What each word of a restriction list does: a question to the visit, answered by a refusal, PERMIT, or nothing.

The words, their replies and their order of evaluation are Postfix's (smtpd(8), access(5)). Adding one: a function here, a row
in CHECKS, a word in `config.restrictions`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from mailhub.config import schema
from mailhub.config.rules import is_domain
from mailhub.model import address as addresses
from mailhub.model.reply import Reply
from mailhub.net.addresses import parse as parse_address
from mailhub.net.resolver import DnsError, DnsTemporary

from .access import PERMIT, Deferral, Finding, coded
from .visit import Visit


class Surroundings(Protocol):
    """What checks may ask the policy."""

    config: schema.Smtp

    async def trusted_network(self, client: str) -> bool: ...

    async def is_ours(self, domain: str) -> bool:
        """Whether mail for that domain ends here."""
        ...

    async def is_destination(self, recipient: str) -> bool:
        """Whether mail for that address is ours, or of a relay domain."""
        ...

    async def exists(self, address: str) -> bool:
        """False where the address is ours and there is nobody of that name."""
        ...

    async def owns(self, login: str, address: str) -> bool: ...

    async def delegated(self, service: str, stage: str, visit: Visit) -> str:
        """The action of access(5) that a policy service wants."""
        ...

    async def has_owner(self, address: str) -> bool:
        """Whether somebody's login owns that address (smtp.sender_login)."""
        ...


Check = Callable[[Visit, Surroundings], Awaitable[Finding]]

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")

NOT_YOURS = Reply(553, "5.7.1", "Sender address rejected: not owned by user")
NO_LOGIN = Reply(553, "5.7.1", "Sender address rejected: not logged in")


async def permit(visit: Visit, here: Surroundings) -> Finding:
    return PERMIT


async def reject(visit: Visit, here: Surroundings) -> Finding:
    return coded(here.config.reject_code, "5.7.1", "Access denied")


async def defer(visit: Visit, here: Surroundings) -> Finding:
    return coded(here.config.defer_code, "4.3.2", "Service unavailable, try again later")


async def defer_if_permit(visit: Visit, here: Surroundings) -> Finding:
    return Deferral(Reply(450, "4.7.0", "defer_if_permit requested"), "permit")


async def defer_if_reject(visit: Visit, here: Surroundings) -> Finding:
    return Deferral(Reply(450, "4.7.0", "defer_if_reject requested"), "reject")


async def permit_mynetworks(visit: Visit, here: Surroundings) -> Finding:
    return PERMIT if await here.trusted_network(visit.origin.client) else None


async def permit_sasl_authenticated(visit: Visit, here: Surroundings) -> Finding:
    return PERMIT if visit.origin.login else None


async def reject_unauth_destination(visit: Visit, here: Surroundings) -> Finding:
    return await _unless_destination(visit, here, here.config.relay_domains_reject_code)


async def defer_unauth_destination(visit: Visit, here: Surroundings) -> Finding:
    return await _unless_destination(visit, here, 400 + here.config.relay_domains_reject_code % 100)


async def _unless_destination(visit: Visit, here: Surroundings, code: int) -> Finding:
    if not visit.recipient or await here.is_destination(visit.recipient):
        return None
    return coded(code, "5.7.1", "Relay access denied")


async def permit_auth_destination(visit: Visit, here: Surroundings) -> Finding:
    return PERMIT if visit.recipient and await here.is_destination(visit.recipient) else None


async def reject_unknown_client_hostname(visit: Visit, here: Surroundings) -> Finding:
    found = await visit.name()
    return None if found.verified else _nameless(visit, here, found.undecided, "hostname")


async def reject_unknown_reverse_client_hostname(visit: Visit, here: Surroundings) -> Finding:
    found = await visit.name()
    return None if found.reverse else _nameless(visit, here, found.undecided, "reverse hostname")


def _nameless(visit: Visit, here: Surroundings, undecided: bool, what: str) -> Finding:
    if not visit.origin.client:
        return None
    code = 450 if undecided else here.config.unknown_client_reject_code
    return coded(code, "4.7.25", f"Client host rejected: cannot find your {what}")


async def reject_invalid_helo_hostname(visit: Visit, here: Surroundings) -> Finding:
    helo = visit.origin.helo
    if not helo or _literal(helo) or _is_hostname(helo.removesuffix(".")) or parse_address(helo) is not None:
        return None
    return coded(here.config.invalid_hostname_reject_code, "5.5.2", "Helo command rejected: Invalid name")


async def reject_non_fqdn_helo_hostname(visit: Visit, here: Surroundings) -> Finding:
    helo = visit.origin.helo
    if not helo or _literal(helo) or _is_full(helo.removesuffix(".")):
        return None
    code = here.config.invalid_hostname_reject_code if helo[0] == "[" else here.config.non_fqdn_reject_code
    return coded(code, "5.5.2", "Helo command rejected: need fully-qualified hostname")


async def reject_unknown_helo_hostname(visit: Visit, here: Surroundings) -> Finding:
    helo, resolver = visit.origin.helo, visit.resolver
    if not helo or _literal(helo):
        return None
    if helo[0] == "[":
        return coded(here.config.invalid_hostname_reject_code, "5.5.2", "Helo command rejected: invalid ip address")
    if resolver is None:
        return None
    found = await _found(partial(resolver.addresses, helo), partial(resolver.mx, helo))
    text = "Helo command rejected: Host not found"
    if found is None:
        return _undecided(here, Reply(450, "4.7.1", text))
    return None if found else coded(here.config.unknown_hostname_reject_code, "4.7.1", text)


async def reject_non_fqdn_sender(visit: Visit, here: Surroundings) -> Finding:
    return _not_full(visit.sender or "", "Sender", here)


async def reject_non_fqdn_recipient(visit: Visit, here: Surroundings) -> Finding:
    return _not_full(visit.recipient, "Recipient", here)


async def reject_unknown_sender_domain(visit: Visit, here: Surroundings) -> Finding:
    return await _unknown_domain(visit, here, visit.sender or "", "Sender", "4.1.8", Reply(550, "5.7.27", ""))


async def reject_unknown_recipient_domain(visit: Visit, here: Surroundings) -> Finding:
    return await _unknown_domain(visit, here, visit.recipient, "Recipient", "4.1.2", Reply(556, "5.1.10", ""))


async def _unknown_domain(
    visit: Visit, here: Surroundings, address: str, whose: str, enhanced: str, null_mx: Reply
) -> Finding:
    """Refused where the domain has neither MX nor address; a null MX takes no mail (RFC 7505)."""
    domain, resolver = addresses.domain_of(address), visit.resolver
    if resolver is None or not domain or domain.startswith("[") or await here.is_ours(domain):
        return None
    found = await _found(partial(resolver.mx, domain), partial(resolver.addresses, domain))
    if [entry[1] for entry in found or () if isinstance(entry, tuple)] == [""]:
        return coded(null_mx.code, null_mx.enhanced, f"{whose} address rejected: Domain does not accept mail (nullMX)")
    text = f"{whose} address rejected: Domain not found"
    if found is None:
        return _undecided(here, Reply(450, enhanced, text))
    return None if found else coded(here.config.unknown_address_reject_code, enhanced, text)


async def reject_unlisted_sender(visit: Visit, here: Surroundings) -> Finding:
    known = not visit.sender or await here.exists(visit.sender)
    return None if known else _unlisted(here, "5.1.0", "Sender")


async def reject_unlisted_recipient(visit: Visit, here: Surroundings) -> Finding:
    known = not visit.recipient or await here.exists(visit.recipient)
    return None if known else _unlisted(here, "5.1.1", "Recipient")


def _unlisted(here: Surroundings, enhanced: str, whose: str) -> Finding:
    code = here.config.unknown_local_recipient_reject_code
    return coded(code, enhanced, f"{whose} address rejected: user unknown")


async def reject_sender_login_mismatch(visit: Visit, here: Surroundings) -> Finding:
    return await reject_authenticated_sender_login_mismatch(
        visit, here
    ) or await reject_unauthenticated_sender_login_mismatch(visit, here)


async def reject_authenticated_sender_login_mismatch(visit: Visit, here: Surroundings) -> Finding:
    login, sender = visit.origin.login, visit.sender
    return NOT_YOURS if login and sender and not await here.owns(login, sender) else None


async def reject_unauthenticated_sender_login_mismatch(visit: Visit, here: Surroundings) -> Finding:
    login, sender = visit.origin.login, visit.sender
    return NO_LOGIN if sender and not login and await here.has_owner(sender) else None


async def reject_known_sender_login_mismatch(visit: Visit, here: Surroundings) -> Finding:
    """As reject_sender_login_mismatch, for addresses that somebody owns."""
    owned = visit.sender and await here.has_owner(visit.sender)
    return await reject_sender_login_mismatch(visit, here) if owned else None


async def reject_unauth_pipelining(visit: Visit, here: Surroundings) -> Finding:
    return (
        Reply(503, "5.5.0", "Data command rejected: Improper use of SMTP command pipelining")
        if visit.pipelined
        else None
    )


async def reject_multi_recipient_bounce(visit: Visit, here: Surroundings) -> Finding:
    text = "Data command rejected: Multi-recipient bounce"
    return Reply(550, "5.5.3", text) if visit.sender == "" and visit.recipients > 1 else None


async def reject_plaintext_session(visit: Visit, here: Surroundings) -> Finding:
    return None if visit.origin.tls else Reply(450, "4.7.1", "Session encryption is required")


def _literal(name: str) -> bool:
    """`[192.0.2.1]`, `[IPv6:2001:db8::1]`"""
    if not (name.startswith("[") and name.endswith("]")):
        return False
    tag, _, inner = name[1:-1].rpartition("IPv6:")
    ip = parse_address(inner)
    return tag == "" and ip is not None and "%" not in inner


def _is_hostname(name: str) -> bool:
    """Letters, digits, hyphens and what many hosts really have, underscores; not numbers alone."""
    labels = name.split(".")
    fits = all(_LABEL.match(label) for label in labels) and len(name) <= 255
    return fits and not all(label.isdigit() for label in labels)


def _is_full(domain: str) -> bool:
    return "." in domain and (_is_hostname(domain) if domain.isascii() else is_domain(domain))


def _not_full(address: str, whose: str, here: Surroundings) -> Finding:
    domain = addresses.domain_of(address)
    if not address or _is_full(domain.removesuffix(".")) or (domain.startswith("[") and domain.endswith("]")):
        return None
    return coded(here.config.non_fqdn_reject_code, "5.5.2", f"{whose} address rejected: need fully-qualified address")


async def _found(*questions: Callable[[], Awaitable[Sequence[object]]]) -> Sequence[object] | None:
    """The first answer to one of these questions to DNS; empty where there is none; None where that can not be told now."""
    undecided = False
    for ask in questions:
        try:
            return await ask()
        except DnsTemporary:
            undecided = True
        except DnsError:
            continue
    return None if undecided else ()


def _undecided(here: Surroundings, reply: Reply) -> Finding:
    """DNS could not tell: refused for now at once, or only where nothing else refuses for good."""
    return reply if here.config.reject_tempfail_action == "defer" else Deferral(reply, "permit")


CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        permit, reject, defer, defer_if_permit, defer_if_reject, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
        defer_unauth_destination, permit_auth_destination, reject_unknown_client_hostname,
        reject_unknown_reverse_client_hostname, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname,
        reject_unknown_helo_hostname, reject_non_fqdn_sender, reject_non_fqdn_recipient, reject_unknown_sender_domain,
        reject_unknown_recipient_domain, reject_unlisted_sender, reject_unlisted_recipient, reject_sender_login_mismatch,
        reject_authenticated_sender_login_mismatch, reject_unauthenticated_sender_login_mismatch,
        reject_known_sender_login_mismatch, reject_unauth_pipelining, reject_multi_recipient_bounce,
        reject_plaintext_session,
    )
}  # fmt: skip
