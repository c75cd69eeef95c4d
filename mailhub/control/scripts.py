"""Sieve scripts of accounts as an operator sees and sets them."""

from mailhub.directory import Directory
from mailhub.mailbox.scripts import Scripts as Kept
from mailhub.model.errors import NotFound

from . import sieve_words as words
from .request import Done


class Scripts:
    """The actions on scripts; NotFound where there is no such account."""

    def __init__(self, directory: Directory, scripts: Kept) -> None:
        self._directory, self._scripts = directory, scripts

    async def _account(self, address: str) -> str:
        found = await self._directory.account(address)
        if found is None:
            raise NotFound(f"no account {address}")
        return found.name

    async def page(self, request: words.SieveList) -> tuple[words.SieveScript, ...]:
        rows = await self._scripts.list(await self._account(request.account))
        return tuple(words.SieveScript(name=row.name, size=row.size, active=row.active) for row in rows)

    async def get(self, request: words.SieveGet) -> words.SieveText:
        text = await self._scripts.get(await self._account(request.account), request.name)
        return words.SieveText(text=text.decode())

    async def put(self, request: words.SievePut) -> Done:
        await self._scripts.put(await self._account(request.account), request.name, request.text.encode())
        return Done()

    async def activate(self, request: words.SieveActivate) -> Done:
        await self._scripts.activate(await self._account(request.account), request.name)
        return Done()

    async def delete(self, request: words.SieveDelete) -> Done:
        await self._scripts.delete(await self._account(request.account), request.name)
        return Done()
