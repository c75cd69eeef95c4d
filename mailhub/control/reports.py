"""Reports that others sent us on mail with our domains in From (DMARC) and on TLS with our hosts: read where they lie, in a mailbox, and summed up.

The mailbox keeps them: nothing is stored beside it, and what its owner deletes is gone. Hostile ones cost bounded time and memory.
"""

import asyncio
from typing import TYPE_CHECKING

from mailhub.directory import Directory
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import MailboxStore

from . import report_words as words
from .errors import ControlError

if TYPE_CHECKING:
    from .report_sums import Sums

_DAY = 86_400
_MESSAGES = 2_000  # of a mailbox that are looked at, the newest of each folder
_ASIDE = ("\\Junk", "\\Trash")  # anybody can write a report: those that were forged lie here, if anywhere
_SIZE = 5_242_880  # octets of a message


class Reports:
    """One question at a time: each may take a thread for seconds."""

    def __init__(self, directory: Directory, mailboxes: MailboxStore, clock: Clock) -> None:
        self._directory, self._mailboxes, self._clock = directory, mailboxes, clock
        self._turn = asyncio.Lock()

    async def dmarc(self, request: words.ReportsDmarc) -> words.DmarcReports:
        from .report_sums import DmarcSums  # reads XML and archives: 0.5 MB, for who asks

        sums = DmarcSums(self._clock.now() - request.days * _DAY, request.domain)
        async with self._turn:
            await self._sum(request.account, sums)
            return await asyncio.to_thread(sums.answer)

    async def tls(self, request: words.ReportsTls) -> words.TlsReports:
        from .report_sums import TlsSums

        sums = TlsSums(self._clock.now() - request.days * _DAY, request.domain)
        async with self._turn:
            await self._sum(request.account, sums)
            return await asyncio.to_thread(sums.answer)

    async def _sum(self, account: str, sums: "Sums") -> None:
        """The newest messages of all folders, but what was put aside."""
        if await self._directory.account(account) is None:
            raise ControlError("not_found", f"no account {account}")
        left = _MESSAGES
        for folder in await self._mailboxes.folders(key(account)):
            if folder.special_use in _ASIDE:
                continue
            view = await self._mailboxes.view(folder.id)
            newest = list(view.uids)[-left:] if left else []
            left -= len(newest)
            for uid in reversed(newest):
                try:
                    async with await self._mailboxes.open(folder.id, uid) as file:
                        raw = await file.read(0, file.size) if file.size <= _SIZE else b""
                except MailError:
                    continue
                if raw:
                    await asyncio.to_thread(sums.take, raw)
