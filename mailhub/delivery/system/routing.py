"""The way of mail for a user of the system."""

import logging

from mailhub.config import schema
from mailhub.directory import names
from mailhub.directory.system_users import SystemUser, SystemUsers
from mailhub.message.alias_list import Kind, Target
from mailhub.model import address as addresses
from mailhub.model import steps
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply

from ..routes import Expand, Refuse, Relay, Route
from ..ways import entry, over

log = logging.getLogger("mailhub.delivery")

NAME = "system"  # the transport
ROOT = Reply(451, "4.3.5", "Mail for root is written by nobody: root needs an alias")
STRANGER = Reply(451, "4.3.5", "Whose command or file it is is not known any more")
_FINAL = "\\"


class SystemRouting:
    """`delimiter`: of user and tag."""

    def __init__(self, users: SystemUsers, config: schema.Local, delimiter: str) -> None:
        self.users, self._config, self._delimiter = users, config, delimiter

    async def named(self, name: str, detail: str | None, path: steps.Path, *, look: bool) -> Route | None:
        """Of an address in key form, without its tag. `look`: only to see that somebody is there. Each .forward is followed once."""
        user = await self.users.find(name)
        if user is None:
            return None
        if user.is_root:
            return Refuse(ROOT)
        domain = addresses.domain_of(name)
        if not look and name not in map(self._person, path):
            forward = await self.users.forward(user, detail or "")
            if forward:
                return _expanded(user, forward, domain)
        usual = Relay(user.name, NAME)
        return over(entry(self._config.mailbox_transport), usual, domain) if self._config.mailbox_transport else usual

    async def owned(self, address: str) -> Route:
        """Of a command or file in the .forward of `address`."""
        user = await self.owner(address)
        return Refuse(STRANGER) if user is None else Relay(user.name, NAME)

    async def owner(self, address: str) -> SystemUser | None:
        """Of an address with or without a tag."""
        name = addresses.key(address)
        return await self.users.find(name) or await self.users.find(self._person(name))

    def extension(self, user: SystemUser, address: str) -> str:
        """The tag, where the user's name has none."""
        local, _ = addresses.split(addresses.key(address))
        return "" if user.name == local else addresses.without_detail(local, self._delimiter)[1] or ""

    def _person(self, address: str) -> str:
        """Without the tag."""
        local, domain = addresses.split(address)
        return f"{addresses.without_detail(local, self._delimiter)[0]}@{domain}"


def _expanded(user: SystemUser, forward: list[Target], domain: str) -> Expand:
    """Where something can not be used, the user keeps a copy."""
    found: list[str] = []
    asides: list[str] = []
    for target in forward:
        try:
            if target.kind is Kind.ADDRESS:
                found.append(_address(target.text, domain))
            else:
                asides.append(_aside(target))
        except Permanent as error:
            log.warning(".forward of %s: %s: his mailbox gets a copy", user.name, error)
            found.append(f"{_FINAL}{user.name}@{domain}")
    return Expand(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(asides)), "forward")


def _aside(target: Target) -> str:
    if not target.text.isprintable():
        raise Permanent(f"{target.text!r} can not be used")
    return ("|" if target.kind is Kind.COMMAND else "") + target.text


def _address(text: str, domain: str) -> str:
    r"""`user`, `\user`, `user@domain`; without a domain, that of the .forward's owner."""
    final = text.startswith(_FINAL)
    bare = text.removeprefix(_FINAL)
    return (_FINAL if final else "") + names.target(bare if "@" in bare else f"{bare}@{domain}")
