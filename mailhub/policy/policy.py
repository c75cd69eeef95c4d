"""What all messages share on their way in: the configuration, its tables and lists, and the way into the queue."""

import asyncio
import logging

from mailhub.config import lookup, schema
from mailhub.config.restrictions import opens_to_all
from mailhub.config.rules import is_domain
from mailhub.delivery.router import Known, Router
from mailhub.delivery.routes import Expand, Local, Relay
from mailhub.delivery.signing import Signer
from mailhub.mailbox.heavy import HeavyLane
from mailhub.mailbox.service import Mailboxes
from mailhub.model import address, ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Origin
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.model.verdict import Verdict
from mailhub.net import addresses
from mailhub.net.resolver import Resolver
from mailhub.queue.spool import Spool
from mailhub.queue.suppression import Suppressions
from mailhub.scanners import Services
from mailhub.store.api import Body
from mailhub.tables import Tables
from mailhub.trace import Trace

from .access import domain_keys, mail_keys
from .caller import BEFORE_MAIL, Caller, ClientName
from .content_tables import ContentTables
from .delegation import Delegations
from .guard import Guard, unlimited
from .inspection import Inspection
from .milters import Milters
from .orders import Orders
from .ownership import Ownership
from .relay import Networks, networks_and_tables
from .restrictions import Restrictions
from .rewriting import Rewriting
from .transaction import CANNOT_VERIFY, TEMPORARY, UNKNOWN, Transaction
from .visit import Told, Visit

log = logging.getLogger("mailhub.policy")

MAILBOX_FULL = {"defer": Reply(452, "4.2.2", "Mailbox full"), "reject": Reply(552, "5.2.2", "Mailbox full")}

_EXPN_LIMIT = 100  # addresses of a list that are shown


