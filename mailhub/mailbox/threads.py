"""The threads of THREAD (RFC 5256 section 3): ORDEREDSUBJECT, REFERENCES, and REFS (draft-ietf-morg-inthread).

Nothing recurses: an answer to an answer may be as deep as the folder has messages.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from mailhub.message import envelope
from mailhub.message.collation import casemap
from mailhub.message.subjects import base_subject
from mailhub.model.mailbox import MessageRow
from mailhub.model.sorting import Algorithm, Node

from .sorting import sent

MAX_REFERENCES = 1_000  # of one message
_ID = re.compile(rb"<([^<>\s]+@[^<>\s]*)>")


class Message(Struct, frozen=True):
    """What threading looks at. `date`: sent; `subject`: base, folded; `answer`: a reply or forward."""

    uid: int
    date: int
    subject: str
    answer: bool
    id: bytes
    references: tuple[bytes, ...]


def message(row: MessageRow, references: bytes) -> Message:
    """A row with its envelope, and its References."""
    found = envelope.parse(row.envelope)
    subject, answer = base_subject(envelope.text(found.subject))
    own = _ID.search(found.message_id or b"")
    named = tuple(_ID.findall(references)[-MAX_REFERENCES:]) or tuple(_ID.findall(found.in_reply_to or b"")[:1])
    return Message(row.uid, sent(row, found), casemap(subject), answer, own[1] if own else b"", named)


def threads(messages: Sequence[Message], algorithm: Algorithm) -> list[Node]:
    """The threads in their order; `messages` in that of the mailbox."""
    if algorithm is Algorithm.ORDEREDSUBJECT:
        return _by_subject(messages)
    roots = _pruned(_linked(messages))
    _sort(roots)
    if algorithm is Algorithm.REFERENCES:
        roots = _same_subjects(roots)
        _sort(roots)
    else:  # as Dovecot has it
        roots.sort(key=_latest)
    return [_node(root) for root in roots]


def _latest(root: "_Box") -> int:
    return max(box.message.date for box in _all([root]) if box.message is not None)


def _by_subject(messages: Sequence[Message]) -> list[Node]:
    """Messages of one base subject: the first by date, and the others as its children."""
    found: dict[str, list[Message]] = {}
    for one in sorted(messages, key=lambda one: one.date):
        found.setdefault(one.subject, []).append(one)
    return [Node(first.uid, [Node(one.uid, []) for one in rest]) for first, *rest in found.values()]


# --- REFERENCES ------------------------------------------------------------------------------------------------------


class _Box(Struct, eq=False):
    """A message, or the place of one that is not there (`message` None). `children` by their id()."""

    message: Message | None = None
    parent: "_Box | None" = None
    children: "dict[int, _Box]" = field(default_factory=dict)
    place: int = 0

    def adopt(self, child: "_Box") -> None:
        if child.parent is not None:
            del child.parent.children[id(child)]
        child.parent = self
        self.children[id(child)] = child

    @property
    def first(self) -> Message:
        """The message, or that of the first child: `_pruned` leaves none without one."""
        found = self.message or next(iter(self.children.values())).message
        assert found is not None
        return found


def _linked(messages: Sequence[Message]) -> list[_Box]:
    """Steps 1 and 2: parents from References; the boxes that have none."""
    boxes: dict[bytes, _Box] = {}
    everyone: list[_Box] = []

    def box_of(name: bytes) -> _Box:
        found = boxes.get(name)
        if found is None:
            found = boxes[name] = _Box()
            everyone.append(found)
        return found

    for place, one in enumerate(messages):
        last: _Box | None = None
        for reference in one.references:
            box = box_of(reference)
            if last is not None and box.parent is None and not _above(box, last):
                last.adopt(box)
            last = box
        own = box_of(one.id) if one.id else _Box()
        if own.message is not None or not one.id:  # without an id, or with that of another: nobody can refer to it
            own = _Box()
            everyone.append(own)
        own.message, own.place = one, place
        if last is not None and not _above(own, last):
            last.adopt(own)
    return [box for box in everyone if box.parent is None]


def _above(box: _Box, other: _Box) -> bool:
    """Is `box` `other`, or above it?"""
    if not box.children:
        return box is other
    at: _Box | None = other
    while at is not None and at is not box:
        at = at.parent
    return at is box


def _pruned(roots: Sequence[_Box]) -> list[_Box]:
    """Step 3: places of missing messages go where they have no children; else their children take their place, but at the
    top, where that is done for an only child alone."""
    for box in reversed(list(_all(roots))):
        kept: dict[int, _Box] = {}
        for child in box.children.values():
            kept |= child.children if child.message is None else {id(child): child}
        for child in kept.values():
            child.parent = box
        box.children = kept
    out: list[_Box] = []
    for root in roots:
        if root.message is None and len(root.children) < 2:
            for child in root.children.values():
                child.parent = None
                out.append(child)
        else:
            out.append(root)
    return out


def _all(roots: Sequence[_Box]) -> Iterator[_Box]:
    """Every box, parents before their children."""
    waiting = list(roots)
    while waiting:
        box = waiting.pop()
        yield box
        waiting += box.children.values()


def _sort(roots: list[_Box]) -> None:
    """Steps 4 and 6: siblings by date, equals in the order of the mailbox; a missing one has the date of its first child."""

    def order(box: _Box) -> tuple[int, int]:
        first = box if box.message is not None else next(iter(box.children.values()))
        return first.first.date, first.place

    for box in reversed(list(_all(roots))):
        if len(box.children) > 1:
            box.children = {id(child): child for child in sorted(box.children.values(), key=order)}
    roots.sort(key=order)


def _same_subjects(roots: Sequence[_Box]) -> list[_Box]:
    """Step 5: threads of one base subject are joined."""
    table: dict[str, _Box] = {}
    for root in roots:
        there = table.get(root.first.subject)
        if there is None or (
            there.message is not None and (root.message is None or (there.message.answer and not root.message.answer))
        ):
            table[root.first.subject] = root
    out = list(roots)
    for root in roots:
        subject = root.first.subject
        there = table[subject]
        if not subject or there is root or root.parent is not None:
            continue
        if there.message is None and root.message is None:
            for child in list(root.children.values()):
                there.adopt(child)
        elif there.message is None or (root.message is not None and root.message.answer and not there.message.answer):
            there.adopt(root)
        else:
            joined = table[subject] = _Box()
            joined.adopt(there)
            joined.adopt(root)
            out.append(joined)
    return [box for box in out if box.parent is None and (box.message is not None or box.children)]


def _node(root: _Box) -> Node:
    made: dict[int, Node] = {}
    for box in reversed(list(_all([root]))):
        made[id(box)] = Node(box.message.uid if box.message else 0, [made[child] for child in box.children])
    return made[id(root)]
