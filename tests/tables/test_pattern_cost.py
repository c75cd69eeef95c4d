"""Keys from outside and patterns that backtrack: what is bounded, what is found, what is told."""

import re
import time
from pathlib import Path

import pytest

from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.tables import Tables, patterns, probing


@pytest.mark.parametrize(
    "source",
    [
        "^(a+)+$",
        r"^([a-z0-9]+\.?)+@",
        r"(\w+\s?)+$",
        "^user(x*)*@",
        r"^(.*?,)*P",
        "^(a|aa)+$",
        r"(?:[0-9]+-?)+@x",
        r"^([^@]+)+$",
    ],
)
def test_patterns_without_end_are_found(source: str) -> None:
    (line,) = probing.slow([(7, re.compile(source, re.IGNORECASE))], time.thread_time)
    assert line.startswith("line 7: a key of ")
    assert "backtracks" in line


@pytest.mark.parametrize(
    "source",
    [
        r"^[a-z0-9.+-]+@example\.org$", r"(\w+\.)+example$", r"\.(com|net)$", "^(a++)+$", "spam", r"^(?>a+)b", r"^.*@(.*)\.example$",
        r"(?i)x{3,}", r"[\[]\d+[\]]", r"(?P<n>a)(?P=n)+", r"(?=a)a+", r"\bword\b",
    ],
)  # fmt: skip
def test_quick_ones_are_not(source: str) -> None:
    assert probing.slow([(1, re.compile(source))], time.thread_time) == []


async def test_a_key_that_is_too_long_passes_no_pattern_unseen(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("/x/ REJECT\n")
    table = Tables(VirtualClock()).named(f"regexp:{tmp_path}/t")
    assert await table.lookup("a" * patterns.KEY_LIMIT) is None
    with pytest.raises(Temporary):
        await table.lookup("a" * patterns.KEY_LIMIT + "x")


class Slow(VirtualClock):
    """Each look at it takes a second."""

    ticks = 0

    def monotonic(self) -> float:
        self.ticks += 1
        return super().monotonic() + self.ticks


async def test_a_slow_look_up_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t").write_text("/x/ REJECT\n")
    table = Tables(Slow()).named(f"pcre:{tmp_path}/t")
    for _ in range(3):
        await table.lookup("abc")
    assert [record.message for record in caplog.records] == [
        f"table {tmp_path}/t: a key of 3 characters took 1.00 s: see `mailhub check`"
    ]


async def test_the_tables_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("# one\n/quick/ OK\n!/^(a+)+$/ REJECT\nif /(b*)*c/\n/d/ OK\nendif\n")
    tables = Tables(VirtualClock())
    tables._clock = type("Clock", (VirtualClock,), {"monotonic": lambda self: time.thread_time()})()
    name = f"regexp:{tmp_path}/t"
    tables.named(name)
    assert await tables.check() == {}
    found = tables.slow()
    assert [line.split(":")[0] for line in found[name]] == ["line 3", "line 4"]
