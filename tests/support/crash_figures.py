"""What a crash matrix counted: printed, and kept as a line of JSON for docs/DURABILITY.md where MAILHUB_CRASH_FIGURES names a file."""

import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LIVES = int(os.environ.get("MAILHUB_CRASH_LIVES", "12"))  # how many lives a test has time for; `make crash` has more


def chosen(moments: int) -> range:
    """Some of the moments of a story, evenly; all of them by `make crash`."""
    step = max(1, moments // LIVES)
    return range(1 + LIVES % step, moments + 1, step)


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder for machines whose disk is `CrashFiles`: what lies below need not be one."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="mailhub-crash-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def tell(matrix: str, scenario: str, **figures: object) -> None:
    """`matrix`: the kind of test; `scenario`: what was going on."""
    print(f"\n{matrix}, {scenario}: {figures}")
    if file := os.environ.get("MAILHUB_CRASH_FIGURES"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps({"matrix": matrix, "scenario": scenario, **figures}) + "\n")


def kinds(counted: Counter[str]) -> dict[str, int]:
    """Of the moments, in the order of the table."""
    return {kind: counted[kind] for kind in ("create", "write", "sync", "rename", "link", "unlink", "commit", "host")}
