"""SPF (RFC 7208): whether the client's address may send for the domain of MAIL FROM, or of HELO where that is null.

The evaluation is spftrace's, the look-ups are our resolver's: its cache, its time. Limits are the RFC's: ten terms that need DNS, two
look-ups that find nothing, ten names of an MX or PTR term (section 4.6.4).
"""

import ipaddress
import logging
from typing import Any

from spftrace import BaseResolver, DnsError, Evaluator, Limits, SpfError, Term
from spftrace.macros import MacroContext, expand, truncate_domain

from mailhub.config import schema
from mailhub.message import authres
from mailhub.model.address import domain_of
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

from .check import Identity, Stage, Statement
from .visit import Visit

log = logging.getLogger("mailhub.policy")

_QUERIES = 100  # look-ups of one evaluation, of all kinds
_FOREVER = 86_400.0  # the library's own limit reads real time: the check's, on the clock, comes first
_LONGEST = 253  # characters of a name that is asked for
_EXPLANATION = 200  # characters of what the domain has to say

_WORDS = {
    "pass": "may send for",
    "fail": "may not send for",
    "softfail": "should not send for",
    "neutral": "is not judged by",
    "none": "nothing is said by",
    "permerror": "a broken record of",
    "temperror": "no answer from",
}


class Spf:
    """A Check. `resolver`: the hub's; `hostname`: who asks, for Received-SPF."""

    name = "spf"
    stage: Stage = "mail"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Spf, resolver: Resolver, hostname: str) -> None:
        self.config, self._resolver, self._hostname = config, resolver, hostname
        self._scores = {
            "fail": config.fail_score, "softfail": config.softfail_score, "permerror": config.permerror_score,
            "pass": config.pass_score,
        }  # fmt: skip

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        """None for a client without an address."""
        client, helo = visit.origin.client, visit.origin.helo
        try:
            ipaddress.ip_address(client)
        except ValueError:
            return None
        sender = visit.sender or f"postmaster@{helo}"
        identity, domain = ("mfrom", domain_of(sender)) if visit.sender else ("helo", helo)
        result, told = await evaluated(self._resolver, client, sender, helo, self._hostname)
        reason = f"{client} {_WORDS[result]} {domain}" if result in ("pass", "fail", "softfail", "neutral") else (
            f"{_WORDS[result]} {domain}"
        )  # fmt: skip
        refused = result == "fail" and self.config.reject
        return Statement(
            result,
            self._scores.get(result, 0.0),
            reason,
            Action.REJECT if refused else Action.ACCEPT,
            Reply(550, "5.7.23", told or f"SPF: {reason}") if refused else None,
            (self._received(result, reason, client, sender, helo, identity),),
            (authres.resinfo("spf", result, reason, **{f"smtp_{'mailfrom' if visit.sender else 'helo'}": domain}),),
            (Identity("spf", domain, result, identity),),
        )

    def _received(self, result: str, reason: str, client: str, sender: str, helo: str, identity: str) -> str:
        """Received-SPF (section 9.1)."""
        pairs = {
            "receiver": self._hostname, "client-ip": client, "envelope-from": sender, "helo": helo,
            "identity": "mailfrom" if identity == "mfrom" else "helo",
        }  # fmt: skip
        said = "; ".join(f"{key}={authres.value(text)}" for key, text in pairs.items() if text)
        return f"Received-SPF: {result} {authres.comment(reason)} {said}"


async def evaluated(
    resolver: Resolver, client: str, sender: str, helo: str, receiver: str = "unknown"
) -> tuple[str, str]:
    """The result, and what the domain has to say to who is refused ("" for nothing): section 6.2, as plain ASCII."""
    limits = Limits(time_limit=_FOREVER, max_queries=_QUERIES)
    found = await _Evaluator(_Lookups(resolver), limits, receiver).evaluate(client, sender, helo)
    told = found.explanation or ""
    return found.verdict, "".join(c if " " <= c <= "~" else "?" for c in told[:_EXPLANATION])


class _Evaluator(Evaluator):
    async def _explanation(self, ip: Any, domain: str, sender: str, helo: str, exp_term: Term) -> str | None:
        """Section 6.2. The library's own takes no text with a space in it: here each word is expanded by itself."""
        context = MacroContext(ip, sender, helo, domain, self.receiver, self.session)
        try:
            with self.session.void_exempt():
                target = truncate_domain(await expand(exp_term.arg or "", context))
                _, answers = await self.session.query(target, "TXT")
                if len(answers) != 1 or len(answers[0]) > _EXPLANATION:
                    return None
                return " ".join([await expand(word, context, exp=True) for word in answers[0].split(" ")])
        except (SpfError, DnsError, ValueError):
            return None


class _Lookups(BaseResolver):
    """Our resolver, as the library asks."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        if not name or len(name.rstrip(".")) > _LONGEST:
            return "NXDOMAIN", []
        try:
            return "NOERROR", await self._resolver.records(name, rtype)
        except NoData:
            return "NOERROR", []
        except NoSuchName:
            return "NXDOMAIN", []
        except DnsTemporary:
            return "SERVFAIL", []
