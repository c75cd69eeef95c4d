"""What people do with messages in a list: flags, moving, copying, deleting, junk. Each answer has what is needed to undo it."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from mailhub.mailbox.service import AccountMail, Copied, FolderView
from mailhub.model.errors import Permanent
from mailhub.model.mailbox import DELETED, SYSTEM_FLAGS, FlagOp, Folder

from ..routes import Route, answered, read
from .asked import FOLDER, Asked

_MESSAGES = FOLDER + "/messages/"
Uids = Annotated[tuple[Annotated[int, Meta(ge=1, lt=1 << 32)], ...], Meta(max_length=10_000)]
Flags = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=64)]
_KEYWORD = frozenset(map(chr, range(33, 127))) - frozenset('(){%*"\\]')  # RFC 9051: atom


class FlagChange(Struct, frozen=True, forbid_unknown_fields=True):
    """`add`, `remove`: "\\\\Seen", "\\\\Flagged", ..., or labels."""

    uids: Uids
    add: Flags = ()
    remove: Flags = ()


class Moving(Struct, frozen=True, forbid_unknown_fields=True):
    """`to`: a folder's id or name, or its use with a backslash before it: "\\\\Archive", "\\\\Junk", "\\\\Trash"; that one is made where there is none."""

    uids: Uids
    to: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Removing(Struct, frozen=True, forbid_unknown_fields=True):
    """`forever`: not into the folder for what is deleted. What lies there already is gone for ever in any case."""

    uids: Uids
    forever: bool = False


class Went(Struct, frozen=True):
    """Where the messages are now: `uids[i]` of those asked for is `now[i]` in the folder `to` (an id), "" where they are gone."""

    to: str
    uids: tuple[int, ...]
    now: tuple[int, ...]


class Flagged(Struct, frozen=True):
    """Those that are there, and have the flags asked for."""

    uids: tuple[int, ...]


class Changing:
    """One per hub."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def routes(self) -> list[Route]:
        return [
            Route("POST", _MESSAGES + "flags", self._flag, "Set and take away flags and labels", None, FlagChange, Flagged, security="account"),
            Route("POST", _MESSAGES + "move", self._move, "Move messages", None, Moving, Went, security="account"),
            Route("POST", _MESSAGES + "copy", self._copy, "Copy messages", None, Moving, Went, security="account"),
            Route("POST", _MESSAGES + "delete", self._remove, "Delete messages", None, Removing, Went, security="account"),
        ]  # fmt: skip

    async def _flag(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        asked = await read(request, FlagChange)
        async with self._asked.looking.at(mail, folder) as look:
            uids = _there(look.view, asked.uids)
            for op, names in ((FlagOp.ADD, asked.add), (FlagOp.REMOVE, asked.remove)):
                if names and uids:
                    await look.view.set_flags(uids, op, *_flags(names))
            return answered(Flagged(tuple(uids)))

    async def _move(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        asked = await read(request, Moving)
        return await self._take(mail, folder, asked.uids, await _target(mail, asked.to))

    async def _take(
        self, mail: AccountMail, folder: Folder, uids: tuple[int, ...], target: Folder
    ) -> web.StreamResponse:
        if target.id == folder.id:
            return answered(Went(folder.object_id, (), ()))
        async with self._asked.looking.at(mail, folder) as look:
            there = _there(look.view, uids)
            return answered(_went(await look.view.move(there, target)) if there else Went(target.object_id, (), ()))

    async def _copy(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        asked = await read(request, Moving)
        target = await _target(mail, asked.to)
        async with self._asked.looking.at(mail, folder) as look:
            there = _there(look.view, asked.uids)
            return answered(_went(await look.view.copy(there, target)) if there else Went(target.object_id, (), ()))

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        asked = await read(request, Removing)
        if not asked.forever and folder.special_use != "\\Trash":
            return await self._take(mail, folder, asked.uids, await _target(mail, "\\Trash"))
        async with self._asked.looking.at(mail, folder) as look:
            view, uids = look.view, _there(look.view, asked.uids)
            if not uids:
                return answered(Went("", (), ()))
            await view.set_flags(uids, FlagOp.ADD, DELETED)
            gone = await view.expunge(tuple((uid, uid) for uid in uids))
            return answered(Went("", tuple(gone), ()))


async def _target(mail: AccountMail, wanted: str) -> Folder:
    if not wanted.startswith("\\"):
        return await mail.by_id(wanted, "i")
    use = wanted[1:].capitalize()
    if use not in ("Archive", "Drafts", "Junk", "Sent", "Trash"):
        raise Permanent(f"no folder is for {wanted[:80]!r}")
    return await mail.find(await mail.have(use), "i")


def _there(view: FolderView, uids: tuple[int, ...]) -> list[int]:
    return sorted({uid for uid in uids if view.place(uid) is not None})


def _went(copied: Copied) -> Went:
    return Went(copied.target_folder.object_id, copied.source, copied.target)


def _flags(names: tuple[str, ...]) -> tuple[int, list[str]]:
    """A flags number, and labels; ValueError for what is neither."""
    flags, keywords = 0, []
    known = {name.lower(): bit for name, bit in SYSTEM_FLAGS.items()}
    for name in names:
        if name.lower() in known:
            flags |= known[name.lower()]
        elif set(name) <= _KEYWORD:
            keywords.append(name)
        else:
            raise ValueError(f"{name!r} is no flag and no label: letters, digits and $-_ make one")
    return flags, keywords
