"""Rows of the queue, in whatever database they lie, and the values they stand for."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mailhub.model.envelope import PLAIN, MailParameters
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict

from .api import NewRecipient, QueuedRecipient, State

HELD = 5  # leased, and to be held when it comes back: a state of the table alone, ACTIVE to everybody else
RECIPIENT = (
    "item, n, address, orcpt, notify, depth, path, state, due, attempts, code, enhanced, reply, remote, warned,"
    " parent, sender, tls, tried"
)  # what `recipient_of` reads


def row(item: int, new: NewRecipient, due: float, state: State, sender: str, priority: int) -> tuple[object, ...]:
    """`sender`: the reverse-path where the recipient has none of its own."""
    path, sender = "\n".join(new.path), sender if new.sender is None else new.sender
    return (item, new.n, new.address, new.orcpt, new.notify, new.depth, new.parent, path, state, due,
            0, None, None, None, None, 0, domain(new.address), sender, priority, "", 0.0)  # fmt: skip


def domain(address: str) -> str:
    """What a recipient is filed under: its domain; the whole of an address that has none."""
    return address.rpartition("@")[2].lower()


def parameters_text(parameters: MailParameters) -> str:
    """As they are stored; "" where nothing was asked for, which is most mail."""
    return "" if parameters == PLAIN else msgspec.json.encode(parameters).decode()


def verdict_text(verdict: Verdict) -> str:
    """As it is stored; "" for what was not judged."""
    return "" if verdict == UNJUDGED else msgspec.json.encode(verdict).decode()


def moment(when: float) -> int:
    """The lowest queue id of that moment (model.ids)."""
    return max(0, int(when * 1_000_000))


def state_of(stored: int) -> State:
    if stored == HELD:
        return State.ACTIVE
    return State(stored) if stored in list(State) else State.CORRUPT


def verdict_of(text: str) -> Verdict:
    return msgspec.json.decode(text, type=Verdict) if text else UNJUDGED


def parameters_of(text: str) -> MailParameters:
    return msgspec.json.decode(text, type=MailParameters) if text else PLAIN


def recipient_of(row: Sequence[Any]) -> QueuedRecipient:
    (
        _,
        n,
        address,
        orcpt,
        notify,
        depth,
        path,
        state,
        due,
        attempts,
        code,
        enhanced,
        reply,
        remote,
        warned,
        parent,
        sender,
        tls,
        tried,
    ) = row
    last = None if code is None else Reply(code, enhanced, reply)
    steps = tuple(path.split("\n")) if path else ()
    return QueuedRecipient(n, address, orcpt, notify, depth, steps, state_of(state), due, attempts, last, remote or "",
                           bool(warned), parent, tls, tried, sender)  # fmt: skip
