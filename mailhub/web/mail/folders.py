"""An account's folders, with those that others share: the list, and changes of it."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from mailhub.mailbox.service import AccountMail
from mailhub.model.mailbox import SEPARATOR, FlagOp, Folder

from ..own.signed import OWN
from ..routes import Route, answered, read
from .asked import FOLDER, Asked

_PATH = OWN + "folders"
Name = Annotated[str, Meta(min_length=1, max_length=1_000)]


class FolderShown(Struct, frozen=True, kw_only=True):
    """`id`: stays when it is renamed. `name`: levels divided by ".". `use`: "\\\\Sent", "\\\\Trash", ... (RFC 6154), "" for none. `rights`: as letters (RFC 4314).
    `size`: octets."""

    id: str
    name: str
    use: str
    messages: int
    unread: int
    size: int
    modseq: int
    subscribed: bool
    owner: str
    rights: str
    labels: tuple[str, ...]


class NewFolder(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class FolderChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be another: None stays as it is."""

    name: Name | None = None
    subscribed: bool | None = None


class Grant(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may do what with a folder. `rights`: as letters (RFC 4314), "" takes them away."""

    who: Annotated[str, Meta(min_length=1, max_length=320)]
    rights: Annotated[str, Meta(max_length=20)]


class Shared(Struct, frozen=True):
    """A folder that others may do something with; `grants`: without its owner's."""

    id: str
    name: str
    grants: tuple[Grant, ...]


class Folders:
    """One per hub."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def routes(self) -> list[Route]:
        sharing = FOLDER + "/sharing"
        return [
            Route("GET", _PATH, self._list, "Folders", None, None, tuple[FolderShown, ...], security="account"),
            Route("POST", _PATH, self._create, "Make a folder", None, NewFolder, FolderShown, security="account"),
            Route("PATCH", FOLDER, self._change, "Rename, subscribe to a folder", None, FolderChange, FolderShown, security="account"),
            Route("DELETE", FOLDER, self._delete, "Delete a folder and its messages", None, None, FolderShown, security="account"),
            Route("GET", OWN + "sharing", self._given, "Folders that others may do something with", None, None, tuple[Shared, ...], security="account"),
            Route("GET", sharing, self._shared, "Who else may do what with a folder", None, None, tuple[Grant, ...], security="account"),
            Route("PUT", sharing, self._share, "Let somebody do something with a folder", None, Grant, tuple[Grant, ...], security="account"),
        ]  # fmt: skip

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return answered(await shown(await self._asked.mail(request)))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        asked = await read(request, NewFolder)
        checked(asked.name)
        await mail.create(asked.name)
        await mail.subscribe(asked.name)
        return answered(await one(mail, asked.name))

    async def _change(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request, "l")
        asked, name = await read(request, FolderChange), await name_of(mail, folder)
        if asked.name is not None and asked.name != name:
            checked(asked.name)
            subscribed = name in await mail.subscriptions()
            await mail.rename(name, asked.name)
            if subscribed:
                await mail.unsubscribe(name)
                await mail.subscribe(asked.name)
            name = asked.name
        if asked.subscribed is not None:
            await (mail.subscribe(name) if asked.subscribed else mail.unsubscribe(name))
        return answered(await one(mail, name))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request, "l")
        name = await name_of(mail, folder)
        was = await one(mail, name)
        await mail.delete(name)
        await mail.unsubscribe(name)
        return answered(was)

    async def _shared(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request, "a")
        return answered([Grant(who, rights) for who, rights in await mail.sharing.entries(folder)])

    async def _given(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        return answered([
            Shared(folder.object_id, folder.name, tuple(Grant(who, rights) for who, rights in entries))
            for folder, entries in await mail.sharing.given()
        ])  # fmt: skip

    async def _share(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request, "a")
        asked = await read(request, Grant)
        await mail.sharing.change(folder, asked.who, FlagOp.REPLACE, asked.rights)
        return answered([Grant(who, rights) for who, rights in await mail.sharing.entries(folder)])


def checked(name: str) -> None:
    """ValueError for a name that would be trouble for people: IMAP clients may make such ones, a page does not."""
    if (
        not name.isprintable()
        or name != name.strip()
        or "/" in name
        or any(not level for level in name.split(SEPARATOR))
    ):
        raise ValueError("the name of a folder has no slash, no invisible character and no empty level in it")


async def shown(mail: AccountMail) -> list[FolderShown]:
    """All that the account may know of, its own first, as they stand now."""
    subscribed = set(await mail.subscriptions())
    return [_shown(name, folder, name in subscribed) for name, folder in (await mail.listing()).items()]


async def one(mail: AccountMail, name: str) -> FolderShown:
    return _shown(name, await mail.find(name), name in await mail.subscriptions())


async def name_of(mail: AccountMail, folder: Folder) -> str:
    """What the account calls it."""
    return next(name for name, other in (await mail.listing()).items() if other.id == folder.id)


def _shown(name: str, folder: Folder, subscribed: bool) -> FolderShown:
    return FolderShown(
        id=folder.object_id, name=name, use=folder.special_use, messages=folder.messages, unread=folder.unseen, size=folder.size,
        modseq=folder.modseq, subscribed=subscribed, owner=folder.account, rights="".join(sorted(folder.rights)), labels=folder.keywords,
    )  # fmt: skip
