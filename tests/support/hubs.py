"""A whole hub in the test's own event loop, on free ports, with accounts whose passwords are known.

Blocking clients (smtplib, poplib, imaplib, IMAPClient) run in a thread: `await asyncio.to_thread(...)`.
"""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from mailhub.config.schema import Config, Greylist, History, Listener, Sessions
from mailhub.hub import Hub
from mailhub.model.clock import Clock
from mailhub.net.resolver import Resolver

PASSWORD = "an easy password"
LISTENERS = (
    Listener(protocol="smtp"),
    Listener(protocol="submission"),
    Listener(protocol="submission", tls="implicit"),
    Listener(protocol="pop3"),
    Listener(protocol="pop3", tls="implicit"),
    Listener(protocol="imap"),
    Listener(protocol="imap", tls="implicit"),
)


def config(data: Path, **options: Any) -> Config:
    """Defaults, free ports on loopback, a short drain; strangers' mail comes at once."""
    options.setdefault("listener", LISTENERS)
    options.setdefault("greylist", Greylist(enabled=False))
    options.setdefault("history", History(enabled=False))  # virtual days are to pass quickly
    options.setdefault("sessions", Sessions(drain_timeout=5.0))
    return Config(data=str(data), **options)


@contextlib.asynccontextmanager
async def running(
    data: Path, *users: str, clock: Clock | None = None, resolver: Resolver | None = None, **options: Any
) -> AsyncIterator[Hub]:
    """A hub with these accounts (whole addresses), each with PASSWORD."""
    async with Hub(config(data, **options), clock=clock, resolver=resolver) as hub:
        for user in users:
            await hub.directory.add_account(user, PASSWORD)
        yield hub


def trusting() -> ssl.SSLContext:
    """A client's context that takes the self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def send(hub: Hub, sender: str, recipient: str, text: bytes = b"Subject: test\r\n\r\ntext\r\n") -> None:
    """By SMTP to the hub's MX port."""

    def deliver() -> None:
        with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
            client.sendmail(sender, [recipient], text)

    await asyncio.to_thread(deliver)


async def messages(hub: Hub, account: str) -> list[bytes]:
    """What lies in the account's inbox, oldest first, once the queue is idle."""
    await hub.queue.idle()
    mail = hub.mailboxes.account(account)
    view = await mail.open_view(await mail.find("INBOX"), read_only=True)
    try:
        return [await _whole(hub, view, uid) for uid in view.uids]
    finally:
        view.close()


async def _whole(hub: Hub, view: Any, uid: int) -> bytes:
    async with await view.open(uid) as file:
        return bytes(await file.read(0, file.size))


async def until(happened: Callable[[], object]) -> None:
    """Let the loop turn until it is so; the suite's own timeout is the bound."""
    while not happened():
        await asyncio.sleep(0)
