"""The states of a session (RFC 3501 section 3)."""

from enum import Enum


class State(Enum):
    """LOGOUT is no state here: the session is over."""

    NOT_AUTHENTICATED = 0
    AUTHENTICATED = 1
    SELECTED = 2


ANY = frozenset(State)
STRANGER = frozenset({State.NOT_AUTHENTICATED})
LOGGED_IN = frozenset({State.AUTHENTICATED, State.SELECTED})
SELECTED = frozenset({State.SELECTED})
