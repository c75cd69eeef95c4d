"""Which of the known words somebody may have meant."""

from collections.abc import Iterable


def near(word: str, known: Iterable[str], count: int = 1, likeness: float = 0.6) -> list[str]:
    """The `count` that are most like it, at least `likeness` of it (0 to 1)."""
    import difflib  # seldom needed

    return difflib.get_close_matches(word, list(known), n=count, cutoff=likeness)
