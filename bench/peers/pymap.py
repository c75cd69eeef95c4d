"""pymap, an IMAP server in Python like ours, on a Maildir: `make peers` puts it into `.peers/`, or it is where `pymap` is found."""

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.server import REPOSITORY, free_ports

from bench import bounds
from bench.target import PASSWORD, READER, Target, folder_on_disk

_ROUNDS = 1_000  # of PBKDF2: signing in is no part of what is measured


def _program() -> str | None:
    own = REPOSITORY / ".peers" / "pymap" / "bin" / "pymap"
    return str(own) if own.exists() else shutil.which("pymap")


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    return "" if _program() else "pymap is not installed: make peers"


def _prepare(folder: Path, prepare: Callable[[Path], object]) -> None:
    home = folder / "home"
    prepare(home)
    salt = os.urandom(16)
    parts = [
        base64.b64encode(one).decode()
        for one in (salt, hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, _ROUNDS))
    ]
    (folder / "pymap-etc-passwd").write_text(f"{READER}:x::::{home}:\n")
    (folder / "pymap-etc-shadow").write_text(f"{READER}:$pbkdf2-sha256${_ROUNDS}${'$'.join(parts)}:::::::\n")


@asynccontextmanager
async def pymap(prepare: Callable[[Path], object]) -> AsyncIterator[Target]:
    """`prepare` fills READER's Maildir before it is served."""
    program = _program()
    assert program is not None
    folder = folder_on_disk()
    (port,) = free_ports(1)
    process: asyncio.subprocess.Process | None = None
    try:
        await asyncio.to_thread(_prepare, folder, prepare)
        asked = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
        version = (await asked.communicate())[0].decode().split()
        process = await asyncio.create_subprocess_exec(
            program, "--host", "127.0.0.1", "--port", str(port), "--no-tls", "maildir", str(folder),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await bounds.answers(process, "pymap", port)
        pid = process.pid
        async with bounds.tied(process):
            yield Target("pymap", version[-1] if version else "", {"imap": port}, lambda: [pid], lambda: 0)
    finally:
        if process is not None:
            await bounds.end(process)
        shutil.rmtree(folder)
