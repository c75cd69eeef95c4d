"""Options as getopt(3) reads them, which is what the originals do."""

import getopt

from . import Fatal


def read(words: list[str], letters: str, usage: str, code: int = 1) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of letter and value in their order, and what is left. Fatal with the usage, and `code`, where one is wrong."""
    try:
        pairs, rest = getopt.getopt(words, letters)
    except getopt.GetoptError:
        raise Fatal(f"usage: {usage}", code) from None
    return [(name.lstrip("-"), value) for name, value in pairs], rest
