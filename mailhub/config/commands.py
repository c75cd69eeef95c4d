"""Arguments of a program, with the macros of pipe(8): `$name`, `${name}`, `$(name)`; `$$` is a dollar. Pure."""

import re
from collections.abc import Callable

# What differs from one recipient to the next: an argument with one of them is given once for each.
OF_RECIPIENT = frozenset(("recipient", "original_recipient", "mailbox", "user", "extension", "domain"))
OF_MESSAGE = frozenset(
    (
        "sender", "nexthop", "queue_id", "size", "envid", "client_address", "client_helo", "client_hostname",
        "client_protocol", "sasl_username",
    )
)  # fmt: skip
FLAGS = "BDFORXhqu.>"

_MACRO = re.compile(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+)|(\$))")


def names(argument: str) -> set[str]:
    """The macros in it."""
    return {found for groups in _MACRO.findall(argument) if (found := groups[0] or groups[1] or groups[2])}


def filled(argument: str, value: Callable[[str], str]) -> str:
    """With the values in their places; what is in a value stays as it is."""
    return _MACRO.sub(lambda found: "$" if found[4] else value(found[1] or found[2] or found[3]), argument)
