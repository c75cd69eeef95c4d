"""How hard property tests try. `make fuzz MINUTES=5` runs those marked `fuzz` again and again, each with more examples.

What breaks one is printed by Hypothesis; as a file in the folder of seeds it is tried first for ever after.
"""

import os
from collections.abc import Callable
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
        return pytest.mark.fuzz(pytest.mark.timeout(120 * FACTOR)(limits(test)))

    return marked
