"""The part of a hub that joins the operator's hooks to the rooms below."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.delivery.transport import Job, JobRecipient
from mailhub.hooks import Append, Defer, Deliver, FileInto, Login, Reject
from mailhub.hooks.runner import HookFailed, Hooks
from mailhub.model import ids
from mailhub.model.errors import Permanent, Temporary
from mailhub.model.mailbox import SYSTEM_FLAGS
from mailhub.model.reply import Reply, plain

if TYPE_CHECKING:
    from mailhub.hub import Hub

log = logging.getLogger("mailhub.hooks")


class HookedRooms:
    """What `login`, `append` and `deliver` ask; where a hook fails, `hooks.failure` says what follows."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def _failed(self, error: HookFailed) -> None:
        """Temporary, or nothing to say."""
        if self._hooks.config.failure == "tempfail":
            raise Temporary(str(error)) from error
        log.warning("%s (%s)", error, self._hooks.config.failure)

    async def login(self, account: str, service: str, client: str) -> str:
        """Why that account may not sign in, "" where it may. Temporary."""
        try:
            answer = await self._hooks.call("login", Login(account, service, client))
        except HookFailed as error:
            self._failed(error)
            return ""
        if isinstance(answer, Defer):
            raise Temporary(answer.text)
        return f"by a hook: {answer.text}" if isinstance(answer, Reject) else ""

    async def append(self, account: str, folder: str, size: int, flags: int, keywords: tuple[str, ...]) -> None:
        """Permanent or Temporary where it may not be stored."""
        system = [name for name, bit in SYSTEM_FLAGS.items() if flags & bit]
        try:
            answer = await self._hooks.call("append", Append(account, folder, size, (*system, *keywords)))
        except HookFailed as error:
            return self._failed(error)
        if isinstance(answer, Reject):
            raise Permanent(answer.text, Reply(554, answer.enhanced, plain(answer.text)))
        if isinstance(answer, Defer):
            raise Temporary(plain(answer.text))
        return None

    async def deliver(self, job: Job, recipient: JobRecipient, account: str) -> Reply | str:
        """A reply where it is not delivered now, or the folder that it goes to, "" for where it would go. Temporary."""
        message = await job.content.read(0, min(job.content.size, self._hooks.config.message_limit))
        event = Deliver(
            ids.text(job.queue_id), job.sender, recipient.address, account, str(job.verdict), message, job.content.size
        )
        try:
            answer = await self._hooks.call("deliver", event)
        except HookFailed as error:
            self._failed(error)
            return ""
        match answer:
            case Reject(text, enhanced):
                return Reply(550, enhanced, plain(text))
            case Defer(text, enhanced):
                return Reply(451, enhanced, plain(text))
            case FileInto(folder):
                return folder
        return ""


async def joined(hub: "Hub", undo: AsyncExitStack) -> Hooks:
    """Permanent where the file can not be used."""
    hooks = Hooks(hub.config.hooks, hub.clock, hub.config.log.stall_seconds)
    await asyncio.to_thread(hooks.start)
    undo.callback(hooks.close)
    rooms = HookedRooms(hooks)
    hub.authenticator.hook, hub.mailboxes.append_hook, hub.deliver_hook = rooms.login, rooms.append, rooms.deliver
    return hooks
