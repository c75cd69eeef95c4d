"""The init script: each verb, and the exit codes of the LSB."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import REPOSITORY

SCRIPT = REPOSITORY / "examples" / "sysv" / "mailhub"
CONFIG = '[[listener]]\nprotocol = "smtp"\n[store]\nfree_space_floor = 0\n'
pytestmark = pytest.mark.slow


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "mailhub"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m mailhub "$@"\n')
    program.chmod(0o755)
    (tmp_path / "config.toml").write_text(CONFIG)
    defaults = tmp_path / "defaults"
    defaults.write_text(f"MAILHUB={program}\nCONFIG={tmp_path}/config.toml\n")
    return {**os.environ, "MAILHUB_DEFAULTS": str(defaults)}


def test_each_verb(environ: dict[str, str], tmp_path: Path) -> None:
    def run(*words: str) -> int:
        done = subprocess.run([SCRIPT, *words], env=environ, cwd=tmp_path, capture_output=True, timeout=60, check=False)
        return done.returncode

    try:
        idle = {"status": 3, "reload": 7, "flush": 7, "stop": 0, "abort": 0, "condrestart": 0, "nonsense": 2}
        assert {verb: run(verb) for verb in idle} == idle
        assert run("status") == 3
        busy = {"start": 0, "status": 0, "reload": 0, "flush": 0, "condrestart": 0, "restart": 0, "stop": 0}
        assert {verb: run(verb) for verb in busy} == busy
        assert run("status") == 3
        assert [run(verb) for verb in ("start", "start", "abort", "status")] == [0, 0, 0, 3]
        assert run("check") in (0, 1)
        (tmp_path / "config.toml").unlink()
        assert run("start") == 6
    finally:
        run("abort")
