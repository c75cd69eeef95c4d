"""What each word of a restriction list does: a question to the visit, answered by a refusal, PERMIT, or nothing.

The words, their replies and their order of evaluation are Postfix's (smtpd(8), access(5)). Adding one: a function here, a row
in CHECKS, a word in `config.restrictions`.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from mailhub.config.rules import is_domain
from mailhub.model import address as addresses
from mailhub.model.reply import Reply
from mailhub.net.resolver import DnsError, DnsTemporary, Resolver

from .access import PERMIT, Verdict
from .visit import Visit


class Surroundings(Protocol):
    """What checks may ask the policy."""

    async def trusted_network(self, client: str) -> bool: ...

    async def is_destination(self, recipient: str) -> bool:
        """Whether mail for that address is ours, or of a relay domain."""
        ...

    async def exists(self, address: str) -> bool:
        """False where the address is ours and there is nobody of that name."""
        ...

    async def owns(self, login: str, address: str) -> bool: ...

    async def has_owner(self, address: str) -> bool:
        """Whether somebody's login owns that address (smtp.sender_login)."""
        ...


Check = Callable[[Visit, Surroundings], Awaitable[Verdict]]

DENIED = Reply(554, "5.7.1", "Access denied")
RELAY_DENIED = Reply(554, "5.7.1", "Relay access denied")
NOT_YOURS = Reply(553, "5.7.1", "Sender address rejected: not owned by user")
NO_LOGIN = Reply(553, "5.7.1", "Sender address rejected: not logged in")


async def permit(visit: Visit, here: Surroundings) -> Verdict:
    return PERMIT


async def reject(visit: Visit, here: Surroundings) -> Verdict:
    return DENIED


async def defer(visit: Visit, here: Surroundings) -> Verdict:
    return Reply(450, "4.3.2", "Service unavailable, try again later")


async def permit_mynetworks(visit: Visit, here: Surroundings) -> Verdict:
    return PERMIT if await here.trusted_network(visit.origin.client) else None


async def permit_sasl_authenticated(visit: Visit, here: Surroundings) -> Verdict:
    return PERMIT if visit.origin.login else None


async def reject_unauth_destination(visit: Visit, here: Surroundings) -> Verdict:
    return None if await here.is_destination(visit.recipient) else RELAY_DENIED


async def defer_unauth_destination(visit: Visit, here: Surroundings) -> Verdict:
    return None if await here.is_destination(visit.recipient) else Reply(454, "4.7.1", "Relay access denied")


async def permit_auth_destination(visit: Visit, here: Surroundings) -> Verdict:
    return PERMIT if await here.is_destination(visit.recipient) else None


async def reject_unknown_client_hostname(visit: Visit, here: Surroundings) -> Verdict:
    found = await visit.name()
    if found.verified:
        return None
    return Reply(450, "4.7.25", "Client host rejected: cannot find your hostname")


async def reject_unknown_reverse_client_hostname(visit: Visit, here: Surroundings) -> Verdict:
    found = await visit.name()
    if found.reverse:
        return None
    return Reply(450, "4.7.25", "Client host rejected: cannot find your reverse hostname")


async def reject_invalid_helo_hostname(visit: Visit, here: Surroundings) -> Verdict:
    helo = visit.origin.helo
    return (
        None
        if _literal(helo) or is_domain(helo.rstrip("."))
        else Reply(501, "5.5.2", "Helo command rejected: invalid name")
    )


async def reject_non_fqdn_helo_hostname(visit: Visit, here: Surroundings) -> Verdict:
    helo = visit.origin.helo
    fits = _literal(helo) or _is_full(helo.rstrip("."))
    return None if fits else Reply(504, "5.5.2", "Helo command rejected: need fully-qualified hostname")


async def reject_unknown_helo_hostname(visit: Visit, here: Surroundings) -> Verdict:
    helo = visit.origin.helo
    return (
        None
        if _literal(helo)
        else await _unknown(visit.resolver, helo, Reply(450, "4.7.1", "Helo command rejected: host not found"))
    )


async def reject_non_fqdn_sender(visit: Visit, here: Surroundings) -> Verdict:
    return _not_full(visit.sender or "", "Sender")


async def reject_non_fqdn_recipient(visit: Visit, here: Surroundings) -> Verdict:
    return _not_full(visit.recipient, "Recipient")


