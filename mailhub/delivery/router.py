"""Which way a recipient's mail goes: aliases, transport table, accounts, sub-addressing, catch-all, postmaster; all else is
relayed.

The domain is what stands behind the last "@", so that no form of a local part (percent hack, bang path, quotes) leads
elsewhere. Directory troubles come out as its own errors (Temporary): the caller defers.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mailhub.config.aliasing import Aliases
from mailhub.config.schema import Delivery
from mailhub.directory import Directory
from mailhub.model import address as addresses
from mailhub.model import steps
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply
from mailhub.tables import Tables

from .aliases import includes
from .aliases.checking import usable
from .aliases.names import Names
from .forwarding import Forwarding
from .routes import PART, Expand, Local, Refuse, Relay, Route
from .ways import HERE, Entry, Ways, entry, meant, over

if TYPE_CHECKING:
    from .system.routing import SystemRouting

UNKNOWN = Reply(550, "5.1.1", "No such mailbox here")
NO_DOMAIN = Reply(550, "5.1.3", "The address has no domain")
LOOP = Reply(554, "5.4.6", "Alias loop: this address stands for itself")
BAD_ADDRESS = Reply(550, "5.1.3", "Bad recipient address syntax")
NO_COMMAND = Reply(550, "5.7.1", "Mail to commands is restricted")
NO_FILE = Reply(550, "5.7.1", "Mail to files is restricted")
NO_USERS = Reply(451, "4.3.5", "Users of the system have no mail here any more")
COMMAND, FILE = "local/command", "local/file"  # transports that no table can name
SENT = "Sent"  # the folder, by its special use
_NOBODY = (UNKNOWN, NO_DOMAIN, LOOP)


class Known(Enum):
    """What a peek tells of a recipient."""

    LOCAL = 1
    RELAY = 2
    UNKNOWN = 3


class Router:
    """Reads the directory and decides. `domain`: the one that `postmaster` alone belongs to (RFC 5321 section 4.5.1). `system`: where
    users of the system have mail. `admins`: who is postmaster where nobody was named, the first who is there."""

    def __init__(
        self, directory: Directory, config: Delivery, domain: str, tables: Tables, forwarding: Forwarding | None = None,
        aliases: Aliases | None = None, system: "SystemRouting | None" = None, admins: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self._directory, self.domain, self._tables = directory, domain.lower(), tables
        self._forwarding, self._aliases, self._system = forwarding, aliases or Aliases(), system
        self._admins, self._first = tuple(admins), ""
        self.configure(config)

    def configure(self, config: Delivery, aliases: Aliases | None = None) -> None:
        """Take over a new configuration; without `aliases` those stay."""
        self._aliases = aliases or self._aliases
        self._delimiter = config.recipient_delimiter
        self._ways = Ways(config, self._tables)
        self._names = Names(self._aliases, self._tables, self._delimiter, self.domain)
        if self._forwarding is not None:
            self._forwarding.configure(config)

    async def peek(self, address: str) -> Known:
        """Whether mail for `address` would be ours, somebody else's or nobody's. For RCPT. Ours is what is of a domain of ours,
        wherever a table sends it. Permanent where a table says why it is refused."""
        route, _ = await self._explained(address, (), "", look=True)
        if isinstance(route, Refuse) and route.reply.permanent:
            if route.reply not in _NOBODY:
                raise Permanent(f"{address!r}: {route.reply}", route.reply)
            return Known.UNKNOWN
        domain = addresses.domain_of(address)
        return Known.LOCAL if not domain or await self._directory.domain(domain) else Known.RELAY

    async def is_local(self, domain: str) -> bool:
        """Whether that domain is one of ours whose users may stand in tables without it."""
        return await self._directory.domain(domain) and self._names.is_local(domain)

    async def route(self, address: str, path: tuple[str, ...] = (), sender: str = "") -> Route:
        """The route of `address`. `path`: what it was expanded from (steps)."""
        return (await self.explain(address, path, sender))[0]

    async def explain(self, address: str, path: tuple[str, ...] = (), sender: str = "") -> tuple[Route, Entry | None]:
        """The route, and the line of a table that it comes from, if any."""
        before, mark = steps.divided(path)
        if mark is not None and mark.where:
            return await self._aside(address, before, mark), None
        route, line = await self._explained(address, before, sender)
        if isinstance(route, Expand):
            route = route.part(int(mark.start) if mark is not None else 0)
        return route, line

    async def _explained(
        self, address: str, path: steps.Path, sender: str, *, look: bool = False
    ) -> tuple[Route, Entry | None]:
        """`look`: only who is meant, without files of his."""
        local, domain = addresses.split(address)
        if not domain:
            if local.lower() != "postmaster":
                return Refuse(NO_DOMAIN), None
            domain, address = self.domain, f"{local}@{self.domain}"
        if path and not usable(address):
            return Refuse(BAD_ADDRESS), None
        ours = await self._directory.domain(domain)
        if (virtual := await self._names.virtual(address, path, ours=ours)) is not None:
            return virtual, None
        if (moved := await self._names.relocated(address, ours=ours)) is not None:
            return moved, None
        if ours:
            return await self._ours(address, path, look)
        default, why = await self._ways.default(domain, sender)
        found = await self._ways.of(address)
        way = meant(over(found, default, domain) if found is not None else default, domain)
        if isinstance(way, Relay) and path and sender:
            way = await self._sent_on(way, sender)
        return await self._placed(way, address, path), found or why

    async def _aside(self, text: str, path: steps.Path, mark: steps.Mark) -> Route:
        """The route of what stands in a list and is no address."""
        config = self._aliases
        if mark.where == steps.COPY:
            account = await self._directory.account(steps.copied_to(text))
            return Refuse(UNKNOWN) if account is None else Local(account.name, SENT)
        if text.startswith("|") and mark.where not in config.allow_mail_to_commands:
            return Refuse(NO_COMMAND)
        if text.startswith("/") and mark.where not in config.allow_mail_to_files:
            return Refuse(NO_FILE)
        if mark.where == "forward":  # a user's words, which nobody but he himself carries out
            if self._system is None:
                return Refuse(NO_USERS)
            return await self._system.owned(steps.shown(text, (*path, str(mark))))
        if text.startswith("|"):
            return Relay(text[1:], COMMAND)
        if text.startswith("/"):
            return Relay(text, FILE)
        if text in path:
            return Refuse(LOOP)
        file = text.removeprefix(includes.INCLUDE)
        part = await asyncio.to_thread(includes.read, file, mark.start, PART, config.include_limit)
        domain = addresses.domain_of(steps.shown(text, (*path, str(mark))))
        found = self._names.listed(part.members, domain, "include")
        rest = str(replace(mark, start=part.rest)) if part.rest else ""
        return replace(found, rest=rest)

    async def filtered(self, order: str, address: str, path: tuple[str, ...]) -> Route:
        """The route of mail that a content filter gets (access(5), FILTER): `transport:nexthop`."""
        domain = addresses.domain_of(address)
        return await self._placed(meant(over(entry(order), Relay(domain), domain), domain), address, path)

    async def _sent_on(self, way: Relay, sender: str) -> Relay:
        """Mail of somebody elsewhere that an alias sends elsewhere: once, and here, as it leaves."""
        if self._forwarding is None or await self._directory.domain(addresses.domain_of(sender)):
            return way
        return replace(way, sender=self._forwarding.sender(sender))

    async def _placed(self, way: Route, address: str, path: tuple[str, ...]) -> Route:
        """The same, or, where its transport means our own mailboxes, the one of that name."""
        if isinstance(way, Relay) and way.transport in HERE:
            return await self._account(address, path) or Refuse(UNKNOWN)
        return way

    async def _ours(self, address: str, path: tuple[str, ...], look: bool) -> tuple[Route, Entry | None]:
        """A domain of ours: who has no name there gets nothing through the table but by a line of his own."""
        domain = addresses.domain_of(address)
        if self._forwarding is not None and (back := self._forwarding.back(address)) is not None:
            return back, None
        named = await self._account(address, path, look)
        if named is None or isinstance(named, Local | Relay):
            found = await self._ways.of(address)
            if found is not None and found.transport not in ("", *HERE) and (found.exact or named is not None):
                return meant(over(found, Relay(domain), domain), domain), found
        if named is not None:
            return named, None
        user, _ = addresses.without_detail(addresses.split(addresses.key(address))[0], self._delimiter)
        return (
            await self._catch_all(domain)
            or (await self._postmaster(domain) if user == "postmaster" else None)
            or (Expand((f"postmaster@{domain}",)) if user == "mailer-daemon" else None)  # whom our reports are from
            or self._names.luser(address, path)
            or Refuse(UNKNOWN)
        ), None

    async def _account(self, address: str, path: tuple[str, ...], look: bool = False) -> Route | None:
        """The alias or account of that name, or else of its user without the tag."""
        name = addresses.key(address)
        local, domain = addresses.split(name)
        user, detail = addresses.without_detail(local, self._delimiter)
        found = await self._named(name, None, path, look, looped=name in path)
        if detail is None or found not in (None, Refuse(LOOP)):
            return found
        bare = f"{user}@{domain}"
        return await self._named(bare, detail, path, look, looped=bare in path or name in path) or found

    async def _named(
        self, name: str, detail: str | None, path: tuple[str, ...], look: bool, *, looped: bool
    ) -> Route | None:
        """Alias or account of exactly that name. An alias that leads to itself means the account of that name (its copy is
        kept, with its tag); without an account it is a loop."""
        if not looped and (targets := await self._directory.alias(name)):
            return Expand(targets if detail is None else self._tagged(targets, name, detail))
        if not looped and (found := await self._names.alias(name)) is not None:
            return found
        account = await self._directory.account(name)
        if account is not None:
            return Local(account.name, detail=detail)
        if self._system is not None and (way := await self._system.named(name, detail, path, look=look)) is not None:
            return way
        return Refuse(LOOP) if looped else None

    def _tagged(self, targets: tuple[str, ...], name: str, detail: str) -> tuple[str, ...]:
        user, domain = addresses.split(name)
        own = f"\\{user}{self._delimiter}{detail}@{domain}"
        return tuple(own if addresses.key(target) == name else target for target in targets)

    async def _catch_all(self, domain: str) -> Route | None:
        targets = await self._directory.catch_all(domain)
        return Expand(targets) if targets else None

    async def has_postmaster(self) -> bool:
        """Whether mail for the main domain's postmaster goes to somebody who was named for it, or for all that is for nobody else."""
        address = f"postmaster@{self.domain}"
        return (
            await self._names.virtual(address, (), ours=True) is not None
            or await self._account(address, ()) is not None
            or await self._catch_all(self.domain) is not None
            or await self._admin() is not None
        )

    async def _postmaster(self, domain: str) -> Route | None:
        """Every domain of ours has a postmaster (RFC 5321 section 4.5.1). Where nobody was named, it is that of the main
        domain, and there the first of `admins` who has a mailbox, or the first account of that domain."""
        if domain != self.domain:
            return Expand((f"postmaster@{self.domain}",))
        return await self._admin() or await self._first_account()

    async def _admin(self) -> Local | None:
        for name in self._admins:
            if (account := await self._directory.account(name)) is not None:
                return Local(account.name)
        return None

    async def _first_account(self) -> Local | None:
        """Remembered, so that not every stranger's RCPT reads over all accounts; and who comes before it later does not get its mail."""
        if self._first and await self._directory.account(self._first) is not None:
            return Local(self._first)
        after = ""
        while page := await self._directory.accounts(after):
            for account in page:
                if addresses.domain_of(account.name) == self.domain:
                    self._first = account.name
                    return Local(account.name)
            after = page[-1].name
        return None
