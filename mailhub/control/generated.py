"""Passwords made for people: long enough for ever, short enough to type once."""

import secrets

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike


def password() -> str:
    """Four groups of five, 99 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
