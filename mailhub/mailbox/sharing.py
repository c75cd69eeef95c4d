"""Access control lists (RFC 4314): who may do what with whose folder.

The owner may do everything, always. "anyone" and "authenticated" are all accounts; "-NAME" takes away from NAME what another
entry grants.
"""

from mailhub.config import schema
from mailhub.model import rights as acl
from mailhub.model.address import domain_of, key
from mailhub.model.errors import Denied, Permanent
from mailhub.model.mailbox import FlagOp, Folder
from mailhub.model.rights import ALL, Rights
from mailhub.store.api import Entries, SharingStore

GROUPS = ("anyone", "authenticated")
_LONGEST = 320  # octets of an identifier


class Sharing:
    """Of one account: what others let it do, and what it lets others do."""

    def __init__(self, store: SharingStore, config: schema.Mailbox, account: str) -> None:
        self._store, self._config, self._account = store, config, account
        self._identifiers = (account, *GROUPS)

    async def rights(self, folder: Folder) -> Rights:
        """Of this account on any folder."""
        if folder.account == self._account:
            return ALL
        return acl.effective(await self._store.acl(folder.id), self._identifiers)

    async def seen(self) -> list[tuple[Folder, Rights]]:
        """Folders of others that this account may know of."""
        found = await self._store.shared_with(self._identifiers, self._account)
        ours = ((folder, acl.effective(entries, self._identifiers)) for folder, entries in found)
        return [(folder, rights) for folder, rights in ours if "l" in rights]

    async def given(self) -> list[tuple[Folder, Entries]]:
        """Folders of this account that others may do something with, by name."""
        return await self._store.shared_by(self._account)

    async def any_of(self, owner: str) -> bool:
        """Whether that account has given this one, or everybody, a right on any folder."""
        found = await self._store.shared_with(self._identifiers, self._account)
        return any(folder.account == owner and acl.effective(entries, self._identifiers) for folder, entries in found)

    async def entries(self, folder: Folder) -> Entries:
        """The list of a folder that this account administers, its owner first."""
        need(folder.rights, "a")
        everything = "".join(sorted(ALL))
        return ((folder.account, everything), *await self._store.acl(folder.id))

    async def change(self, folder: Folder, identifier: str, op: FlagOp, rights: str) -> None:
        """Set, add or take away rights of `identifier`; entries without any are gone."""
        need(folder.rights, "a")
        name = self.identifier(identifier)
        new = acl.expanded(rights)
        if name.removeprefix("-") == folder.account:
            if name != folder.account or op is FlagOp.REMOVE or (op is FlagOp.REPLACE and new != ALL):
                raise Permanent("the owner has all rights")
            return
        everybodys = self._config.acl_anyone or folder.account == self._config.public_account
        if name in GROUPS and new and op is not FlagOp.REMOVE and not everybodys:
            raise Denied("mailbox.acl_anyone is not set")
        await self._store.change_acl(folder.id, name, op, "".join(new), self._config.acl_limit)

    def grantable(self, folder: Folder, identifier: str) -> tuple[Rights, Rights]:
        """(rights that are granted always, rights that can be) (RFC 4314 section 3.7)."""
        need(folder.rights, "a")
        owner = self.identifier(identifier) == folder.account
        return (ALL, acl.NONE) if owner else (acl.NONE, ALL)

    def identifier(self, text: str) -> str:
        """In key form: accounts in lower case, of our own domain where none is given. There are no wildcards in it."""
        minus = "-" if text.startswith("-") else ""
        name = key(text[len(minus) :])
        if not name or len(name.encode()) > _LONGEST or not name.isprintable() or " " in name:
            raise Permanent("not an identifier")
        if name in GROUPS:
            return minus + name
        return minus + (name if "@" in name else f"{name}@{domain_of(self._account)}")


def need(rights: Rights, wanted: str) -> None:
    """Denied where one of those wanted is missing."""
    if not rights.issuperset(wanted):
        raise Denied(f"needs the rights {wanted!r}")
