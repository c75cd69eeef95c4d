"""What an account had besides mail, put back: app passwords, the second factor, rights, annotations, keywords beyond those of file names."""

from contextlib import suppress

from mailhub.model.address import key
from mailhub.model.errors import Exists, NotFound
from mailhub.model.mailbox import FlagOp
from mailhub.store.api import AnnotationLimits, AppPasswordRow, Place, SecondFactorRow, Store

from .request import Done
from .restoring_words import KeptNote, UserParts

_MANY = 1 << 40  # it was within the limits of its time


class Restoring:
    """The action on what is not mail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def parts(self, request: UserParts) -> Done:
        account, directory = key(request.address), self._store.directory
        for one in request.passwords:
            row = AppPasswordRow(account, one.name, one.digest, one.services, one.created)
            with suppress(Exists):
                await directory.put_app_password(row, _MANY)
        if (kept := request.factor) is not None and await directory.second_factor(account) is None:
            factor = SecondFactorRow(account, kept.secret, kept.confirmed, kept.counter, kept.recovery)
            await directory.put_second_factor(factor)
        if request.folder:
            await self._folder(account, request)
        elif request.notes:
            await self._annotate(account, 0, request.notes)
        return Done()

    async def _folder(self, account: str, request: UserParts) -> None:
        folders = await self._store.mailboxes.folders(account)
        number = next((folder.id for folder in folders if folder.name == request.folder), None)
        if number is None:
            raise NotFound(f"{account} has no folder {request.folder}")
        for identifier, rights in request.rights:
            await self._store.sharing.change_acl(number, identifier, FlagOp.REPLACE, rights, _MANY)
        if request.notes:
            await self._annotate(account, number, request.notes)
        for one in request.keywords:
            await self._store.mailboxes.set_flags(number, one.uids, FlagOp.ADD, 0, (one.keyword,))

    async def _annotate(self, account: str, folder: int, notes: tuple[KeptNote, ...]) -> None:
        values: dict[Place, list[tuple[str, bytes | None]]] = {}
        for note in notes:
            values.setdefault(Place(account, folder, note.private), []).append((note.entry, note.value))
        await self._store.sharing.annotate(values, AnnotationLimits(_MANY, _MANY))
