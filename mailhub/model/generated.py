"""Words made for people: hard to guess, short enough to type once."""

import secrets

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike: 4.95 bits each


def letters(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def grouped(text: str) -> str:
    """`abcde-fghjk-...`"""
    return "-".join(text[n : n + 5] for n in range(0, len(text), 5))


def typed(text: str) -> str:
    """What was meant by what somebody typed: blanks, hyphens and capitals do not count. At most 100 characters."""
    return "".join(char for char in text[:100].lower() if char not in " -\t")


def password() -> str:
    """Four groups of five, 99 bits."""
    return grouped(letters(20))
