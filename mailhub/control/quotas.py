"""Quotas of accounts and domains."""

from mailhub.directory import Directory
from mailhub.model.address import key
from mailhub.store.api import MailboxStore

from . import words
from .errors import ControlError


class Quotas:
    """The actions on limits."""

    def __init__(self, directory: Directory, mailboxes: MailboxStore) -> None:
        self._directory, self._mailboxes = directory, mailboxes

    async def _name(self, address: str) -> str:
        """Of an account, or "@domain"."""
        if address.startswith("@"):
            if not await self._directory.domain(address[1:]):
                raise ControlError("not_found", f"no domain {address[1:]}")
            return address.lower()
        if await self._directory.account(address) is None:
            raise ControlError("not_found", f"no account {address}")
        return key(address)

    async def get(self, request: words.QuotaGet) -> words.QuotaState:
        return await self._state(await self._name(request.address))

    async def set(self, request: words.QuotaSet) -> words.QuotaState:
        name = await self._name(request.address)
        await self._mailboxes.set_limits(name, request.storage, request.messages)
        return await self._state(name)

    async def recalculate(self, request: words.QuotaRecalculate) -> words.QuotaState:
        name = await self._name(request.address)
        await self._mailboxes.recount(name)
        return await self._state(name)

    async def _state(self, name: str) -> words.QuotaState:
        quota = await self._mailboxes.quota(name)
        return words.QuotaState(
            address=name,
            storage=quota.storage,
            messages=quota.messages,
            storage_limit=quota.limits.storage,
            message_limit=quota.limits.messages,
        )
