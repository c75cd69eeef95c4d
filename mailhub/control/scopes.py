"""What a token may do: each action is read or write of a subject, which is the first word of its name ("queue.list")."""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from . import words

# The last word of what changes nothing.
_READING = frozenset(
    ("list", "get", "show", "find", "check", "summary", "ages", "explain", "status", "follow", "dmarc", "tls")
)
# What no token may do: make another, set a password by its digest, read or take away what lies in mailboxes, read mail that is under way, try passwords.
_BY_COMMAND = ("token.", "mail.", "queue.read", "signin.", "user.restore")


def name(kind: "type[words.Request[Any]]") -> str:
    """An action's name, such as "queue.list"."""
    return str(msgspec.inspect.type_info(kind).tag)  # type: ignore[attr-defined]


def reads(action: str) -> bool:
    return action.rpartition(".")[2] in _READING


ACTIONS: dict[str, "type[words.Request[Any]]"] = {
    name(kind): kind for kind in get_args(words.AnyRequest) if not name(kind).startswith(_BY_COMMAND)
}
FOLLOWED = ("log.follow", "trace.follow")  # streams, by HTTP alone
SUBJECTS = tuple(sorted({action.partition(".")[0] for action in (*ACTIONS, *FOLLOWED)}))


def known(scope: str) -> bool:
    subject, _, way = scope.partition(":")
    return subject in (*SUBJECTS, "*") and way in ("read", "write")


def allowed(scopes: Iterable[str], action: str) -> bool:
    """Whether one of the scopes covers it; write covers read."""
    subject = action.partition(".")[0]
    ways = ("read", "write") if reads(action) else ("write",)
    return any(f"{one}:{way}" in scopes for one in (subject, "*") for way in ways)
