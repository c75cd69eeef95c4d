"""What is being written: kept in the folder of drafts, where any mail program finds it."""

from aiohttp import web
from msgspec import Struct

from mailhub.mailbox.service import AccountMail, FolderView
from mailhub.message.compose import composed
from mailhub.message.parts import parse
from mailhub.message.shown import leaves
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import DRAFT, SEEN, Folder

from ..own.signed import OWN
from ..own.writing import Writer, Writing, discard
from ..routes import Route, answered
from .asked import Asked, uid_of
from .reading import File, file_of, shown_ids

_PATH = OWN + "drafts"
_BLOCK = 262_144


class Drafted(Struct, frozen=True):
    """Where it lies now, and its files as they are to be carried along from there (own/sent, `carried`)."""

    folder: str
    uid: int
    files: tuple[File, ...]


class Discarded(Struct, frozen=True):
    """How many are gone."""

    count: int


class Drafts:
    """One per hub."""

    def __init__(self, asked: Asked, writer: Writer) -> None:
        self._asked, self._writer = asked, writer

    def routes(self) -> list[Route]:
        return [
            Route("POST", _PATH, self._keep, "Keep what is written so far, in place of `draft`", None, Writing, Drafted, security="account"),
            Route("DELETE", _PATH + "/{uid}", self._discard, "Throw a draft away", None, None, Discarded, security="account"),
        ]  # fmt: skip

    async def _keep(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        async with self._writer.reading(mail.name, request) as writing:
            letter = await self._writer.letter(mail.name, writing, draft=True)
            message = await self._asked.mailboxes.lane.call(composed, letter)
            try:
                return answered(await self._put(mail, message, writing.draft, letter.html))
            except NotFound:  # another window was quicker: both texts are kept
                return answered(await self._put(mail, message, 0, letter.html))

    async def _put(self, mail: AccountMail, message: bytes, before: int, html: str) -> Drafted:
        """In place of the one before, in the same moment."""
        folder = await mail.find(await mail.have("Drafts"), "i")
        view = await mail.open_view(folder, read_only=True)
        try:
            replaces = (view, before) if before and view.place(before) is not None else None
            folder, uid = await _append(mail, folder, message, replaces)
        finally:
            view.close()
        found = await self._asked.mailboxes.lane.call(_files, message, html)
        return Drafted(folder.object_id, uid, found)

    async def _discard(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        return answered(Discarded(await discard(mail, uid_of(request))))


async def _append(
    mail: AccountMail, folder: Folder, message: bytes, replaces: tuple[FolderView, int] | None
) -> tuple[Folder, int]:
    writer = mail.body_writer()
    try:
        for start in range(0, len(message), _BLOCK):
            writer.feed(message[start : start + _BLOCK])
            await writer.drain()
        entry = (await writer.finish(), None, DRAFT | SEEN, ())
        folder, uids = await mail.append(folder, [entry], replaces)
    except BaseException:
        writer.abort()
        raise
    return folder, uids[0]


def _files(message: bytes, html: str) -> tuple[File, ...]:
    wanted = shown_ids(html)
    return tuple(file_of(leaf, wanted) for leaf in leaves(parse(message)) if not leaf.shown)
