"""Which options hold secrets, which name files of secrets, and how such values are told of. Pure.

A test looks that every option with a telling name is in one of these lists, or is known as harmless.
"""

from collections.abc import Sequence

HIDDEN = "(not shown)"
SECRET = frozenset(
    {"passwords", "environment"}
)  # last words of options: no command, log line or error shows what they hold
FILES = frozenset({"password_file", "secret_file", "introspection_client", "key"})  # paths, which are shown
ALLOWED = {
    "passwords": '"type:name", { "key" = "name:password" }, or a list of those',
    "environment": 'a list, each element "NAME=value"',
}


def held(path: Sequence[str | int]) -> str:
    """The option that holds a secret, of those that the path of a value goes through; "" for none."""
    return next((part for part in path if isinstance(part, str) and part in SECRET), "")


def table(name: str) -> str:
    """A lookup table's "type:name", without what stands in it by itself (inline:, static:, randmap:)."""
    kind, colon, rest = name.partition(":")
    inside = kind in ("inline", "static", "randmap") or "inline:" in rest or "static:" in rest
    return f"{kind}:{HIDDEN}" if colon and inside else name


def variable(text: str) -> str:
    """ "NAME=value" without its value."""
    name, equals, _ = text.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN
