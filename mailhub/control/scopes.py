"""What a token may do: each action is read or write of a subject, which is the first word of its name ("queue.list"). A scope that ends
with a domain ("user:write@example.org") is good for what its administrators may do there (`delegated`), and for nothing else."""

from collections.abc import Iterable
from typing import Any, get_args

from mailhub.config.rules import is_domain

from . import words

# The last word of what changes nothing.
_READING = frozenset(
    ("list", "get", "show", "find", "check", "summary", "ages", "explain", "status", "follow", "dmarc", "tls")
)
# What no token may do: make another, set a password by its digest, read or take away what lies in mailboxes, read mail that is under way, try passwords.
_BY_COMMAND = ("token.", "mail.", "queue.read", "signin.", "user.restore")


def name(kind: "type[words.Request[Any]]") -> str:
    """An action's name, such as "queue.list"."""
    return str(kind.__struct_config__.tag)


def reads(action: str) -> bool:
    return action.rpartition(".")[2] in _READING


ACTIONS: dict[str, "type[words.Request[Any]]"] = {
    name(kind): kind for kind in get_args(words.AnyRequest) if not name(kind).startswith(_BY_COMMAND)
}
FOLLOWED = ("log.follow", "trace.follow")  # streams, by HTTP alone
SUBJECTS = tuple(sorted({action.partition(".")[0] for action in (*ACTIONS, *FOLLOWED)}))


def known(scope: str) -> bool:
    subject, _, rest = scope.partition(":")
    way, at, domain = rest.partition("@")
    return subject in (*SUBJECTS, "*") and way in ("read", "write") and (not at or is_domain(domain))


def allowed(scopes: Iterable[str], action: str) -> bool:
    """Whether one of the scopes covers it for the whole server; write covers read."""
    return any(scope in _covering(action) for scope in scopes)


def is_whole(scopes: Iterable[str]) -> bool:
    """Whether they are as good as an operator's browser: what is less touches no administrator (`delegated.spare`)."""
    return "*:write" in scopes


def domains(scopes: Iterable[str], action: str) -> frozenset[str]:
    """The domains that the scopes cover it for, one by one."""
    parts = [scope.partition("@") for scope in scopes]
    return frozenset(domain for scope, at, domain in parts if at and scope in _covering(action))


def _covering(action: str) -> set[str]:
    subject = action.partition(".")[0]
    ways = ("read", "write") if reads(action) else ("write",)
    return {f"{one}:{way}" for one in (subject, "*") for way in ways}
