"""Which way a recipient's mail goes: aliases, accounts, sub-addressing, catch-all, postmaster; all else is relayed.

The domain is what stands behind the last "@", so that no form of a local part (percent hack, bang path, quotes) leads
elsewhere. Directory troubles come out as its own errors (Temporary): the caller defers.
"""

from enum import Enum

from mailhub.config.schema import Delivery
from mailhub.directory import Directory
from mailhub.model import address as addresses
from mailhub.model.reply import Reply

from .routes import Expand, Local, Refuse, Relay, Route

UNKNOWN = Reply(550, "5.1.1", "No such mailbox here")
NO_DOMAIN = Reply(550, "5.1.3", "The address has no domain")
LOOP = Reply(554, "5.4.6", "Alias loop: this address stands for itself")


class Known(Enum):
    """What a peek tells of a recipient."""

    LOCAL = 1
    RELAY = 2
    UNKNOWN = 3


class Router:
    """Reads the directory and decides. `domain`: the one that `postmaster` alone belongs to (RFC 5321 section 4.5.1)."""

    def __init__(self, directory: Directory, config: Delivery, domain: str) -> None:
        self._directory, self._domain = directory, domain.lower()
        self.configure(config)

    def configure(self, config: Delivery) -> None:
        """Take over a new configuration."""
        self._delimiter = config.recipient_delimiter

    async def peek(self, address: str) -> Known:
        """Whether mail for `address` would be ours, somebody else's or nobody's. For RCPT."""
        route = await self.route(address)
        if isinstance(route, Relay):
            return Known.RELAY
        return Known.UNKNOWN if isinstance(route, Refuse) else Known.LOCAL

    async def route(self, address: str, path: tuple[str, ...] = ()) -> Route:
        """The route of `address`. `path`: the keys (model.address.key) it was expanded from, oldest first."""
        local, domain = addresses.split(address)
        if not domain:
            if local.lower() != "postmaster":
                return Refuse(NO_DOMAIN)
            domain, address = self._domain, f"{local}@{self._domain}"
        elif not await self._directory.domain(domain):
            return Relay(domain)
        name = addresses.key(address)
        user, detail = addresses.without_detail(addresses.split(name)[0], self._delimiter)
        return (
            await self._named(name, None, path)
            or (await self._named(f"{user}@{domain}", detail, path) if detail is not None else None)
            or await self._catch_all(domain)
            or (await self._postmaster(domain) if user == "postmaster" else None)
            or Refuse(UNKNOWN)
        )

    async def _named(self, name: str, detail: str | None, path: tuple[str, ...]) -> Route | None:
        """Alias or account of exactly that name. An alias that leads to itself means the account of that name (its copy is
        kept); without an account it is a loop."""
        looped = name in path
        if not looped and (targets := await self._directory.alias(name)):
            return Expand(targets)
        account = await self._directory.account(name)
        if account is not None:
            return Local(account.name, detail=detail)
        return Refuse(LOOP) if looped else None

    async def _catch_all(self, domain: str) -> Route | None:
        targets = await self._directory.catch_all(domain)
        return Expand(targets) if targets else None

    async def _postmaster(self, domain: str) -> Route | None:
        """Every domain of ours has a postmaster (RFC 5321 section 4.5.1). Where nobody was named, it is that of the main
        domain, and there the first account of the domain, or the first of all, by name."""
        if domain != self._domain:
            return Expand((f"postmaster@{self._domain}",))
        accounts = await self._directory.accounts()
        names = [account.name for account in accounts]
        ours = [name for name in names if addresses.domain_of(name) == domain]
        return Local((ours or names)[0]) if names else None
