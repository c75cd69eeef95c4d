"""STORE (RFC 3501 section 6.4.6), also where nothing has changed since (RFC 7162 section 3.1.3)."""

from typing import TYPE_CHECKING

from mailhub.model.mailbox import KEYWORD_SHIFT, SYSTEM_FLAGS, FlagOp
from mailhub.wire.imap import commands, sequences

from . import messages, sync, updates
from .answers import Answer, Refused, bad, no, ok
from .selected import must_be_writable

if TYPE_CHECKING:
    from .session import ImapSession

PAGE = 1_000  # messages of one unit
_BITS = {name.upper(): bit for name, bit in SYSTEM_FLAGS.items()}


def split_flags(flags: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Names to (system flags, keywords). \\Recent is not a client's to set (RFC 3501 section 2.3.2)."""
    bits, keywords = 0, []
    for flag in flags:
        if not flag.startswith("\\"):
            keywords.append(flag)
        elif flag.upper() in _BITS:
            bits |= _BITS[flag.upper()]
        elif flag.upper() != "\\RECENT":
            raise Refused(bad("Unknown system flag"))
    return bits, tuple(dict.fromkeys(keywords))


async def store(session: "ImapSession", verb: commands.Store) -> Answer:
    """The new flags come back as FETCH, unless silence is asked for."""
    spans = messages.places(session.view, verb.messages)
    must_be_writable(session)
    if verb.unchanged_since is not None:
        await sync.learn(session)
    storing = _Store(session, verb)
    spans, code = messages.limited(session, spans)
    total = sum(map(len, spans))
    for n, page in enumerate(messages.pages(spans, PAGE), 1):
        await storing.page(page)
        await session.flush()
        await session.progress(n * PAGE, total)
    answer = storing.answer()
    return ok(answer.text, code) if code and not answer.code else answer


class _Store:
    """One STORE, and the messages that it did not change: `modified` since, by number or UID as the client names them;
    `gone`: there were some that are not there any more."""

    def __init__(self, session: "ImapSession", verb: commands.Store) -> None:
        self._session, self._view, self._verb = session, session.view, verb
        self._bits, self._keywords = split_flags(verb.flags)
        self._modified: list[int] = []
        self._gone = False

    async def page(self, page: list[int]) -> None:
        view, verb = self._view, self._verb
        before = [view.flags[place] for place in page]
        known = view.folder.keywords
        uids = [view.uids[place] for place in page]
        rows, refused = await view.set_flags(uids, verb.op, self._bits, self._keywords, verb.unchanged_since)
        if refused and verb.op is not FlagOp.REPLACE:
            more, refused = await self._although_changed(refused)
            rows += more
        if view.folder.keywords != known:
            self._session.write(updates.flags_lines(view))
        done, left = {row[0] for row in rows}, set(refused)
        self._modified += [self._named(place) for place in page if view.uids[place] in left]
        self._gone = self._gone or not {*uids} <= done | left
        words = updates.flag_words(self._session)
        lines = []
        for place, was in zip(page, before, strict=True):
            uid, now = view.uids[place], view.flags[place]
            if uid not in done:
                continue
            loud = not verb.silent or now != self._expected(was)
            if loud or self._session.condstore:
                items = [b"FLAGS %b" % words(uid, now)] if loud else []
                lines.append(self._line(place, items))
        self._session.write(b"".join(lines))

    async def _although_changed(self, refused: list[int]) -> tuple[list[tuple[int, int, int]], list[int]]:
        """RFC 7162 section 3.1.12: what has changed since, but in none of the flags that are to be set or taken away, as far as
        this session has told of them, does not fail."""
        view, since = self._view, self._verb.unchanged_since or 0
        asked = self._asked()
        known = {
            uid: view.flags[at] for uid in refused if (at := view.place(uid)) is not None and view.modseqs[at] <= since
        }
        found = await view.rows(refused, rendered=False)
        fit = [row for row in found if row.uid in known and not (row.flags ^ known[row.uid]) & asked]
        if not fit:
            return [], refused
        latest = max(row.modseq for row in fit)
        rows, changed_again = await view.set_flags(
            [row.uid for row in fit], self._verb.op, self._bits, self._keywords, latest
        )
        return rows, sorted({*refused}.difference(row.uid for row in fit) | {*changed_again})

    def _named(self, place: int) -> int:
        return self._view.uids[place] if self._verb.messages.by_uid else place + 1

    def _line(self, place: int, items: list[bytes]) -> bytes:
        """RFC 7162 section 3.2.4: for who knows mod-sequences each FETCH has its UID."""
        if (self._verb.messages.by_uid or self._session.condstore) and not self._session.uid_only:
            items.insert(0, b"UID %d" % self._view.uids[place])
        if self._session.condstore:
            items.append(b"MODSEQ (%d)" % self._view.modseqs[place])
        return updates.fetch_of(self._session, place) + b" ".join(items) + b")\r\n"

    def _expected(self, was: int) -> int:
        """The flags as the client will think they are; where another session changed them too, silence would mislead it."""
        asked = self._asked()
        return {FlagOp.REPLACE: asked, FlagOp.ADD: was | asked, FlagOp.REMOVE: was & ~asked}[self._verb.op]

    def _asked(self) -> int:
        """The flags of the command as a flags number."""
        names = {name.lower(): n for n, name in enumerate(self._view.folder.keywords)}
        words = {word.lower() for word in self._keywords} & names.keys()  # one taken away need not be known
        return self._bits | sum(1 << KEYWORD_SHIFT + names[word] for word in words)

    def answer(self) -> Answer:
        """RFC 7162 section 3.1.3, example 11: those that are gone are not among MODIFIED."""
        code = f"MODIFIED {sequences.compress(self._modified).decode()}" if self._modified else ""
        if self._gone and self._verb.unchanged_since is not None:
            return no("Some messages no longer exist", code or "EXPUNGEISSUED")
        if self._gone:
            return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
        return ok("Some messages were modified" if code else "Flags stored", code)
