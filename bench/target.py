"""A server under test, whichever it is. What a case may know of it stands in Target."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.server import Server

from bench import bounds

USERS = 200
DOMAIN = "example.test"
READER = f"reader@{DOMAIN}"
PASSWORD = "bench password"


@dataclass(frozen=True, slots=True)
class Target:
    """`ports`: smtp, and where there are, submission, imap, pop3. Recipients: u000@ to u199@example.test; READER signs in."""

    name: str
    version: str
    ports: dict[str, int]
    roots: Callable[[], Sequence[int]]  # processes; their descendants count as well
    delivered: Callable[[], int]  # messages in all Maildirs
    host: str = "127.0.0.1"
    all_cpu: bool = True  # the CPU time of all its processes can be known


def folder_on_disk() -> Path:
    """A new folder in $BENCH_FOLDER, or else beside this file: memory file systems would flatter both sides, and ext4 without
    a journal makes files dear for minutes after many were deleted."""
    return Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_FOLDER", Path(__file__).resolve().parent)))


def user(number: int) -> str:
    return f"u{number % USERS:03d}@{DOMAIN}"


def count_files(maildirs: Sequence[Path]) -> int:
    """Messages in Maildirs, by their files."""
    total = 0
    for maildir in maildirs:
        for part in ("new", "cur"):
            folder = maildir / part
            if folder.is_dir():
                total += sum(1 for _ in folder.iterdir())
    return total


@asynccontextmanager
async def mailhub(
    extra: str = "", *, pool: int = USERS, prepare: Callable[[Path], object] | None = None
) -> AsyncIterator[Target]:
    """mailhub in a process of its own, with the accounts that the load needs. `prepare`: given the data folder before it starts."""
    folder = folder_on_disk()
    server = Server(folder, f"[auth]\nallow_plaintext = true\n{extra}")
    try:
        await server.accounts(*(user(n) for n in range(pool)))
        await _reader(server)
        if prepare is not None:
            await asyncio.to_thread(prepare, folder / "var")
        async with bounds.within(bounds.START, "mailhub: a greeting on every port"):
            await server.start()
        assert server.process is not None
        maildirs = [folder / "var/mail" / DOMAIN / user(n).partition("@")[0] / "Maildir" for n in range(pool)]
        pid = server.process.pid
        async with bounds.tied(server.process):
            yield Target(
                name="mailhub",
                version=__import__("mailhub").__version__,
                ports=server.ports,
                roots=lambda: [pid],
                delivered=lambda: count_files(maildirs),
            )
    finally:
        if server.process is not None:
            await bounds.end(server.process)
        shutil.rmtree(folder)


async def _reader(server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailhub", "--config", str(server.config), "user", "add", READER,
        "--password-stdin", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await process.communicate(PASSWORD.encode() + b"\n")
    if process.returncode:
        raise SystemExit("mailhub user add failed")
