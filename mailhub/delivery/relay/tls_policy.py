"""Which TLS a nexthop's hosts must speak: the operator's table, DANE (RFC 7672), MTA-STS (RFC 8461), REQUIRETLS (RFC 8689).

The table is asked first, and what it says of a nexthop is what is done. Where it says nothing, `relay.tls` is the level, and
what the domain itself publishes raises it: TLSA records where the level is dane, an MTA-STS policy otherwise. DANE goes before
MTA-STS (RFC 8461 section 2).
"""

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailhub.config import schema
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.net.dane import Tlsa
from mailhub.net.names import ascii_name
from mailhub.net.resolver import DnsTemporary
from mailhub.tables import Tables

from .demand import PKIX, STS, TLSA, Basis, Demand, Rule, rule
from .errors import TlsFailed
from .mx import Host, divided
from .tls_check import FAILURE
from .tlsrpt import TlsSessions

BAD_POLICY = Reply(451, "4.7.5", "The TLS policy for the destination can not be used")
DNSSEC_TROUBLE = Reply(451, "4.4.3", "DNSSEC cannot tell the mail hosts of the domain now")
_VOUCHED = ("secure", "fingerprint")  # the levels by which the operator himself says who the hosts are
_RAISED = ("may", "encrypt", "dane")  # the levels of relay.tls that a domain's MTA-STS policy raises


class StsPolicy(Struct, frozen=True):
    """An MTA-STS policy in force (RFC 8461 section 3.2). `mx`: names, or "*.example.org"; `lines`: as they are reported."""

    mx: tuple[str, ...]
    enforced: bool
    lines: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """RFC 8461 section 4.1: a wildcard is the whole first label, and stands for one."""
        name = name.lower()
        return any(name == one or (one[:2] == "*." and name.partition(".")[2] == one[2:]) for one in self.mx)


class StsPolicies(Protocol):
    async def policy(self, domain: str) -> StsPolicy | None:
        """None where the domain has none, or it can not be had. Never raises."""
        ...


class Vouching(Protocol):
    """What a validating resolver vouches for. Both raise DnsTemporary: SERVFAIL may be a forgery."""

    async def exchangers(self, domain: str) -> Collection[str] | None:
        """The names of its mail hosts; None where that can not be vouched for."""
        ...

    async def records(self, host: str, port: int) -> tuple[str, tuple[Tlsa, ...]]:
        """The host's TLSA records, and the name they stand at; none where nobody vouches for them."""
        ...


class Policy(Struct, frozen=True):
    """That of one nexthop, for one message. `vouched`: mail hosts that DNSSEC vouches for, None where it does not. `required`:
    the message asks for REQUIRETLS. `reported`: sessions are counted for the domain."""

    domain: str
    rule: Rule
    port: int
    bracketed: bool = False
    sts: StsPolicy | None = None
    vouched: Collection[str] | None = None
    vouching: Vouching | None = None
    required: bool = False
    reported: bool = True

    @property
    def published(self) -> bool:
        """Whether it is the recipient's domain that asks for more than the operator does."""
        return self.sts is not None or (self.vouched is not None and self.rule.level == "dane")

    def relaxed(self) -> "Policy":
        """What the operator asks for, whatever the recipient's domain does."""
        level = "may" if self.rule.level == "dane" else self.rule.level
        return replace(self, sts=None, vouched=None, rule=replace(self.rule, level=level))

    async def demand(self, host: Host) -> Demand:
        """What a connection to that host must be. TlsFailed where it is no host for this mail."""
        if self.rule.level.startswith("dane") or self.required:
            found = await self._dane(host)
            if found is not None:
                return found
            if self.rule.level == "dane-only":
                raise TlsFailed(f"{host}: no TLSA records that DNSSEC vouches for", "dane-required")
        if self.sts is not None:
            return self._sts(self.sts, host)
        names = _names(self.rule, host, self.domain)
        if self.required and self.rule.level not in _VOUCHED:
            names = self._protected(host)
            return Demand("verify", names, form=self.rule.form)
        if self.rule.level == "fingerprint":
            return Demand("fingerprint", fingerprints=self.rule.match, form=self.rule.form)
        level = "may" if self.rule.level == "dane" else self.rule.level
        return Demand(level, names, form=self.rule.form)

    async def _dane(self, host: Host) -> Demand | None:
        """RFC 7672 section 2.2: None where it does not apply."""
        if self.vouching is None or self.vouched is None or host.name.startswith("["):
            return None
        if host.name not in self.vouched:
            raise TlsFailed(f"{host}: not among the mail hosts that DNSSEC vouches for", "dnssec-invalid")
        try:
            base, records = await self.vouching.records(host.name, host.port or self.port)
        except DnsTemporary as error:
            raise TlsFailed(f"{host}: TLSA lookup error: {error}", "dnssec-invalid") from error
        if not records:
            return None
        basis = Basis(TLSA, tuple(map(str, records)), (host.name,))
        usable = tuple(record for record in records if record.usable)
        if not usable:  # RFC 7672 section 2.2: then TLS with whomever, and that is all
            if self.required:
                return None
            return Demand("encrypt", form=self.rule.form, basis=basis)
        names = tuple(dict.fromkeys((base, host.name, self.domain)))  # RFC 7672 section 3.2.2
        return Demand("dane", names, tlsa=usable, form=self.rule.form, server_name=base, basis=basis)

    def _sts(self, policy: StsPolicy, host: Host) -> Demand:
        """RFC 8461 section 4.1; where the policy is only being tested, what is wrong is told and no more (section 5.1)."""
        strict = policy.enforced or self.required
        basis = Basis(STS, policy.lines, policy.mx)
        names: tuple[str, ...] = (host.name,)
        if not policy.covers(host.name):
            if strict:
                raise TlsFailed(f"{host}: not a mail host of the domain's MTA-STS policy", FAILURE, basis=basis)
            names = ()  # nobody's: the check of the certificate will say so
        return Demand("verify", names, form=self.rule.form, lenient=not strict, basis=basis)

    def _protected(self, host: Host) -> tuple[str, ...]:
        """RFC 8689 section 4.2.1: the name of the host must not be what somebody made of DNS on the way."""
        if not self.bracketed and (self.vouched is None or host.name not in self.vouched):
            raise TlsFailed(f"{host}: neither DNSSEC nor MTA-STS vouches for the mail host", "dane-required", "4.7.10")
        return (host.name,)


