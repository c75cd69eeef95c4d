"""A server that is killed, by SIGKILL, between the commit that queues a message of the maildrop and the end of its file: each comes once."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from support.server import REPOSITORY, Server

from mailhub.jobs import dropped

ANN = "ann@example.test"
MESSAGES = 6
BOUNDS = dropped.Bounds(1_000, 1 << 30, 0)

# Python runs this first: the process ends by SIGKILL as it is about to take away its third file.
KILLED = """
import os, signal
from mailhub.jobs import dropped
remove, calls = dropped.remove, []
def killed(folder, name):
    calls.append(name)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    remove(folder, name)
dropped.remove = killed
"""


async def test_what_was_left_comes_once_where_the_server_is_killed(tmp_path: Path) -> None:
    server = Server(tmp_path, "[greylist]\nenabled = false\n")
    await server.accounts(ANN)
    drop = tmp_path / "var/maildrop"
    for number in range(MESSAGES):
        text = f"Subject: {number}\r\n\r\n".encode() + b"x\r\n" * (1, 50_000)[number % 2]
        dropped.leave(str(drop), dropped.Envelope(sender="", recipients=(ANN,)), text, float(number), BOUNDS)
    hooked = tmp_path / "hooked"
    hooked.mkdir()
    (hooked / "sitecustomize.py").write_text(KILLED)
    for life, waiting in enumerate((MESSAGES - 2, MESSAGES - 4), 1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailhub", "--config", str(server.config), "serve",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{hooked}{os.pathsep}{REPOSITORY}"},
        )  # fmt: skip
        assert await process.wait() == -9, life
        assert len(list(drop.iterdir())) == waiting
    await server.start()
    folder = tmp_path / "var/mail/example.test/ann/Maildir"
    try:
        while len(files := [*(folder / "new").iterdir(), *(folder / "cur").iterdir()]) < MESSAGES or list(
            drop.iterdir()
        ):
            await asyncio.sleep(0.01)
    finally:
        await server.stop()
    files = [*(folder / "new").iterdir(), *(folder / "cur").iterdir()]
    lines = [line for file in files for line in file.read_bytes().split(b"\r\n")[:20]]
    subjects = Counter(line for line in lines if line.startswith(b"Subject"))
    assert subjects == Counter({f"Subject: {number}".encode(): 1 for number in range(MESSAGES)})
