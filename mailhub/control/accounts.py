"""Accounts, domains and aliases."""

from mailhub.directory import Directory, Forward
from mailhub.model.address import key
from mailhub.store.api import MailboxStore, TextStore

from . import words


class Accounts:
    """The actions on the directory; a removed account's index goes with it, its Maildir stays."""

    def __init__(self, directory: Directory, mailboxes: MailboxStore, texts: TextStore) -> None:
        self._directory, self._mailboxes, self._texts = directory, mailboxes, texts

    async def add_user(self, request: words.UserAdd) -> words.Done:
        await self._directory.add_account(request.address, request.password)
        return words.Done()

    async def set_password(self, request: words.UserPasswd) -> words.Done:
        await self._directory.set_password(request.address, request.password)
        return words.Done()

    async def enable(self, request: words.UserEnable) -> words.Done:
        await self._directory.set_enabled(request.address, request.enabled)
        return words.Done()

    async def remove_user(self, request: words.UserRemove) -> words.Done:
        await self._directory.remove_account(request.address)
        await self._texts.forget(key(request.address))
        await self._mailboxes.remove_account(key(request.address))
        return words.Done()

    async def users(self, request: words.UserList) -> tuple[words.User, ...]:
        page = await self._directory.accounts(request.after, request.limit)
        return tuple(words.User(address=account.name, enabled=account.enabled) for account in page)

    async def add_domain(self, request: words.DomainAdd) -> words.Done:
        await self._directory.add_domain(request.name)
        return words.Done()

    async def domain_admins(self, request: words.DomainAdmins) -> tuple[str, ...]:
        if request.add:
            await self._directory.add_admin(request.name, request.add)
        if request.remove:
            await self._directory.remove_admin(request.name, request.remove)
        return tuple(await self._directory.admins(request.name))

    async def remove_domain(self, request: words.DomainRemove) -> words.Done:
        await self._directory.remove_domain(request.name)
        return words.Done()

    async def domains(self, request: words.DomainList) -> tuple[words.Domain, ...]:
        return tuple(words.Domain(name=domain.name, source=domain.source) for domain in await self._directory.domains())

    async def set_alias(self, request: words.AliasAdd) -> words.Done:
        await self._directory.set_alias(request.address, request.targets)
        return words.Done()

    async def remove_alias(self, request: words.AliasRemove) -> words.Done:
        await self._directory.remove_alias(request.address)
        return words.Done()

    async def aliases(self, request: words.AliasList) -> tuple[words.Alias, ...]:
        page = await self._directory.aliases(request.after, request.limit)
        return tuple(words.Alias(address=alias.address, targets=alias.targets) for alias in page)

    async def forward(self, request: words.ForwardGet) -> words.Forward:
        return _told(await self._directory.forward(request.address))

    async def set_forward(self, request: words.ForwardSet) -> words.Forward:
        return _told(await self._directory.set_forward(request.address, request.targets, keep=request.keep))


def _told(forward: Forward) -> words.Forward:
    return words.Forward(address=forward.name, targets=forward.targets, keep=forward.keep)
