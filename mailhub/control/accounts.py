"""Accounts, domains and aliases."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailhub.directory import Directory, Forward
from mailhub.model.address import key
from mailhub.store.api import BrowserStore, MailboxStore, TextStore, TokenStore

from . import words
from .errors import ControlError

Row = TypeVar("Row")
_LOOKED = 500  # rows in one look


class Accounts:
    """The actions on the directory; a removed account's index goes with it, its Maildir stays."""

    def __init__(
        self,
        directory: Directory,
        mailboxes: MailboxStore,
        texts: TextStore,
        tokens: TokenStore,
        browsers: BrowserStore,
    ) -> None:
        self._directory, self._mailboxes, self._texts, self._tokens = directory, mailboxes, texts, tokens
        self._browsers = browsers

    async def add_user(self, request: words.UserAdd) -> words.Done:
        await self._directory.add_account(request.address, request.password)
        return words.Done()

    async def restore_user(self, request: words.UserRestore) -> words.Done:
        await self._directory.restore_account(request.address, request.stored, enabled=request.enabled)
        return words.Done()

    async def set_password(self, request: words.UserPasswd) -> words.Done:
        await self._directory.set_password(request.address, request.password)
        return words.Done()

    async def enable(self, request: words.UserEnable) -> words.Done:
        await self._directory.set_enabled(request.address, request.enabled)
        if not request.enabled:  # of a database of others, which knows no browsers
            await self._browsers.end_others(key(request.address), "")
        return words.Done()

    async def remove_user(self, request: words.UserRemove) -> words.Done:
        await self._directory.remove_account(request.address)
        await self._texts.forget(key(request.address))
        await self._mailboxes.remove_account(key(request.address))
        for token in await self._tokens.page():
            if token.maker == key(request.address):
                await self._tokens.remove(token.name)
        return words.Done()

    async def users(self, request: words.UserList) -> tuple[words.User, ...]:
        page = await _page(self._directory.accounts, lambda account: account.name, request)
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
        """Not while a token is good for it: whoever has the name next is somebody else."""
        for token in await self._tokens.page():
            if any(scope.endswith(f"@{request.name.lower()}") for scope in token.scopes):
                raise ControlError(
                    "refused", f"token {token.name!r} is good for domain {request.name}: remove it first"
                )
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
        page = await _page(self._directory.aliases, lambda alias: alias.address, request)
        return tuple(words.Alias(address=alias.address, targets=alias.targets) for alias in page)

    async def forward(self, request: words.ForwardGet) -> words.Forward:
        return _told(await self._directory.forward(request.address))

    async def set_forward(self, request: words.ForwardSet) -> words.Forward:
        return _told(await self._directory.set_forward(request.address, request.targets, keep=request.keep))


async def _page(
    read: Callable[[str, int], Awaitable[list[Row]]],
    address: Callable[[Row], str],
    request: words.UserList | words.AliasList,
) -> list[Row]:
    """What is looked for is looked for in all that follow, page by page: whoever asks for it is an operator."""
    wanted, after = request.containing.lower(), request.after
    found: list[Row] = []
    while page := await read(after, _LOOKED if wanted else request.limit):
        found += [row for row in page if wanted in address(row).lower()]
        if not wanted or len(found) >= request.limit or len(page) < _LOOKED:
            break
        after = address(page[-1])
    return found[: request.limit]


def _told(forward: Forward) -> words.Forward:
    return words.Forward(address=forward.name, targets=forward.targets, keep=forward.keep)
