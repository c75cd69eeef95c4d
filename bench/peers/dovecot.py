"""Dovecot's IMAP program on a private Maildir: no daemon; a connection is handed to one that is signed in already."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.dovecot_imap import PROGRAM, configuration

from bench.target import Target, folder_on_disk


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    if os.getuid():
        return "Dovecot's imap is started by root only"
    return "" if Path(PROGRAM).exists() else "Dovecot's imap is not installed"


@asynccontextmanager
async def dovecot(prepare: Callable[[Path], object]) -> AsyncIterator[Target]:
    """`prepare` fills a Maildir before it is served."""
    folder = folder_on_disk()
    programs: list[asyncio.subprocess.Process] = []
    try:
        await asyncio.to_thread(prepare, folder / "Maildir")
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
        conf = folder / "dovecot.conf"
        conf.write_text(configuration(folder, folder))
        # it speaks to pipes, and to sockets only where its own login service made them
        command = ["sh", "-c", f"cat | env USER=reader HOME={folder} {PROGRAM} -c {conf} | cat"]

        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            serving = asyncio.ensure_future(_serve(door, command, programs))
            asked = await asyncio.create_subprocess_exec("dovecot", "--version", stdout=asyncio.subprocess.PIPE)
            version = (await asked.communicate())[0].decode().split()
            try:
                yield Target(
                    name="dovecot",
                    version=version[0] if version else "",
                    ports={"imap": door.getsockname()[1]},
                    roots=lambda: [program.pid for program in programs],
                    delivered=lambda: 0,
                )
            finally:
                serving.cancel()
    finally:
        for program in programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)  # the shell and its children
            await program.wait()
        shutil.rmtree(folder)


async def _serve(door: socket.socket, command: list[str], programs: "list[asyncio.subprocess.Process]") -> None:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(door)
        with connection:
            connection.setblocking(True)
            programs.append(
                await asyncio.create_subprocess_exec(
                    *command, stdin=connection, stdout=connection, start_new_session=True
                )
            )
