"""Answers of SEARCH's relatives: ESEARCH (RFC 4731 section 3.1), THREAD (RFC 5256 section 4)."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from mailhub.model.sorting import Node

from . import responses, sequences
from .search_commands import Returns


def esearch(correlator: bytes, items: Iterable[bytes], *, by_uid: bool) -> bytes:
    """esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)"""
    words = [b"* ESEARCH (" + correlator + b")", *([b"UID"] if by_uid else []), *items]
    return b" ".join(words) + b"\r\n"


def tag(of: bytes) -> bytes:
    """search-correlator, without its parentheses"""
    return b"TAG " + responses.string(of)


def in_mailbox(of: bytes, mailbox: str, uidvalidity: int) -> bytes:
    """The correlator of RFC 7377 section 2.1."""
    return b"%b MAILBOX %b UIDVALIDITY %d" % (tag(of), responses.mailbox(mailbox), uidvalidity)


def returned(wanted: Returns, numbers: Sequence[int], modseq: int = 0) -> Iterator[bytes]:
    """What was asked of `numbers`, which are in the order of the answer; MIN and MAX are the first and the last of them
    (RFC 5267 section 3.2), and what does not exist is left out. `modseq`: RFC 7162 section 3.1.10."""
    if "MIN" in wanted.options and numbers:
        yield b"MIN %d" % numbers[0]
    if "MAX" in wanted.options and numbers:
        yield b"MAX %d" % numbers[-1]
    if "ALL" in wanted.options and numbers:
        yield b"ALL " + sequences.compress(numbers)
    if "COUNT" in wanted.options:
        yield b"COUNT %d" % len(numbers)
    if wanted.partial is not None:
        chosen = sequences.compress(part(wanted.partial, numbers)) or b"NIL"
        yield b"PARTIAL (%d:%d %b)" % (*wanted.partial, chosen)
    if modseq:
        yield b"MODSEQ %d" % modseq


def part(partial: tuple[int, int], numbers: Sequence[int]) -> Sequence[int]:
    """The results at these places; counted from the end where they are below zero (RFC 9394 section 3.1)."""
    low, high = partial
    if low > 0:
        return numbers[low - 1 : high]
    return numbers[max(0, len(numbers) + high) : max(0, len(numbers) + low + 1)]


def thread(roots: Iterable[Node], number: Callable[[int], int]) -> bytes:
    """THREAD; `number` says what to call a UID. A thread may be as deep as the mailbox has messages: nothing recurses."""
    out = [b"* THREAD "]
    for root in roots:
        out.append(b"(")
        waiting: list[Node | bytes] = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, bytes):
                out.append(node)
                continue
            if node.uid:
                out.append(b"%d" % number(node.uid))
            if len(node.children) == 1:
                out.append(b" " if node.uid else b"")
                waiting.append(node.children[0])
            elif node.children:
                out.append(b" " if node.uid else b"")
                for child in reversed(node.children):
                    waiting += [b")", child, b"("]
        out.append(b")")
    return b"".join(out).rstrip(b" ") + b"\r\n"
