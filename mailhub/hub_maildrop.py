"""The part of a hub that takes what was left in the maildrop."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.jobs import dropped
from mailhub.jobs.maildrop import Maildrop
from mailhub.model.envelope import Envelope, MailParameters, Notify, Recipient
from mailhub.model.errors import Permanent
from mailhub.policy.pickup import pick_up
from mailhub.store.api import SieveMark
from mailhub.store.inotify import Inotify
from mailhub.wire.smtp.command import SyntaxRefused
from mailhub.wire.smtp.path import parse_path

if TYPE_CHECKING:
    from mailhub.hub import Hub


def maildrop(hub: "Hub", undo: AsyncExitStack) -> "asyncio.Task[None]":
    """A core task. Permanent where the folder can not be used."""
    config, smtp = hub.config.maildrop, hub.config.smtp
    folder = config.path or str(hub.data / dropped.FOLDER)
    try:
        empty = dropped.prepare(folder, config.everybody)
    except OSError as error:
        mode = (
            f", with mode {dropped.EVERYBODY:o}" if config.everybody else ""
        )  # which RestrictSUIDSGID= of a unit denies the server
        reason = f"{error.strerror or error}: make it for this user{mode}, or set another maildrop.path"
        raise Permanent(f"maildrop {folder}: {reason}") from error

    async def accept(envelope: dropped.Envelope, user: int, blocks: list[bytes], mark: SieveMark) -> None:
        for address in (envelope.sender or "postmaster@here.invalid", *envelope.recipients):
            _check(address)
        if envelope.envid is not None and not (envelope.envid.isascii() and envelope.envid.isprintable()):
            raise Permanent("an ENVID that is no printable ASCII")
        notify = Notify(envelope.notify)
        if notify & Notify.NEVER and notify != Notify.NEVER:
            raise Permanent("NOTIFY=NEVER beside others")
        wanted = Envelope(
            envelope.sender,
            tuple(Recipient(address, notify) for address in dict.fromkeys(envelope.recipients)),
            MailParameters(ret=envelope.ret, envid=envelope.envid),
        )
        await pick_up(hub.policy, wanted, user, blocks, mark)

    watch = _watch(folder)
    job = Maildrop(
        folder, config, smtp.message_size_limit, hub.clock, hub.store.sieve, accept, watched=watch is not None
    )
    if watch is not None:
        _listen(watch, job, undo)
    task = job.start(look=not empty)
    undo.push_async_callback(job.stop)
    return task


def _check(address: str) -> None:
    """Nothing but an address ever stands in a command of ours."""
    try:
        path, rest = parse_path(f"<{address}>")
    except SyntaxRefused as error:
        raise Permanent(f"{address!r} is no address: {error}") from error
    if rest or path.route or path.address != address or "@" not in address:
        raise Permanent(f"{address!r} is no address")


def _watch(folder: str) -> Inotify | None:
    """None where the system does not tell of changes, or has no more watches to give."""
    try:
        watch = Inotify()
    except OSError:
        return None
    try:
        watch.add(folder)
    except OSError:
        watch.close()
        return None
    return watch


def _listen(watch: Inotify, job: Maildrop, undo: AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()

    def told() -> None:
        with contextlib.suppress(OSError):
            if any(event.name.endswith(dropped.READY) for event in watch.read()):
                job.told()

    loop.add_reader(watch.descriptor, told)

    def close() -> None:
        loop.remove_reader(watch.descriptor)
        watch.close()

    undo.callback(close)
