"""Haraka, an SMTP server in JavaScript, before Dovecot's LMTP: `make peers` puts it into `.peers/`, or it is where `haraka` is found.

It syncs its queue files and answers then; one process, as it comes."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from support.server import REPOSITORY, free_ports

from bench import bounds
from bench.target import DOMAIN, Target, folder_on_disk

from . import dovecot

_VERSION = re.compile(rb"Version: \S*?([0-9][0-9.]*)")
_FILES = {
    "me": "mx.{domain}\n",
    "host_list": "{domain}\n",
    "plugins": "rcpt_to.in_host_list\nqueue/lmtp\n",
    "smtp.ini": "listen=127.0.0.1:{port}\nnodes=0\n",
    "log.ini": "level=crit\n",
    "lmtp.ini": "path={socket}\n",
    "connection.ini": "[main]\n[headers]\nmax_lines=1000\nmax_received=100\n[max]\nbytes=52428800\nmime_parts=1000\nline_length=512\n"
    "data_line_length=992\n[message]\nhelo=Hello\nclose=Goodbye\n[uuid]\nbanner_chars=6\ndeny_chars=0\n",
    "outbound.ini": "concurrency_max=20\n",
}


def _program() -> str | None:
    own = REPOSITORY / ".peers" / "haraka" / "node_modules" / ".bin" / "haraka"
    return str(own) if own.exists() else shutil.which("haraka")


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    return dovecot.missing(lmtp=True) or ("" if _program() else "Haraka is not installed: make peers")


def _empty(maildir: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)


def _prepare(folder: Path, port: int, socket: Path) -> None:
    for part in ("config", "queue", "plugins"):
        (folder / part).mkdir()
    (folder / "package.json").write_text("{}\n")
    for name, text in _FILES.items():
        (folder / "config" / name).write_text(text.format(domain=DOMAIN, port=port, socket=socket))


@asynccontextmanager
async def haraka() -> AsyncIterator[Target]:
    """Both as one target: SMTP of the one, IMAP and POP3 of the other."""
    program = _program()
    assert program is not None
    folder, run = folder_on_disk(), Path(tempfile.mkdtemp(prefix="bench-"))  # a socket's path is short
    (port,) = free_ports(1)
    process: asyncio.subprocess.Process | None = None
    try:
        os.chmod(run, 0o755)
        socket = run / "lmtp"
        await asyncio.to_thread(_prepare, folder, port, socket)
        asked = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
        version = _VERSION.search((await asked.communicate())[0])
        async with dovecot.dovecot(_empty, lmtp=socket) as store:
            process = await asyncio.create_subprocess_exec(
                program, "-c", str(folder), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            await bounds.answers(process, "Haraka", port)
            pid = process.pid
            async with bounds.tied(process):
                yield replace(
                    store,
                    name="haraka",
                    version=f"{version[1].decode() if version else ''} and Dovecot {store.version}",
                    ports={**store.ports, "smtp": port},
                    roots=lambda: [pid, *store.roots()],
                )
    finally:
        if process is not None:
            await bounds.end(process)
        shutil.rmtree(run)
        shutil.rmtree(folder)
