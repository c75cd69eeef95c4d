"""How hard property tests try. `make fuzz MINUTES=5` runs those marked `fuzz` again and again, each with more examples.

What breaks one is printed by Hypothesis; as a file in the folder of seeds it is tried first for ever after.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))


def fuzz(examples: int) -> Callable[[Any], Any]:
    """So many examples in the ordinary run."""

    def marked(test: Any) -> Any:
        limits = settings(
            deadline=None, max_examples=examples * FACTOR, suppress_health_check=[HealthCheck.function_scoped_fixture]
        )
        return fuzzed(limits(test))

    return marked


def fuzzed(test: Any) -> Any:
    """Marks a test: also one that starts a server and has `fuzz` on the attempts it makes with it."""
    return pytest.mark.fuzz(pytest.mark.timeout(120 * FACTOR)(test))


@contextlib.contextmanager
def no_errors() -> Iterator[None]:
    """Nothing is logged as an error."""
    records: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("mailhub")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert records == []
