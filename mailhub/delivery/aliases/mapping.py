"""An address through a table, as Postfix's mail_addr_map: by itself, without its tag, by its user, by its domain."""

from collections.abc import Iterator

from mailhub.message.alias_list import INCLUDE, Kind, Target, targets
from mailhub.model import address as addresses
from mailhub.tables import Search


class Mapping:
    """`origin`: the domain of results that have none. `propagates`: a tag that was not looked up goes along."""

    def __init__(self, table: Search, delimiter: str, origin: str, *, propagates: bool = True) -> None:
        self._table, self._delimiter, self._origin, self._propagates = table, delimiter, origin, propagates

    async def of(self, address: str, *, local: bool) -> tuple[str, ...] | None:
        """What the address stands for; None where no line of the table is about it. Temporary where it can not be asked. `local`:
        the user may stand in the table without his domain."""
        for key, whole, detail in self._keys(address, local):
            value = await (self._table.lookup(key) if whole else self._table.part(key))
            if value is not None:
                tag = detail if self._propagates else None
                found = (self._completed(target, address, tag) for target in _addresses(value))
                return tuple(dict.fromkeys(found))
        return None

    async def text(self, address: str, *, local: bool) -> str | None:
        """What stands there, where it is no address."""
        for key, whole, _ in self._keys(address, local):
            value = await (self._table.lookup(key) if whole else self._table.part(key))
            if value is not None:
                return value
        return None

    def _keys(self, address: str, is_local: bool) -> Iterator[tuple[str, bool, str | None]]:
        """Key, whether it is a whole address, and the tag that it lacks."""
        local, domain = addresses.split(addresses.key(address))
        user, detail = addresses.without_detail(local, self._delimiter)
        yield f"{local}@{domain}", True, None
        if detail is not None:
            yield f"{user}@{domain}", True, detail
        if is_local:
            yield local, False, None
            if detail is not None:
                yield user, False, detail
        yield f"@{domain}", False, None

    def _completed(self, target: str, address: str, detail: str | None) -> str:
        local, at, domain = target.rpartition("@") if "@" in target else (target, "", "")
        if at and not local:  # @domain: the same user there
            return f"{addresses.split(address)[0]}@{domain}"
        if not domain:
            domain = self._origin
        return f"{local}{self._delimiter}{detail}@{domain}" if detail is not None else f"{local}@{domain}"


def _addresses(value: str) -> list[str]:
    """Commands, files and lists are none here: they are taken for names, which nobody has."""
    return [target.text if target.kind is Kind.ADDRESS else _quoted(target) for target in targets(value)]


def _quoted(target: Target) -> str:
    text = {Kind.COMMAND: "|", Kind.INCLUDE: INCLUDE}.get(target.kind, "") + target.text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
