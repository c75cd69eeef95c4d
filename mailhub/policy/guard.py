"""The guard: what one client and one account may do in a time, and who is turned away before he says a word.

    who                                     is
    allow-listed (`limits.allow`,           never limited, delayed by others' deeds or banned
      networks of `mynetworks`), no address
    shared (`Gateways`)                     likewise, for anybody may stand behind it; and not trusted by address
    known: somebody signed in from there    never banned but by the operator; may not try other accounts without end
    anybody else                            counted, and banned for a time

Wrong passwords never keep an account's owner out: what is refused without a look is a client, or a client and an account
together; an account that is attacked from everywhere only makes wrong answers slower. Once a client is refused, what it has
under way is answered as if not looked at, right or wrong: many guesses at once are no more than one after another.

Who has an IPv6 network of 64 bits has often one of 48. What its parts did counts for all of it, at HOPS times the limit.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.net import addresses
from mailhub.net.addresses import Network
from mailhub.net.local import Machine
from mailhub.store.api import BanRow, GuardStore

from .account_limits import AccountLimits
from .alerts import Alerts
from .bans import AUTH, EARLY, ERRORS, OPERATOR, Bans, network_of
from .counters import Counters, Recent
from .gateways import Gateways
from .relay import Networks, networks_and_tables

log = logging.getLogger("mailhub.policy")

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
KNOWN = 7 * DAY  # a client is known for so long after somebody signed in from there
PATIENCE = 2  # wrong passwords in an hour that are answered after the plain delay
ATTACK = 100  # wrong passwords for one account in an hour that the operator is told of
WIDER = 16  # bits by which the network is wider that parts of are counted together
HOPS = 8  # times the limits of one client that such a network has
NAME_LIMIT = 320  # of a login's name, which anybody may make up

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections from your address, try again later")
TOO_MANY_MESSAGES = Reply(450, "4.7.1", "Too many messages from your address, try again later")
TOO_MANY_RECIPIENTS = Reply(450, "4.7.1", "Too many recipients from your address, try again later")
TOO_MANY_LOGINS = Reply(454, "4.7.0", "Too many wrong passwords from your address, try again later")
TOO_MANY_SESSIONS = Reply(454, "4.7.0", "Too many sessions of this account, try again later")


class Sections(Struct, frozen=True):
    """The sections that the guard obeys."""

    limits: schema.Limits = schema.Limits()
    smtp: schema.Smtp = schema.Smtp()
    auth: schema.Auth = schema.Auth()
    sessions: schema.Sessions = schema.Sessions()


class Guard:
    """One per hub. `sessions_of` tells how many sessions an account has; `store` None: nothing outlives the process."""

    def __init__(
        self,
        sections: Sections,
        clock: Clock,
        *,
        store: GuardStore | None = None,
        machine: Machine | None = None,
        sessions_of: Callable[[str], int] = lambda account: 0,
    ) -> None:
        self._clock, self._sessions_of = clock, sessions_of
        self.alerts = Alerts(clock)
        self.gateways = Gateways(machine or Machine())
        self.refused: Counter[str] = Counter()  # by cause, since the start
        limits, size = sections.limits, sections.limits.table_limit
        self.bans = Bans(limits, clock, store)
        self.accounts = AccountLimits(limits, clock, store, self.alerts)
        self._connections: Counters[str] = Counters(MINUTE, size)
        self._messages: Counters[str] = Counters(MINUTE, size)
        self._recipients: Counters[str] = Counters(MINUTE, size)
        self._offences: Counters[str] = Counters(HOUR, size)
        self._failures: Counters[str] = Counters(HOUR, size)  # of clients
        self._attacks: Counters[str] = Counters(HOUR, size)  # on accounts
        self._pairs: Counters[tuple[str, str]] = Counters(HOUR, size)
        self._attempts: Recent[tuple[str, str], bytes] = Recent(HOUR, size)  # the last wrong one
        self._known: Recent[str, bool] = Recent(KNOWN, size)
        self._owners: Recent[tuple[str, str], bool] = Recent(KNOWN, size)
        self._waited: Recent[str, bool] = Recent(DAY, size)
        self.configure(sections)

    def configure(self, sections: Sections) -> None:
        """Take over a new configuration; the sizes of the tables stay."""
        self._limits, self._smtp = sections.limits, sections.smtp
        self._auth, self._sessions = sections.auth, sections.sessions
        self.bans.limits = self.accounts.limits = sections.limits
        self.gateways.trust = sections.smtp.trust_gateway
        self._allowed = Networks(sections.limits.allow)
        self._mynetworks = Networks(networks_and_tables(sections.smtp.mynetworks)[0])  # a table may take its time

    async def open(self) -> None:
        """Read what outlived the last process."""
        await self.bans.load()

    async def settled(self) -> None:
        """Wait until all is written; before the store is closed."""
        await self.bans.settled()
        await self.accounts.settled()

    # --- who is it ---

    def key(self, client: str) -> str:
        """Under what name a client is counted."""
        return addresses.block(client, self._limits.ipv6_prefix)

    def _wider(self, client: str) -> str:
        """The network that holds that of the client; "" for IPv4."""
        prefix = self._limits.ipv6_prefix - WIDER
        return addresses.block(client, prefix) if ":" in self.key(client) and prefix > 0 else ""

    def shared(self, client: str) -> bool:
        """Whether anybody may stand behind that address; then it says nothing about who it is."""
        return self.gateways.shared(client)

    def trusts(self, client: str) -> bool:
        """Whether that client is in `mynetworks`, and its address says who it is."""
        return client in self._mynetworks and not self.shared(client)

    def allowed(self, client: str) -> bool:
        """Whether that client is allow-listed, or has no address at all (a unix socket)."""
        return client in self._allowed or self.trusts(client) or addresses.parse(client) is None

    def _exempt(self, client: str) -> bool:
        return self.shared(client) or self.allowed(client)

    def known(self, client: str) -> bool:
        """Whether somebody signed in from there in the last days."""
        return self._known.get(self.key(client), self._clock.monotonic()) is not None

    # --- connections ---

    def connected(self, client: str, service: str) -> Reply | None:
        """A connection has come; a reply where it is to be refused at once. Cheap: one dictionary or two."""
        self.gateways.seen(client)
        if self._exempt(client):
            return None
        ban = self._banned(client, service)
        if ban is not None:
            self.refused[f"banned: {ban.cause}"] += 1
            minutes = max(1, round((ban.until - self._clock.now()) / MINUTE))
            return Reply(421, "4.7.0", f"Your address is banned for {minutes} more minutes: {ban.cause}")
        limit, key = self._limits.connections_per_client, self.key(client)
        count = self._connections.add(key, self._clock.monotonic()) if limit else 0
        if count <= limit:
            return None
        if count <= limit + 1:
            log.warning("%s: more than %d connections in a minute: refused", key, limit)
        self.refused["connection rate"] += 1
        return TOO_MANY_CONNECTIONS

    def pause(self, client: str) -> float:
        """Seconds that the client has to hold its tongue before it is greeted; 0 where it has shown that it can."""
        if not self._smtp.greet_pause or self._exempt(client) or self.known(client):
            return 0.0
        waited = self._waited.get(self.key(client), self._clock.monotonic())
        return 0.0 if waited else self._smtp.greet_pause

    def waited(self, client: str) -> None:
        """It held its tongue; it is not asked again for a day."""
        self._waited.put(self.key(client), True, self._clock.monotonic())

    def early(self, client: str) -> None:
        """It did not."""
        self.refused[EARLY] += 1
        self._offence(client, EARLY)

    def error(self, client: str) -> None:
        """An SMTP session of that client was ended for its errors."""
        self.refused[ERRORS] += 1
        self._offence(client, ERRORS)

    def _offence(self, client: str, cause: str) -> None:
        limit = self._limits.ban_errors
        if not limit or self._exempt(client) or self.known(client):
            return
        self._count(self._offences, limit, client, cause, f"sessions in an hour, this one for {cause}")

    def _count(self, counters: Counters[str], limit: int, client: str, cause: str, note: str) -> None:
        """One more of what gets a client banned, or the network that it is a part of."""
        for key, most in ((self.key(client), limit), (self._wider(client), limit * HOPS)):
            if key and counters.add(key, self._clock.monotonic()) >= most:
                self.bans.add(network_of(key), cause, f"{most} {note}")
                counters.drop(key)

    def _banned(self, client: str, service: str) -> BanRow | None:
        """The ban that is in force for that client."""
        ban = self.bans.covering(client, service)
        return ban if ban is not None and (ban.cause == OPERATOR or not self.known(client)) else None

    # --- signing in (directory.Watch) ---

    def admit(self, client: str, login: str, service: str) -> None:
        """Before a password is looked at. Temporary where this client tried too much, with this account or with others."""
        limit = self._limits.ban_auth_failures
        if not limit or self._exempt(client):
            return
        if self._banned(client, service) is not None:  # who was connected before
            self._refuse_login(f"{self.key(client)} is banned")
        now, pair = self._clock.monotonic(), self._pair(client, login)
        if self._pairs.count(pair, now) >= limit:
            self._refuse_login(f"{limit} wrong passwords for {pair[1]!r} from {pair[0]} in an hour")
        if self._failures.count(pair[0], now) >= limit and not self._owners.get(pair, now):
            self._refuse_login(f"{limit} wrong passwords from {pair[0]} in an hour")

    def _refuse_login(self, cause: str) -> None:
        self.refused["login rate"] += 1
        raise Temporary(cause, TOO_MANY_LOGINS)

    def failed_login(self, client: str, login: str, service: str, attempt: bytes = b"") -> float:
        """A wrong password; the seconds until it is answered. `attempt`: a keyed digest of it, "" where there is none;
        the same one again is a program with an old password, and is no guess. Temporary as `admit`: others were quicker."""
        self.admit(client, login, service)
        now, pair = self._clock.monotonic(), self._pair(client, login)
        repeated = bool(attempt) and self._attempts.get(pair, now) == attempt
        self._attempts.put(pair, attempt, now)
        amount = 0.0 if repeated else 1.0
        on_account = self._attacks.add(pair[1], now, amount)
        self._pairs.add(pair, now, amount)
        if on_account >= ATTACK:
            cause = f"{ATTACK} wrong passwords in an hour, the last from {client} by {service}"
            self.alerts.raise_("account-under-attack", pair[1], cause)
        limit = self._limits.ban_auth_failures
        by_client = self._failures.count(pair[0], now) + amount
        if limit and not repeated and not self._exempt(client) and not self.known(client):
            note = f"wrong passwords in an hour, the last by {service} for {pair[1]!r}"
            self._count(self._failures, limit, client, AUTH, note)
        else:
            self._failures.add(pair[0], now, amount)
        shared_deeds = max(on_account, by_client) if not self._exempt(client) else self._pairs.count(pair, now)
        growth = 2.0 ** min(max(0, int(shared_deeds) - PATIENCE), 30)
        return min(self._auth.failure_delay * growth, max(self._auth.failure_delay, self._auth.failure_delay_max))

    def signed_in(self, client: str, account: str, service: str) -> None:
        """A right password. Temporary where the account has all the sessions it may have, and as `admit`."""
        self.admit(client, account, service)
        if self._sessions_of(account) >= self._sessions.limit_per_account:
            self.refused["sessions of an account"] += 1
            raise Temporary(f"sessions.limit_per_account: {account}", TOO_MANY_SESSIONS)
        now, pair = self._clock.monotonic(), self._pair(client, account)
        if not self._exempt(client):
            self._known.put(pair[0], True, now)
            self._owners.put(pair, True, now)
        failures = self._pairs.count(pair, now)
        if failures:  # the owner's own: those with other accounts stay, else one account would be a key to all
            self._failures.add(pair[0], now, -failures)
            self._pairs.drop(pair)
        if self.allowed(client):
            self._failures.drop(pair[0])

    def _pair(self, client: str, login: str) -> tuple[str, str]:
        return self.key(client), login[:NAME_LIMIT].lower()

    # --- mail ---

    async def message(self, client: str, account: str) -> Reply | None:
        """A message is begun; a refusal where it may not be. `account`: "" where nobody signed in."""
        if account:
            return await self.accounts.message(account)
        if self._over(self._messages, self._limits.messages_per_client, client):
            self.refused["message rate"] += 1
            return TOO_MANY_MESSAGES
        return None

    async def recipient(self, client: str, account: str, recipient: str) -> Reply | None:
        """A recipient that would be taken is named; a refusal where it may not be."""
        if account:
            return await self.accounts.recipient(account, recipient)
        if self._over(self._recipients, self._limits.recipients_per_client, client):
            self.refused["recipient rate"] += 1
            return TOO_MANY_RECIPIENTS
        return None

    async def sent(self, account: str, recipients: Iterable[str]) -> Reply | None:
        """A message is about to be queued; a refusal where the account may send no more."""
        return await self.accounts.sent(account, recipients) if account else None

    def _over(self, counters: Counters[str], limit: int, client: str) -> bool:
        if not limit or self._exempt(client):
            return False
        return counters.add(self.key(client), self._clock.monotonic()) > limit

    # --- the operator's ---

    def ban(self, network: Network, seconds: float, note: str) -> BanRow:
        """ValueError where clients of that network are never banned."""
        for address in (str(network[0]), str(network[-1])):
            if self.shared(address):
                raise ValueError(f"{address} is shared: {dict(self._reasons())[address]}")
            if self.allowed(address):
                raise ValueError(f"{address} is allow-listed, by limits.allow or smtp.mynetworks")
        return self.bans.add(network, OPERATOR, note, seconds)

    def _reasons(self) -> Iterable[tuple[str, str]]:
        return ((address, why) for address, why, _ in self.gateways.reasons())


def unlimited(clock: Clock) -> Guard:
    """A guard that lets everybody do everything, for rooms that are used without a hub."""
    limits = schema.Limits(
        connections_per_client=0, messages_per_client=0, recipients_per_client=0, messages_per_account=0,
        new_recipients_per_account=0, ban_auth_failures=0, ban_errors=0,
    )  # fmt: skip
    return Guard(Sections(limits, schema.Smtp(greet_pause=0.0)), clock)
