"""Programs from Debian that tests run: found or skipped by name, with a home of their own."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


async def run(*command: str, cwd: Path, stdin: bytes = b"", ok: bool = True, codes: tuple[int, ...] = (0,)) -> str:
    """What it prints; its exit code has to be one of `codes`, or none of them where it is not `ok`."""
    env = {**os.environ, "HOME": str(cwd), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
    text = out.decode("utf-8", "replace")
    assert (process.returncode in codes) is ok, f"{command[0]} exited {process.returncode}:\n{text[-4000:]}"
    return text
