"""The mail of accounts, as an operator may look at it, and sign-in, tried."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailhub.directory import Authenticator, Directory
from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.model import search
from mailhub.model.address import key
from mailhub.model.mailbox import KEYWORD_SHIFT, SYSTEM_FLAGS, Folder, MessageRow

from . import mail_words as words
from .errors import ControlError
from .queue_words import QueuePart

_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")  # in the order of Dovecot
CLIENT = "127.0.0.1"  # who signs in, for the log


class Mail:
    """Of a running server. `read`: a search of IMAP as a value; ValueError where it is none."""

    def __init__(
        self,
        directory: Directory,
        mailboxes: Mailboxes,
        authenticator: Authenticator,
        read: Callable[[str], search.Key],
    ) -> None:
        self._directory, self._mailboxes, self._authenticator, self._read = directory, mailboxes, authenticator, read

    async def _account(self, address: str) -> AccountMail:
        if await self._directory.account(address) is None:
            raise ControlError("not_found", f"no account {address}")
        return self._mailboxes.account(key(address))

    async def _folder(self, address: str, name: str) -> tuple[AccountMail, Folder]:
        mail = await self._account(address)
        return mail, await mail.find(name)

    async def folders(self, request: words.MailFolders) -> tuple[words.MailFolder, ...]:
        mail = await self._account(request.address)
        return tuple(
            words.MailFolder(
                name=folder.name,
                messages=folder.messages,
                recent=max(0, folder.uidnext - folder.recent_from) if folder.messages else 0,
                unseen=folder.unseen,
                uidnext=folder.uidnext,
                uidvalidity=folder.uidvalidity,
                highestmodseq=folder.modseq,
                vsize=folder.size,
                guid=f"{folder.uidvalidity:08x}{folder.id:08x}{0:016x}",
            )
            for folder in await mail.existing()
        )

    async def search(self, request: words.MailSearch) -> tuple[int, ...]:
        try:
            query = self._read(request.query)
        except ValueError as error:
            raise ControlError("usage", f"{error}: {request.query[:200]}") from error
        mail, folder = await self._folder(request.address, request.folder)
        view = await mail.open_view(folder, read_only=True)
        try:
            return tuple(await view.search(query))
        finally:
            view.close()

    async def show(self, request: words.MailShow) -> tuple[words.MailMessage, ...]:
        mail, folder = await self._folder(request.address, request.folder)
        view = await mail.open_view(folder, read_only=True)
        try:
            places = {uid: place for uid in request.uids if (place := view.place(uid)) is not None}
            rows = await view.rows(sorted(places), rendered=True)
            return tuple(_message(row, places[row.uid], view.folder) for row in rows)
        finally:
            view.close()

    async def read(self, request: words.MailRead) -> QueuePart:
        mail, folder = await self._folder(request.address, request.folder)
        async with await mail.open(folder, request.uid) as file:
            length = max(0, min(request.limit, file.size - request.offset))
            data = await file.read(request.offset, length) if length else b""
            return QueuePart(data=bytes(data), size=file.size)

    async def expunge(self, request: words.MailExpunge) -> tuple[int, ...]:
        mail, folder = await self._folder(request.address, request.folder)
        snapshot = await mail.snapshot(folder)
        return tuple(await snapshot.remove(request.uids))

    async def sign_in(self, request: words.SignInTest) -> words.SignInTested:
        found = await self._authenticator.authenticate(
            request.login, request.password, service=request.service, client=CLIENT
        )
        return words.SignInTested(account="" if found is None else found.name)


def _message(row: MessageRow, place: int, folder: Folder) -> words.MailMessage:
    flags = [name for name in _FLAGS if row.flags & SYSTEM_FLAGS[name]]
    if row.uid >= folder.recent_from:
        flags.append("\\Recent")
    flags += [name for n, name in enumerate(folder.keywords) if row.flags >> (KEYWORD_SHIFT + n) & 1]
    return words.MailMessage(
        uid=row.uid,
        seq=place + 1,
        flags=tuple(flags),
        modseq=row.modseq,
        received=row.date,
        saved=row.saved or row.date,
        size=row.size,
        guid=row.file,
        envelope=row.envelope.decode("utf-8", "replace"),
        structure=row.structure.decode("utf-8", "replace"),
    )


ACTIONS: Mapping[type, Callable[[Mail, Any], Awaitable[Any]]] = {
    words.MailFolders: Mail.folders,
    words.MailSearch: Mail.search,
    words.MailShow: Mail.show,
    words.MailRead: Mail.read,
    words.MailExpunge: Mail.expunge,
    words.SignInTest: Mail.sign_in,
}
