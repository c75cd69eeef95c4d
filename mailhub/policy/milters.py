"""Milters that are asked about sessions and messages: where each stands in a session, what it decides, and what is done where it fails.

They hear of the connection, HELO and MAIL when the first recipient has passed all lists and checks, of the message when it has too; of
what is refused before they hear nothing. Each sees what those before it have changed.
"""

import logging
from collections.abc import Sequence
from typing import cast

from msgspec import Struct

from mailhub.config import milters, schema
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply, plain
from mailhub.net.stream import ConnectionLost, Stream
from mailhub.scanners import Service, Services
from mailhub.scanners.milter import Limits, Link
from mailhub.scanners.service import Nonsense
from mailhub.tables import Tables
from mailhub.wire import milter as wire
from mailhub.wire.milter import Decision

from .alterations import Alterations
from .milter_macros import Macros
from .visit import Visit

log = logging.getLogger("mailhub.policy")

REJECTED = Reply(550, "5.7.1", "Command rejected")
UNAVAILABLE = Reply(451, "4.7.1", "Service unavailable - try again later")
UNAVAILABLE_FOR_GOOD = Reply(550, "5.5.0", "Service unavailable")
SHUTDOWN = Reply(421, "4.7.0", "Server closing connection")
_FAILED = {"reject": UNAVAILABLE_FOR_GOOD, "tempfail": UNAVAILABLE, "shutdown": SHUTDOWN}
_SESSION = ("connect", "helo")  # a decision at these is about the whole session

_TROUBLE = (TimeoutError, ConnectionLost, Nonsense)


class Filter(Struct, frozen=True):
    """One milter of the configuration. `service`: how it is reached; `default`: what is done where it fails."""

    service: Service
    limits: Limits
    default: milters.Default
    version: int

    def __str__(self) -> str:
        return str(self.service.where)


class Milters:
    """Those of one [smtp] section. ValueError where one is malformed."""

    def __init__(self, config: schema.Smtp, hostname: str, services: Services, tables: Tables) -> None:
        self._config, self._services, self.hostname = config, services, hostname
        self.macros = Macros(config, hostname)
        self._filters = self._of(config.milters)
        self._others = self._of(config.non_smtpd_milters)
        self._maps = tables.open(config.milter_maps) if config.milter_maps else None

    def _of(self, texts: Sequence[str]) -> tuple[Filter, ...]:
        return tuple(self._filter(milters.milter(text)) for text in texts)

    def _filter(self, one: milters.Milter) -> Filter:
        config = self._config
        own = {
            "connect_timeout": config.milter_connect_timeout, "command_timeout": config.milter_command_timeout,
            "content_timeout": config.milter_content_timeout, "default_action": config.milter_default_action,
            **dict(one.settings),
        }  # fmt: skip
        scanner = schema.Scanner(
            address=str(one.where), time_limit=float(own["connect_timeout"]), connections=config.milter_connections,
            breaker_failures=config.milter_breaker_failures, breaker_seconds=config.milter_breaker_seconds,
        )  # fmt: skip
        limits = Limits(float(own["command_timeout"]), float(own["content_timeout"]))
        default = cast(milters.Default, own["default_action"])
        return Filter(self._services.of("milter", scanner), limits, default, config.milter_protocol)

    async def seats(self, visit: Visit) -> "list[Seat]":
        """The filters of that session, each in its seat. Temporary where the table can not be asked."""
        caller = visit.caller
        if caller.seats is None:
            chosen = self._others if visit.service == "lmtp" else self._filters
            if visit.service != "lmtp" and self._maps is not None and visit.origin.client:
                value = await self._maps.lookup(visit.origin.client)
                if value is not None:
                    chosen = () if value.strip().upper() == "DISABLE" else self._of(milters.listed(value))
            caller.seats = [Seat(one, self) for one in chosen]
        return caller.seats

    async def recipient(self, visit: Visit) -> Reply | None:
        """What they have against the recipient that the visit names, or before that against the session or the sender."""
        for seat in await self.seats(visit):
            if (refusal := await seat.recipient(visit)) is not None:
                return refusal
        return None

    async def data(self, visit: Visit) -> Reply | None:
        """The message is about to come."""
        for seat in await self.seats(visit):
            if (refusal := await seat.event("data", visit)) is not None:
                return refusal
        return None

    async def message(self, visit: Visit, altered: Alterations) -> Reply | None:
        """The whole message, which they may alter."""
        for seat in await self.seats(visit):
            if (refusal := await seat.message(visit, altered)) is not None:
                return refusal
        return None


