"""SEARCH (RFC 3501 section 6.4.4), SORT and THREAD (RFC 5256), with what RETURN asks (RFC 4731, 5182, 5267, 9394)."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mailhub.model.errors import MailError
from mailhub.model.search import Key
from mailhub.model.sorting import Criterion
from mailhub.wire.imap import commands, responses, search_responses
from mailhub.wire.imap.search_commands import Program, Returns

from . import sync
from .answers import Answer, Refused, bad, no, ok

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession

_ALL = Returns(frozenset({"ALL"}))
CHARSETS = "US-ASCII UTF-8 GB18030 GBK BIG5 SHIFT_JIS EUC-KR ISO-8859-1 KOI8-R"  # the best known of those that are


async def search(session: "ImapSession", verb: commands.Search) -> Answer:
    """The view answers with UIDs; what another session expunged meanwhile still has its number here."""
    await _answer(session, verb.program, (), b"SEARCH", by_uid=verb.by_uid)
    return ok("Search completed")


async def sort(session: "ImapSession", verb: commands.Sort) -> Answer:
    """RFC 5256 section 3, BASE.6.4.SORT."""
    await _answer(session, verb.program, verb.criteria, b"SORT", by_uid=verb.by_uid)
    return ok("Sort completed")


async def thread(session: "ImapSession", verb: commands.Thread) -> Answer:
    """RFC 5256 section 3, BASE.6.4.THREAD."""
    view = session.view
    found = await view.search(known(verb.program), progress=session.progress)
    roots = await view.threads(found, verb.algorithm)
    session.write(search_responses.thread(roots, _numbering(view, by_uid=verb.by_uid)))
    await session.flush()
    return ok("Thread completed")


async def cancel_update(session: "ImapSession", verb: commands.CancelUpdate) -> Answer:
    """RFC 5267 section 4.4."""
    for tag in verb.tags:
        session.contexts.cancel(tag)
    return ok("Updates cancelled")


def known(program: Program) -> Key:
    """Its key; BADCHARSET where that could not be read (RFC 3501 section 6.4.4)."""
    if program.key is None:
        raise Refused(no("Unknown charset", f"BADCHARSET ({CHARSETS})"))
    return program.key


async def _answer(
    session: "ImapSession",
    program: Program,
    criteria: Sequence[Criterion],
    name: bytes,
    *,
    by_uid: bool,
) -> None:
    view, returns = session.view, program.returns
    if returns is None and session.rev2:  # RFC 9051 section 7.3.4
        returns = _ALL
    saving = returns is not None and "SAVE" in returns.options
    if returns is not None and "UPDATE" in returns.options and session.tag in session.contexts:
        raise Refused(bad("Tag reuse"))  # RFC 5267 section 4.3
    try:
        found = await view.search(known(program), progress=session.progress)
        if criteria:
            found = await view.sort(found, criteria)
    except (MailError, Refused):
        if saving:
            view.save(())  # RFC 5182 section 2.1: after NO it is empty
        raise
    numbers = found if by_uid else list(map(_numbering(view, by_uid=False), found))
    modseq = await _modseq(session, program, found if returns is None else _some(returns, found))
    if returns is None:
        session.write(responses.numbers(name, numbers, modseq))
    else:
        if saving:
            view.save(_some(returns, found))
        if returns.options != {"SAVE"} or returns.partial is not None:
            items = search_responses.returned(returns, numbers, modseq)
            session.write(search_responses.esearch(search_responses.tag(session.tag), items, by_uid=by_uid))
        if "UPDATE" in returns.options:
            await session.contexts.begin(session, program, criteria, found, by_uid=by_uid)
    await session.flush()


async def _modseq(session: "ImapSession", program: Program, uids: Sequence[int]) -> int:
    """The highest mod-sequence of those, where the search names mod-sequences (RFC 7162 section 3.1.5); else 0."""
    if not sync.asks_modseq(known(program)):
        return 0
    await sync.learn(session)
    view = session.view
    return max((view.modseqs[bisect_left(view.uids, uid)] for uid in uids), default=0)


def _numbering(view: "FolderView", *, by_uid: bool) -> Callable[[int], int]:
    """What the client calls a UID."""
    uids = view.uids
    return (lambda uid: uid) if by_uid else (lambda uid: bisect_left(uids, uid) + 1)


def _some(returns: Returns, found: Sequence[int]) -> Sequence[int]:
    """What is saved (RFC 5182 section 2.4, RFC 9394 section 3.1), and whose mod-sequence is told (RFC 7162 section 3.1.10): all,
    but where only MIN, MAX or PARTIAL is asked, what those name."""
    if returns.options & {"ALL", "COUNT"} or not (returns.options & {"MIN", "MAX"} or returns.partial):
        return found
    some = set(search_responses.part(returns.partial, found)) if returns.partial else set()
    if found and "MIN" in returns.options:
        some.add(found[0])
    if found and "MAX" in returns.options:
        some.add(found[-1])
    return sorted(some)