class TlsServices(Struct, frozen=True):
    """What policies are made of besides the options, and who counts what becomes of them; None where there is no such thing."""

    tables: Tables | None = None
    sts: StsPolicies | None = None
    vouching: Vouching | None = None
    sessions: TlsSessions | None = None


class TlsPolicies:
    """The policies of a relay."""

    def __init__(self, config: schema.Relay, services: TlsServices) -> None:
        self._config, self._vouching = config, services.vouching
        self._table = None if services.tables is None else services.tables.open(config.tls_policy)
        self._sts = services.sts if config.mta_sts else None
        self._default = Rule(config.tls)

    async def find(self, nexthop: str, *, required: bool = False) -> Policy:
        """Temporary where nobody can tell. `required`: REQUIRETLS was asked for."""
        place, port = divided(nexthop)
        bracketed, domain = place.startswith("["), place.strip("[]").lower()
        try:
            domain = ascii_name(domain)
        except ValueError:
            bracketed = True  # an address literal, or nothing that DNS knows
        written = await self._written(nexthop, domain)
        chosen = written or self._default
        reported = not (bracketed or required)  # the domain does not ask for what the message asks for
        policy = Policy(domain, chosen, port or self._config.port, bracketed, required=required, reported=reported)
        if self._vouching is not None and (chosen.level.startswith("dane") or required):
            policy = replace(policy, vouching=self._vouching, vouched=await self._vouched(domain, bracketed))
        raised = written is None and chosen.level in _RAISED
        if required:
            raised = chosen.level not in _VOUCHED
        if self._sts is not None and raised and not bracketed:
            policy = replace(policy, sts=await self._sts.policy(domain))
        return policy

    def whomever(self, nexthop: str) -> Policy:
        """TLS where it works, and nothing told of it."""
        level = "none" if self._config.tls == "none" else "may"
        return Policy(nexthop, Rule(level), self._config.port, reported=False)

    async def _vouched(self, domain: str, bracketed: bool) -> Collection[str] | None:
        if bracketed or self._vouching is None:
            return (domain,)
        try:
            return await self._vouching.exchangers(domain)
        except DnsTemporary as error:
            raise Temporary(str(error), DNSSEC_TROUBLE) from error

    async def _written(self, nexthop: str, domain: str) -> Rule | None:
        """The table's entry: for the nexthop as it stands, its domain, or ".parent" (smtp_tls_policy_maps)."""
        if self._table is None:
            return None
        labels = domain.split(".")
        parents = ["." + ".".join(labels[n:]) for n in range(1, len(labels))]
        for key in dict.fromkeys((nexthop.lower(), domain, *parents)):
            try:
                if (value := await self._table.lookup(key)) is not None:
                    return rule(value)
            except MailError as error:
                raise Temporary(f"TLS policy for {nexthop}: {error}", BAD_POLICY) from error
            except ValueError as error:
                raise Temporary(f"TLS policy for {key}: {error}", BAD_POLICY) from error
        return None


def _names(rule: Rule, host: Host, domain: str) -> tuple[str, ...]:
    """What the certificate may be for; Postfix's smtp_tls_verify_cert_match and smtp_tls_secure_cert_match."""
    if rule.level not in PKIX:
        return ()
    words = {"hostname": host.name.strip("[]"), "nexthop": domain, "dot-nexthop": "." + domain}
    match = rule.match or (("hostname",) if rule.level == "verify" else ("nexthop", "dot-nexthop"))
    return tuple(words.get(word, word) for word in match)
