"""`make soak` in short: nothing that was promised is lost or doubled; and its audit sees what must not be."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.server import REPOSITORY

from bench.soak.gauge import Gauge, slope
from bench.soak.ledger import Copy, Ledger

KEY = (1, "a@example.test")


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_minute_of_load_faults_and_kills(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.soak", "--minutes", "0.7", "--seed", "20261127", "--json", str(tmp_path / "soak.json"),
        cwd=REPOSITORY, env={"PATH": "/usr/bin:/bin", "BENCH_FOLDER": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    result = json.loads((tmp_path / "soak.json").read_text())
    counts = result["counts"]
    assert result["wrong"] == 0
    assert counts["answered"] > 100
    assert counts["deleted"] > 20
    assert counts["moves"] > 5
    assert len(result["faults"]) >= 4
    assert result["figures"]["handles_at_rest_after"] > 0


def answered() -> Ledger:
    ledger = Ledger()
    ledger.sent(KEY)
    ledger.answered(KEY)
    return ledger


@pytest.mark.parametrize(
    ("found", "gone", "words"),
    [(0, "", "is lost"), (2, "", "is there 2 times"), (1, "surely", "is back"), (2, "maybe", "is there 2 times")],
)
def test_the_audit_sees_what_is_lost_double_or_back(found: int, gone: str, words: str) -> None:
    ledger = answered()
    ledger.fates[KEY].gone = gone
    ledger.close(Counter({KEY: found}))
    assert [one for one in ledger.wrong if words in one] == ledger.wrong != []


@pytest.mark.parametrize(
    ("cut", "ends", "wrong"), [(False, [], 1), (True, [], 0), (False, [1.5], 0), (False, [2.5], 1)]
)
def test_a_second_copy_needs_a_window(cut: bool, ends: list[float], wrong: int) -> None:
    ledger = answered()
    ledger.ends = ends
    ledger.copies[KEY] = [Copy(1.0, cut), Copy(2.0, False)]
    ledger.close(Counter())
    assert len(ledger.wrong) == wrong


def test_the_audit_sees_uids_that_are_given_twice() -> None:
    ledger, place = Ledger(), ("a", "INBOX")
    ledger.selected(place, 7, 10)
    ledger.seen(place, 9, 1)
    ledger.seen(place, 9, 2)
    ledger.seen(place, 8, 1)
    ledger.selected(place, 7, 9)
    ledger.flagged(place, 9, {b"\\Seen"})
    ledger.seen(place, 9, 1, set())
    assert len(ledger.wrong) == 4


def test_growth_is_told_from_noise() -> None:
    def judged(growth: float) -> list[str]:
        gauge = Gauge([(float(n), 100.0 + n % 7 + n * growth, 50 + n % 5) for n in range(0, 1_000, 2)], [50, 50])
        return gauge.judge(1_000.0)[1]

    assert judged(0.0) == []
    assert judged(0.02) == ["memory grows by 14.0 MB in 12 minutes"]
    assert slope([(float(n), 3.0 * n) for n in range(10)]) == pytest.approx(3.0)
