"""Untagged responses for what happened in the selected mailbox (RFC 3501 sections 5.2, 7.3 and 7.4)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mailhub.model.mailbox import SYSTEM_FLAGS, settable
from mailhub.wire.imap import responses, sequences

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession

RECENT = "\\Recent"
PAGE = 1_000  # lines between two pauses


async def tell(session: "ImapSession", *, expunges: bool, flags: bool = True) -> None:
    """Bring the view up to date, and the client with it; without `flags` not with those. NotFound where the mailbox is gone."""
    view = session.view
    before = view.uids  # another array takes its place where messages go
    delta = await view.sync(expunges=expunges)
    if delta.expunged:
        session.contexts.expunged(session, before)
    if delta.keywords:
        session.write(flags_lines(view))
    if session.by_uid:
        lines = [responses.vanished(sequences.compress(delta.vanished))] if delta.vanished else []
    else:
        lines = [b"* %d EXPUNGE\r\n" % number for number in delta.expunged]
    if delta.exists is not None:
        lines.append(b"* %d EXISTS\r\n" % delta.exists)
    if delta.recent is not None and not session.rev2:
        lines.append(b"* %d RECENT\r\n" % delta.recent)
    words = flag_words(session)
    if flags:
        lines += [fetch_of(session, n - 1) + flags_of(session, n - 1, words) for n, _, _ in delta.flags]
    for start in range(0, len(lines), PAGE):
        session.write(b"".join(lines[start : start + PAGE]))
        await session.flush()
    await session.contexts.refresh(session)


def fetch_of(session: "ImapSession", place: int) -> bytes:
    """How the FETCH of a message begins; for who knows no message numbers, UIDFETCH (RFC 9586 section 3.3)."""
    if session.uid_only:
        return b"* %d UIDFETCH (" % session.view.uids[place]
    return b"* %d FETCH (" % (place + 1)


def flags_of(session: "ImapSession", place: int, words: Callable[[int, int], bytes]) -> bytes:
    """The rest of a FETCH that tells flags, with the mod-sequence where the client knows those."""
    view = session.view
    uid = view.uids[place]
    named = b"" if session.uid_only else b"UID %d " % uid
    modseq = b" MODSEQ (%d)" % view.modseqs[place] if session.condstore else b""
    return b"%bFLAGS %b%b)\r\n" % (named, words(uid, view.flags[place]), modseq)


def flags_lines(view: "FolderView") -> bytes:
    """FLAGS, and PERMANENTFLAGS: what this session may set for good ("\\*": new keywords too)."""
    names = [*SYSTEM_FLAGS, *view.folder.keywords]
    may = 0 if view.read_only else settable(view.rights)  # RFC 4314 section 5.1.1
    permanent = responses.flag_names(may, view.folder.keywords) + (["\\*"] if may < 0 else [])
    return b"* FLAGS %b\r\n* OK [PERMANENTFLAGS %b] Flags that last\r\n" % (
        responses.flag_list(names),
        responses.flag_list(permanent),
    )


def flag_words(session: "ImapSession") -> Callable[[int, int], bytes]:
    """A function (uid, flags number) -> flag list; few combinations occur, so each is written once."""
    keywords: Sequence[str] = session.view.folder.keywords
    known: dict[tuple[int, bool], bytes] = {}
    recent = frozenset[int]() if session.rev2 else session.view.recent  # IMAP4rev2 has no \Recent

    def words(uid: int, flags: int) -> bytes:
        key = flags, uid in recent
        found = known.get(key)
        if found is None:
            names = responses.flag_names(flags, keywords)
            found = known[key] = responses.flag_list([*names, RECENT] if key[1] else names)
        return found

    return words
