"""Annotations of folders and of the server (RFC 5464): "/private/..." are the account's own, "/shared/..." everybody's."""

from collections.abc import Iterable, Sequence

from mailhub.config import schema
from mailhub.model.errors import Denied, Permanent
from mailhub.model.mailbox import Folder
from mailhub.model.rights import Rights
from mailhub.store.api import AnnotationLimits, Place, SharingStore

from .changes import Annotated, ChangeBus
from .sharing import need

SPECIAL_USE = "/private/specialuse"  # of our own folders, and not to be set here (RFC 6154 section 4)
_USING = frozenset("rswip")
Values = Sequence[tuple[str, bytes | None]]


class Annotations:
    """As one account sees them. `folder` None: the server's."""

    def __init__(self, store: SharingStore, bus: ChangeBus, config: schema.Mailbox, account: str) -> None:
        self._store, self._bus, self._config, self._account = store, bus, config, account
        told = (("/shared/admin", config.metadata_admin), ("/shared/comment", config.metadata_comment))
        self._server = [(entry, text.encode()) for entry, text in told if text]

    async def get(self, folder: Folder | None) -> list[tuple[str, bytes]]:
        """All that there are: (entry, value)."""
        if folder is None:
            return [*self._server, *await self._store.annotations(self._place(None, private=True))]
        check(folder.rights)
        found = await self._store.annotations(self._place(folder, private=True))
        if folder.account == self._account and folder.special_use:
            found.append((SPECIAL_USE, folder.special_use.encode()))
        return found + await self._store.annotations(self._place(folder, private=False))

    async def among(self, folders: Iterable[Folder]) -> frozenset[int]:
        """Those that may have any, by their ids: of the others nothing need be asked."""
        known = list(folders)
        special = {folder.id for folder in known if folder.special_use}
        return await self._store.annotated([folder.id for folder in known]) | special

    async def set(self, folder: Folder | None, values: Values) -> None:
        """All or none. What everybody sees of a folder needs the right "w"; of the server, nobody here may set it."""
        private = [(entry, value) for entry, value in values if entry.lower().startswith("/private/")]
        shared = [(entry, value) for entry, value in values if not entry.lower().startswith("/private/")]
        if any(entry.lower() == SPECIAL_USE for entry, _ in private):
            raise Permanent("special uses are set by CREATE")
        if folder is not None:
            check(folder.rights)
        if shared and folder is None:
            raise Denied("shared annotations of the server")
        if shared and folder is not None:
            need(folder.rights, "w")
        await self._store.annotate(
            {self._place(folder, private=True): private, self._place(folder, private=False): shared},
            AnnotationLimits(self._config.metadata_limit, self._config.metadata_account_limit),
        )
        for account, told in ((self._account, private), ("", shared)):
            if told:
                self._bus.annotated(
                    Annotated(account, 0 if folder is None else folder.id, tuple([entry for entry, _ in told]))
                )

    def _place(self, folder: Folder | None, *, private: bool) -> Place:
        holder = self._account if private or folder is None else folder.account
        return Place(holder, 0 if folder is None else folder.id, private)


def check(rights: Rights) -> None:
    """Who may use a folder's annotations (RFC 5464 section 3.3)."""
    if not usable(rights):
        raise Denied("annotations need l, and one of r, s, w, i, p")


def usable(rights: Rights) -> bool:
    return "l" in rights and not rights.isdisjoint(_USING)
