"""Pigeonhole's own tests, where they lie beside the checkout: every one passes, or docs/sieve.md says why it does not."""

import re
from pathlib import Path

import pytest
from support.sieve_suite import run_file
from support.source import REPOSITORY

SUITE = (
    next((p for p in (REPOSITORY.parent / "shared", REPOSITORY.parent.parent / "shared") if p.exists()), Path())
    / "suites/sieve/tests"
)
ROW = re.compile(r"^\| `([^`]+\.svtest)` \| (.*?) \| ([^|]+) \|$", re.MULTILINE)
NOTE = re.compile(r" \([A-Z]+: count only\)")
FILES = sorted(str(path.relative_to(SUITE)) for path in SUITE.rglob("*.svtest")) if SUITE.is_dir() else []


def told() -> dict[str, set[str]]:
    """The failures that the page lists, by file; "all" stands for the file."""
    found: dict[str, set[str]] = {}
    for file, name, _ in ROW.findall((REPOSITORY / "docs" / "sieve.md").read_text(encoding="utf-8")):
        found.setdefault(file, set()).add(name)
    return found


@pytest.mark.skipif(not FILES, reason="the Sieve suite is not beside the checkout")
@pytest.mark.parametrize("file", FILES or ["none"])
def test_a_file_of_the_suite(file: str) -> None:
    failed = {shown(name): why for name, why in run_file(SUITE / file).items() if why}
    assert set(failed) == told().get(file, set()), failed


@pytest.mark.skipif(not FILES, reason="the Sieve suite is not beside the checkout")
def test_the_page_lists_no_file_that_is_not_there() -> None:
    assert told().keys() - set(FILES) == set()


def shown(name: str) -> str:
    """As the page writes it: without the notes of its authors to themselves."""
    return NOTE.sub("", name).strip().replace("|", "/") or "(no name)"
