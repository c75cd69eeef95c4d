"""What the tables of [aliases] say of a name: virtual(5) for every address, aliases(5) for the names of local domains."""

from collections.abc import Iterable

from mailhub.config import commands
from mailhub.config.aliasing import Aliases
from mailhub.message.alias_list import INCLUDE, Kind, Target, targets
from mailhub.model import address as addresses
from mailhub.model import steps
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.tables import Tables

from ..routes import Expand, Refuse
from .mapping import Mapping

EMPTY = Reply(451, "4.3.5", "The alias stands for nobody")
_SIGNS = {Kind.COMMAND: "|", Kind.FILE: "", Kind.INCLUDE: INCLUDE}


class Names:
    """`origin`: the domain of names that have none."""

    def __init__(
        self, config: Aliases, tables: Tables, delimiter: str, origin: str, *, propagates: bool = True
    ) -> None:
        self.config, self._origin, self._delimiter = config, origin, delimiter
        self._domains = frozenset(map(str.lower, config.local_domains))
        self._aliases = tables.open(config.alias_maps) if config.alias_maps else None
        virtual, relocated = tables.open(config.virtual_alias_maps), tables.open(config.relocated_maps)
        self._virtual = Mapping(virtual, delimiter, origin, propagates=config.propagate_unmatched_extensions)
        self._relocated = Mapping(relocated, delimiter, origin)

    def is_local(self, domain: str) -> bool:
        """Whether the names of that domain, which is one of ours, are those of alias_maps."""
        return not self._domains or domain in self._domains

    async def virtual(self, address: str, path: steps.Path, *, ours: bool) -> Expand | None:
        """virtual(5); an address that stands for itself alone, or came through here before, goes on to other tables."""
        if not self.config.virtual_alias_maps:
            return None
        name = addresses.key(address)
        if name + steps.VIRTUAL in path:
            return None
        local = ours and self.is_local(addresses.domain_of(address))
        found = await self._virtual.of(address, local=local)
        if found is None or [addresses.key(target) for target in found] == [name]:
            return None
        if not found:
            raise Temporary(f"virtual_alias_maps: {name} stands for nobody", EMPTY)
        return Expand(found, by=steps.VIRTUAL)

    async def alias(self, name: str) -> Expand | None:
        """aliases(5), for the key of an address."""
        local, domain = addresses.split(name)
        if self._aliases is None or not self.is_local(domain):
            return None
        value = await self._aliases.part(local)
        if value is None:
            return None
        found = self.listed(targets(value), domain)
        if not found.targets and not found.asides:
            raise Temporary(f"alias_maps: {local} stands for nobody", EMPTY)
        return Expand(found.targets, found.asides, sender=await self._owner(local, domain))

    async def _owner(self, local: str, domain: str) -> str | None:
        assert self._aliases is not None
        owner = f"owner-{local}"
        value = await self._aliases.part(owner)
        if value is None:
            return None
        listed = targets(value)
        if self.config.expand_owner_alias and len(listed) == 1 and listed[0].kind is Kind.ADDRESS:
            return self._whole(listed[0].text, domain).removeprefix("\\")
        return f"{owner}@{domain}"

    def listed(self, found: Iterable[Target], domain: str, where: str = "alias") -> Expand:
        """The members of a list as a route. `domain`: of names that have none."""
        some = list(found)
        to = dict.fromkeys(self._whole(target.text, domain) for target in some if target.kind is Kind.ADDRESS)
        aside = dict.fromkeys(_SIGNS[target.kind] + target.text for target in some if target.kind is not Kind.ADDRESS)
        return Expand(tuple(to), tuple(aside), where)

    def _whole(self, text: str, domain: str) -> str:
        """An address with its domain, and nothing in it that a line of a log or a report could not hold."""
        if not text.isprintable():
            text = "".join(char if char.isprintable() else "?" for char in text)
        return text if "@" in text else f"{text}@{domain}"

    async def relocated(self, address: str, *, ours: bool) -> Refuse | None:
        """relocated(5)."""
        if not self.config.relocated_maps:
            return None
        local = ours and self.is_local(addresses.domain_of(address))
        value = await self._relocated.text(address, local=local)
        return None if value is None else Refuse(Reply(550, "5.1.6", f"User has moved to {value}"))

    def luser(self, address: str, path: steps.Path) -> Expand | None:
        """luser_relay, for an unknown user; whom it names, and is unknown too, it is not asked for again."""
        local, domain = addresses.split(addresses.key(address))
        if not self.config.luser_relay or not self.is_local(domain) or any(map(steps.by_luser_relay, path)):
            return None
        user, detail = addresses.without_detail(local, self._delimiter)
        words = {"user": user, "local": local, "domain": domain, "extension": detail or "", "recipient": address}
        to = self._whole(commands.filled(self.config.luser_relay, lambda word: words.get(word, "")), domain)
        return None if addresses.key(to) == addresses.key(address) else Expand((to,), by=steps.LUSER)