class Seat:
    """A filter in one session. `_verdict`: it has decided about the rest of the session; `_letter`: about the rest of the message."""

    def __init__(self, filter: Filter, milters: Milters) -> None:
        self._filter, self._milters = filter, milters
        self._link: Link | None = None
        self._met: dict[str, str] = {}  # what it was told of the session
        self._verdict: Decision | None = None
        self._letter: Decision | None = None
        self._sender: str | None = None  # of the message that it was told of
        self._trouble = ""

    async def recipient(self, visit: Visit) -> Reply | None:
        origin, hostname = visit.origin, self._milters.hostname
        local = visit.service == "lmtp"
        if "connect" not in self._met:
            self._met["connect"] = origin.client
            address = "127.0.0.1" if local and not origin.client else origin.client
            name = "localhost" if local else (await visit.name()).verified or f"[{origin.client}]"
            content = wire.connection(name, address, visit.caller.port)
            if (refusal := await self.event("connect", visit, content)) is not None:
                return refusal
        helo = hostname if local else origin.helo
        if helo and self._met.get("helo") != helo:
            self._met["helo"] = helo
            if (refusal := await self.event("helo", visit, wire.texts(helo))) is not None:
                return refusal
        if self._sender is None:
            self._sender = visit.sender or ""
            if (
                refusal := await self.event("mail", visit, wire.texts(f"<{self._sender}>", *visit.parameters))
            ) is not None:
                return refusal
        return await self.event("rcpt", visit, wire.texts(f"<{visit.recipient}>"), recipient=visit.recipient)

    async def event(self, event: str, visit: Visit, content: bytes = b"", *, recipient: str = "") -> Reply | None:
        """Tell of it; a refusal."""
        decision = self._verdict or self._letter
        if decision is None:
            try:
                link = await self._linked()
                macros = await self._milters.macros.of(event, visit, link.agreed.macros, recipient)
                decision = await link.tell(event, content, macros)
            except _TROUBLE as error:
                return self._failed(error)
            except BaseException:
                self._drop("")
                raise
        return self._decided(event, decision, visit)

    async def message(self, visit: Visit, altered: Alterations) -> Reply | None:
        decision, refusal = self._verdict or self._letter, None
        if decision is None:
            try:
                decision = await self._shown(visit, altered)
                self._sender = None  # that was the end of it
            except _TROUBLE as error:
                refusal = self._failed(error)
            except BaseException:
                self._drop("")
                raise
            finally:
                altered.settled()
        if self._trouble:
            altered.missed(f"{self._filter}: {self._trouble}", hold=self._filter.default == "quarantine")
        return refusal if decision is None else self._decided("end_of_data", decision, visit)

    async def _shown(self, visit: Visit, altered: Alterations) -> Decision:
        link, macros = await self._linked(), self._milters.macros
        chosen = link.agreed.macros
        ends = await macros.of("end_of_header", visit, chosen), await macros.of("end_of_data", visit, chosen)
        spaces = bool(link.agreed.steps & wire.Steps.LEADING_SPACE)
        altered.begin(leading_space=spaces)
        decision = await link.message(list(altered.draft.fields()), altered.blocks(), ends, altered.change)
        await altered.finish()
        return decision

    async def _linked(self) -> Link:
        """The connection, made when it is first needed."""
        if self._link is None:
            one, clock = self._filter, self._filter.service.clock

            async def begin(stream: Stream) -> Link:
                return await Link.agree(stream, one.version, clock, one.limits)

            try:
                self._link = await one.service.keep(begin)
            except Temporary as error:
                raise Nonsense(str(error)) from error
        return self._link

    def _decided(self, event: str, decision: Decision, visit: Visit) -> Reply | None:
        """What follows from its word. At RCPT it is about that recipient, unless it accepts or discards."""
        if decision.goes_on:
            return None
        if event in _SESSION and self._verdict is None:
            self._verdict = decision
        elif (event != "rcpt" or decision.word in ("accept", "discard")) and self._verdict is None:
            self._letter = decision
        match decision.word:
            case "accept":
                return None
            case "discard":
                visit.orders.discarded = visit.orders.discarded or f"by milter {self._filter}"
                return None
            case "reject":
                return REJECTED
            case "tempfail":
                return UNAVAILABLE
            case "reply":
                enhanced = decision.enhanced or f"{decision.code // 100}.7.1"
                lines = [plain(line, "") for line in decision.text.split("\n")]
                return Reply(decision.code, enhanced, "\n".join(lines).strip("\n") or "Command rejected")
        return SHUTDOWN

    def _failed(self, error: Exception) -> Reply | None:
        """From now on in this session it is as if it had said what the operator chose."""
        one = self._filter
        cause = str(error) or f"no answer within {one.limits.content:g} seconds"
        log.warning("milter %s: %s (%s)", one, cause, one.default)
        self._drop(cause)
        self._trouble = cause
        if one.default in ("accept", "quarantine"):
            self._verdict = Decision("accept")
            return None
        reply = _FAILED[one.default]
        self._verdict = Decision("reply", reply.code, reply.enhanced, reply.text)
        return reply

    def _drop(self, cause: str) -> None:
        """The connection is of no use any more. `cause`: where that is the filter's fault."""
        link, self._link = self._link, None
        if link is not None:
            link.drop()
            self._filter.service.let_go(cause)

    def reset(self) -> None:
        """The message under way is none any more."""
        if self._sender is not None and self._link is not None:
            self._link.abort()
        self._sender = self._letter = None

    def close(self) -> None:
        """The session is over."""
        link, self._link = self._link, None
        if link is not None:
            link.quit()
            self._filter.service.let_go()