async def reject_unknown_sender_domain(visit: Visit, here: Surroundings) -> Verdict:
    domain = addresses.domain_of(visit.sender or "")
    if not domain or await here.is_destination(f"postmaster@{domain}"):
        return None
    return await _unknown(visit.resolver, domain, Reply(450, "4.1.8", "Sender address rejected: domain not found"))


async def reject_unknown_recipient_domain(visit: Visit, here: Surroundings) -> Verdict:
    domain = addresses.domain_of(visit.recipient)
    if not domain or await here.is_destination(f"postmaster@{domain}"):
        return None
    return await _unknown(visit.resolver, domain, Reply(450, "4.1.2", "Recipient address rejected: domain not found"))


async def reject_unlisted_sender(visit: Visit, here: Surroundings) -> Verdict:
    known = not visit.sender or await here.exists(visit.sender)
    return None if known else Reply(550, "5.1.0", "Sender address rejected: user unknown")


async def reject_unlisted_recipient(visit: Visit, here: Surroundings) -> Verdict:
    known = await here.exists(visit.recipient)
    return None if known else Reply(550, "5.1.1", "Recipient address rejected: user unknown")


async def reject_sender_login_mismatch(visit: Visit, here: Surroundings) -> Verdict:
    if visit.origin.login:
        return await reject_authenticated_sender_login_mismatch(visit, here)
    return NO_LOGIN if visit.sender and await here.has_owner(visit.sender) else None


async def reject_authenticated_sender_login_mismatch(visit: Visit, here: Surroundings) -> Verdict:
    login, sender = visit.origin.login, visit.sender
    return NOT_YOURS if login and sender and not await here.owns(login, sender) else None


async def reject_unauth_pipelining(visit: Visit, here: Surroundings) -> Verdict:
    return (
        Reply(503, "5.5.0", "Data command rejected: Improper use of SMTP command pipelining")
        if visit.pipelined
        else None
    )


async def reject_multi_recipient_bounce(visit: Visit, here: Surroundings) -> Verdict:
    text = "Data command rejected: Multi-recipient bounce"
    return Reply(550, "5.5.3", text) if visit.sender == "" and visit.recipients > 1 else None


async def reject_plaintext_session(visit: Visit, here: Surroundings) -> Verdict:
    return None if visit.origin.tls else Reply(450, "4.7.1", "Session encryption is required")


def _literal(name: str) -> bool:
    """`[192.0.2.1]`, `[IPv6:2001:db8::1]`"""
    if not (name.startswith("[") and name.endswith("]")):
        return False
    try:
        ipaddress.ip_address(name[1:-1].removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


def _is_full(domain: str) -> bool:
    return is_domain(domain) and "." in domain


def _not_full(address: str, whose: str) -> Verdict:
    domain = addresses.domain_of(address)
    if not address or _is_full(domain) or _literal(domain):
        return None
    return Reply(504, "5.5.2", f"{whose} address rejected: need fully-qualified address")


async def _unknown(resolver: Resolver | None, domain: str, refusal: Reply) -> Verdict:
    """Refused for now where the domain has neither MX nor address, or DNS can not tell; a null MX takes no mail (RFC 7505)."""
    if resolver is None or domain.startswith("["):
        return None
    try:
        exchangers = await resolver.mx(domain)
        if [host for _, host in exchangers] == [""]:
            return Reply(550, "5.7.27", f"{refusal.text}: it takes no mail (nullMX)")
        return None
    except DnsTemporary:
        return refusal
    except DnsError:
        pass
    try:
        await resolver.addresses(domain)
    except DnsError:
        return refusal
    return None


CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        permit, reject, defer, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
        defer_unauth_destination, permit_auth_destination, reject_unknown_client_hostname,
        reject_unknown_reverse_client_hostname, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname,
        reject_unknown_helo_hostname, reject_non_fqdn_sender, reject_non_fqdn_recipient, reject_unknown_sender_domain,
        reject_unknown_recipient_domain, reject_unlisted_sender, reject_unlisted_recipient, reject_sender_login_mismatch,
        reject_authenticated_sender_login_mismatch, reject_unauth_pipelining, reject_multi_recipient_bounce,
        reject_plaintext_session,
    )
}  # fmt: skip
