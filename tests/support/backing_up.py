"""A server whose operator backs it up: the commands, what its owners see, and what is written to it."""

import asyncio
import contextlib
import imaplib
import json
import os
import smtplib
import sys
from collections.abc import Callable
from pathlib import Path

from support.dovecot_imap import Message, listed, messages, uidvalidity
from support.server import REPOSITORY, Server

PASSWORD = "an easy password"
ANN, BOB = "ann@example.test", "bob@example.test"
Seen = dict[str, tuple[int, dict[int, Message]]]
WAIT = 60.0  # seconds for any one command


class Host:
    """`server` with its data folder, and `backups`, a folder for them."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.server = Server(folder, f"auth.allow_plaintext = true\n{extra}")
        self.folder, self.data, self.backups = folder, folder / "var", folder / "backups"

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """A command that is under way."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailhub", "--config", str(self.server.config), *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip

    async def run(self, *words: str, code: int = 0) -> str:
        """What it prints. Its exit code has to be that one."""
        process = await self.begin(*words)
        try:
            out, err = await asyncio.wait_for(process.communicate(), WAIT)
        finally:
            if process.returncode is None:
                process.kill()
        assert b"Traceback" not in err, err.decode()
        assert process.returncode == code, (process.returncode, out.decode(), err.decode())
        return out.decode() + (err.decode() if code else "")

    async def killed(self, *words: str, began: Callable[[], bool], delay: float) -> bool:
        """Kill a command so many seconds after it has begun its work; whether it had ended before, and well."""
        process = await self.begin(*words)
        try:
            async with asyncio.timeout(WAIT):
                while not began() and process.returncode is None:
                    await asyncio.sleep(0.002)
                await asyncio.sleep(delay)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
        return process.returncode == 0

    async def emptied(self) -> None:
        """Return when nothing waits in the queue."""
        async with asyncio.timeout(WAIT):
            while json.loads(await self.run("queue", "list", "--json")):
                await asyncio.sleep(0.05)

    def imap(self, account: str = ANN) -> imaplib.IMAP4:
        session = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=WAIT)
        session.login(account, PASSWORD)
        return session

    def seen(self, account: str = ANN) -> Seen:
        """All folders: UIDVALIDITY, and messages by UID."""
        session = self.imap(account)
        found = {name: (uidvalidity(session, name), messages(session, name)) for name in listed(session, "LIST")}
        session.logout()
        return found

    def send(self, account: str, *texts: bytes) -> None:
        """Each is accepted when this returns."""
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=WAIT) as client:
            for text in texts:
                client.sendmail("friend@far.test", [account], text)

    def fill(self, account: str, folder: str, count: int) -> None:
        """Messages of some sizes, flags, keywords and dates."""
        session = self.imap(account)
        session.create(folder)
        for n in range(count):
            flags = ("", "\\Seen", "\\Flagged work", "\\Answered later")[n % 4]
            text = letter(f"{folder} {n}", b"x" * (n * 37 % 3000) + (b"y" * 100_000 if n % 17 == 5 else b""))
            session.append(folder, f"({flags})", f'"0{n % 9 + 1}-Jan-2020 10:00:00 +0000"', text)
        session.logout()


async def host(folder: Path, extra: str = "") -> Host:
    """One that runs, with Ann and Bob."""
    found = Host(folder, extra)
    await found.server.accounts(ANN, BOB, password=PASSWORD)
    await found.server.start()
    return found


def letter(subject: str, body: bytes = b"") -> bytes:
    head = f"From: friend@far.test\r\nTo: ann@example.test\r\nSubject: {subject}\r\nMessage-ID: <{subject.replace(' ', '-')}@far.test>\r\n\r\n"
    lines = [body[at : at + 70] for at in range(0, len(body), 70)]
    return head.encode() + b"".join(line + b"\r\n" for line in lines or [b"."])
