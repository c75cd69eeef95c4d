"""`make bench-short` in little: a few cases against mailhub alone, so that the bench does not break unseen. No time is asserted.

It covers: SMTP until the message lies in the Maildir (1, 20 and 4 sessions; 4 KB and 5 MB; DATA, and BDAT by TLS) with IMAP NOOP beside it,
submission to relay to sink, POP3, the start of a server and its memory at rest; that turns alternate, and that what is written can be
drawn. It does not cover: other servers, growth, idle connections, searches, and figures."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from support.server import REPOSITORY

CASES = {"smtp": 4, "relay": 2, "pop3-short": 1, "rest": 3}  # and how many loads each has


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_short_form_of_the_bench(tmp_path: Path) -> None:
    written = tmp_path / "bench.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench", "--short", "--only", ",".join(CASES), "--targets", "mailhub", "--json", str(written),
        cwd=REPOSITORY, env={"PATH": "/usr/bin:/bin", "BENCH_FOLDER": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    cases = {case["case"]: case for case in json.loads(written.read_text())["cases"]}
    assert {name: len(case["rows"]) for name, case in cases.items()} == CASES
    assert all(case["failed"] == [] for case in cases.values())
    assert all(row["target"] == "mailhub" for case in cases.values() for row in case["rows"])
    assert cases["smtp"]["rows"][0]["delivered_per_second"] > 0
    assert cases["relay"]["rows"][0]["relayed_per_second"] > 0
    assert cases["rest"]["rows"][0]["memory_mb"] > 0
    assert os.listdir(tmp_path) == ["bench.json"]  # the servers' folders are gone