class Policy:
    """One for each [smtp] section in force. ValueError where `mynetworks` or a restriction list is malformed.

    `mailboxes`: None sets no quota. `commits`: those under way, of all policies of a hub. `tables`: None opens none but its own. `resolver`: None for who asks nothing of DNS. `delimiter`: of user+tag. `suppressions`: None
    holds nothing back. `signer`: None signs nothing; `services`: None asks no milters and policy services. `inspection`: None asks no checks; it and
    `content_tables` may be changed.
    """

    def __init__(
        self,
        config: schema.Smtp,
        hostname: str,
        router: Router,
        spool: Spool,
        clock: Clock,
        guard: Guard | None = None,
        *,
        tables: Tables | None = None,
        resolver: Resolver | None = None,
        delimiter: str = "+",
        commits: "set[asyncio.Task[Reply]] | None" = None,
        suppressions: Suppressions | None = None,
        trace: Trace | None = None,
        mailboxes: Mailboxes | None = None,
        canonical: schema.Canonical | None = None,
        inspection: Inspection | None = None,
        content_tables: ContentTables | None = None,
        signer: Signer | None = None,
        services: Services | None = None,
    ) -> None:
        self.signer = None if "no_checks" in config.receive_override_options else signer
        self._mailboxes, self.content_tables = mailboxes, content_tables
        self.inspection = inspection or Inspection((), schema.Filter(), hostname, clock, HeavyLane())
        self.hostname, self.router, self.spool, self.clock = hostname, router, spool, clock
        self.config, self.guard, self.resolver, self._delimiter = config, guard or unlimited(clock), resolver, delimiter
        tables = tables or Tables(clock)
        self.overrides = frozenset(config.receive_override_options)
        self.milters = None if "no_milters" in self.overrides else _milters(config, hostname, services, tables)
        self._delegations = Delegations(config, services)
        networks, named = networks_and_tables(config.mynetworks)
        self.mynetworks = Networks(networks, self.guard.shared)
        self.xclient_hosts = addresses.Networks(config.xclient_hosts)
        self.xforward_hosts = addresses.Networks(config.xforward_hosts)
        self._more_networks = tables.open(lookup.Lookup(named)) if named else None
        self._relay_domains = tables.open(config.relay_domains) if config.relay_domains else None
        self._relay_recipients = tables.open(config.relay_recipients) if config.relay_recipients else None
        owners = tables.open(config.sender_login) if config.sender_login else None
        self._ownership = Ownership(router, owners, clock, delimiter)
        canonical = None if "no_address_mappings" in self.overrides else canonical
        self.rewriting = Rewriting(canonical or schema.Canonical(), tables, delimiter, router.domain, router.is_local)
        texts = {
            "client": config.client_restrictions,
            "helo": config.helo_restrictions,
            "sender": config.sender_restrictions,
            "relay": config.relay_restrictions,
            "recipient": config.recipient_restrictions,
            "data": config.data_restrictions,
            "end_of_data": config.end_of_data_restrictions,
        }
        self.lists = {stage: Restrictions(words, tables, clock, delimiter, stage) for stage, words in texts.items()}
        self.opens_to_all = opens_to_all(config.relay_restrictions)
        self._commits = commits if commits is not None else set()
        self._suppressions = suppressions
        self.trace = trace or Trace.off(clock)

    def begin(
        self, origin: Origin, service: str = "smtp", caller: Caller | None = None, told: list[Told] | None = None
    ) -> Transaction:
        """A new message from `origin`, which came by that service. `caller`: of its session. `told`: what each rule says is noted
        there, and no check remembers it: the message will not be committed."""
        visit = self._visit(origin, service, caller)
        visit.told = told
        for stage in BEFORE_MAIL:
            visit.orders.merge(visit.caller.orders.get(stage, Orders()))
        visit.doubt = visit.caller.doubt_before("sender")
        return Transaction(self, visit)

    def caller(self, client: str, told: ClientName | None = None) -> Caller:
        """The client of a new session. `told`: its name, where a proxy says that."""
        return Caller(client, self.resolver, told)

    def _visit(self, origin: Origin, service: str, caller: Caller | None) -> Visit:
        return Visit(origin, service, self.resolver, caller or self.caller(origin.client))

    async def met(self, stage: str, origin: Origin, service: str, caller: Caller) -> Reply | None:
        """What the list of "client" or "helo" says when it is its turn, where smtp.delay_reject does not put it off."""
        if self.config.delay_reject:
            return None
        visit = self._visit(origin, service, caller)
        visit.doubt = caller.doubt_before(stage)
        try:
            refusal = await self.judged(stage, visit)
        except MailError as error:
            log.warning("%s: %s restrictions cannot be told: %s", origin.client, stage, error)
            return error.reply
        caller.orders[stage], caller.doubt[stage] = visit.orders, visit.doubt
        return refusal

    async def judged(self, stage: str, visit: Visit) -> Reply | None:
        """What the list of that stage has against it."""
        verdict = await self.lists[stage].judge(visit, self)
        return verdict if isinstance(verdict, Reply) else None

    # --- what checks ask ---

    async def delegated(self, service: str, stage: str, visit: Visit) -> str:
        """The action of access(5) that a policy service wants."""
        return await self._delegations.ask(service, stage, visit)

    async def trusted_network(self, client: str) -> bool:
        """Whether that address is one of `mynetworks`."""
        if client in self.mynetworks:
            return True
        if self._more_networks is None or not client or self.guard.shared(client):
            return False
        return await self._more_networks.lookup(client) is not None

    async def trusts(self, origin: Origin) -> bool:
        """Whether who is there may do what strangers may not: it signed in, or is one of `mynetworks`."""
        return bool(origin.login) or await self.trusted_network(origin.client)

    async def held_back(self, origin: Origin, recipient: str) -> Reply | None:
        """Why mail that an account submits does not go to that address (`mailhub suppression`)."""
        refusal = await self._suppressions.refusal(origin.login, recipient) if self._suppressions else None
        return refusal if refusal is not None and await self.known(recipient) is Known.RELAY else None

    async def is_destination(self, recipient: str) -> bool:
        """Whether mail for that address is ours, or of a relay domain."""
        return await self.known(recipient) is not Known.RELAY or await self.is_relayed(recipient)

    async def is_ours(self, domain: str) -> bool:
        """Whether mail for that domain ends here."""
        return await self.known(f"postmaster@{domain}") is not Known.RELAY

    async def is_relayed(self, recipient: str) -> bool:
        """Whether its domain is one of relay_domains, or below one that is written with a dot before it."""
        if self._relay_domains is None:
            return False
        domain = address.domain_of(recipient)
        for key in domain_keys(domain):
            if (key == domain or key.startswith(".")) and await self._relay_domains.lookup(key) is not None:
                return True
        return False

    async def exists(self, recipient: str) -> bool:
        """False where the address is ours, or of a relay domain whose recipients are known, and there is nobody."""
        if self.rewriting.used:
            recipient = await self.rewriting.recipient(recipient)
        known = await self.known(recipient)
        if known is not Known.RELAY or self._relay_recipients is None or not await self.is_relayed(recipient):
            return known is not Known.UNKNOWN
        for key in mail_keys(recipient, self._delimiter):
            if await self._relay_recipients.lookup(key) is not None:
                return True
        return False

    async def known(self, recipient: str) -> Known:
        """As the router says; an address literal is another host's."""
        return Known.RELAY if address.domain_of(recipient).startswith("[") else await self.router.peek(recipient)

    async def room(self, recipient: str, size: int) -> Reply | None:
        """What is said where the recipient's mailbox has no room for a message of that size; also one whose size is not told."""
        if self._mailboxes is None or not self._mailboxes.has_quotas:
            return None
        route = await self.router.route(recipient)
        if not isinstance(route, Local) or await self._mailboxes.has_room(route.account, size):
            return None
        return MAILBOX_FULL[self._mailboxes.config.quota_full]

    async def owns(self, login: str, address: str) -> bool:
        """Whether that login may write as that address."""
        return await self._ownership.owns(login, address)

    async def has_owner(self, address: str) -> bool:
        return await self._ownership.owned(address)

    # --- VRFY, EXPN, ETRN ---

    async def verify(self, recipient: str, origin: Origin) -> Reply:
        """VRFY (RFC 5321 section 3.5)."""
        if not await self.trusts(origin):
            return CANNOT_VERIFY
        try:
            known = await self.router.peek(recipient)
        except MailError as error:
            return error.reply
        answers = {Known.LOCAL: Reply(250, "2.1.5", f"<{recipient}>"), Known.UNKNOWN: UNKNOWN}
        return answers.get(known, CANNOT_VERIFY)

    async def expand(self, recipient: str, origin: Origin) -> Reply:
        """EXPN (RFC 5321 section 3.5.2): one level of an alias."""
        if not await self.trusts(origin):
            return CANNOT_VERIFY
        try:
            route = await self.router.route(recipient)
        except MailError as error:
            return error.reply
        if isinstance(route, Expand):
            return Reply(250, "2.1.5", "\n".join(f"<{target}>" for target in route.targets[:_EXPN_LIMIT]))
        return CANNOT_VERIFY if isinstance(route, Relay) else Reply(550, "5.1.1", "No such list here")

    async def turn(self, destination: str, origin: Origin) -> Reply:
        """ETRN (RFC 1985): try what is deferred for that domain now."""
        if not await self.trusts(origin):
            return Reply(459, "4.7.1", "Not for you")
        domain = destination.lstrip("@").lower()
        if not is_domain(domain):
            return Reply(501, "5.5.4", "That is no domain")
        try:
            found = await self.spool.turn(domain)
        except MailError as error:
            log.warning("ETRN %s: %s", domain, error)
            return Reply(458, "4.3.0", "Unable to queue messages for that domain now")
        return Reply(250, "2.0.0", "Queuing started" if found else "No messages waiting")

    async def signed(self, body: Body) -> bytes:
        """DKIM-Signature fields of a message of ours."""
        if self.signer is None:
            return b""

        async def read(offset: int, length: int) -> bytes:
            if body.data is not None:
                return body.data[offset : offset + length]
            return await self.spool.read_body(body, offset, length)

        return await self.signer.fields(body.size, read)

    async def settled(self) -> None:
        """Wait for the commits under way; to be called when no session is left and before the store is closed."""
        while self._commits:
            await asyncio.wait(self._commits)

    def commit(
        self,
        number: int,
        envelope: Envelope,
        body: Body,
        prefix: bytes,
        origin: Origin,
        orders: Orders,
        message_id: str,
        verdict: Verdict,
    ) -> asyncio.Task[Reply]:
        """Put a message into the queue by a task of ours, so that it goes on when the session is gone."""

        async def put() -> Reply:
            try:
                await self.spool.put(
                    number, envelope, body, prefix, origin, held=bool(orders.held), content_filter=orders.filter or self.config.content_filter,
                    verdict=verdict,
                )  # fmt: skip
            except MailError as error:
                log.warning("%s: not queued: %s", ids.text(number), error)
                return error.reply
            except Exception:
                log.exception("%s: not queued", ids.text(number))
                return TEMPORARY
            self.trace.accepted(number, envelope, origin, len(prefix) + body.size, message_id)
            self.trace.judged(number, verdict)
            return Reply(250, "2.0.0", f"Ok: queued as {ids.text(number)}")

        task = asyncio.get_running_loop().create_task(put())
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return task


def _milters(config: schema.Smtp, hostname: str, services: Services | None, tables: Tables) -> Milters | None:
    used = config.milters or config.non_smtpd_milters or config.milter_maps
    return Milters(config, hostname, services, tables) if used and services is not None else None
