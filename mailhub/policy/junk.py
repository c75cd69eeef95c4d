"""What the filter that learns thinks of a message (`mailbox.junk`): its words, and what is known of its sender."""

from collections.abc import Awaitable, Callable

from mailhub.config import schema
from mailhub.mailbox.junk import JunkFilter
from mailhub.message import tokens
from mailhub.model.junk import Counts, Opinion

from .check import Stage, Statement
from .visit import Visit

_SHOWN = 5  # words that are named
_KNOWN = 3  # messages of a sender from which on he is known
_CLEAR = 0.8  # of them that are of one kind

AccountOf = Callable[[str], Awaitable[str]]


class Junk:
    """A Check. `account_of` says whose mailbox an address leads to, "" for none or several."""

    name = "junk"
    stage: Stage = "content"
    after = frozenset(("dkim",))

    def __init__(self, config: schema.Junk, learnt: JunkFilter, account_of: AccountOf) -> None:
        self.config, self._learnt, self._account_of = config, learnt, account_of

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        """None while too little was taught. A message to several is judged by the lessons of the site."""
        letter = visit.letter
        assert letter is not None
        account = await self._account_of(visit.recipient) if visit.recipient else ""
        proved = [
            one.domain.lower()
            for said in visit.statements.values()
            for one in said.identities
            if one.result == "pass" and one.detail != "helo"
        ]
        if (total := await self._learnt.taught(account)) is None:
            return None
        size = min(letter.size, tokens.READ)
        async with self._learnt.room(size):
            found = await self._learnt.judge(account, await letter.read(0, size), proved, total)
        if found is None:
            return None
        word, score = self._weighed(found.opinion)
        known, reason = self._sender(found.sender)
        return Statement(word, score + known, explained(found.opinion) + reason)

    def _weighed(self, opinion: Opinion) -> tuple[str, float]:
        config = self.config
        if opinion.probability >= config.junk_from:
            return "junk", config.junk_score
        if opinion.probability >= config.likely_from:
            return "likely", config.likely_score
        if opinion.probability <= config.good_to:
            return "good", config.good_score
        return "unsure", 0.0

    def _sender(self, taught: Counts) -> tuple[float, str]:
        total = taught.junk + taught.good
        if total < _KNOWN:
            return 0.0, ""
        reason = f"; of the sender's mail {taught.junk:g} was junk, {taught.good:g} good"
        if taught.junk >= _CLEAR * total:
            return self.config.sender_score, reason
        return (-self.config.sender_score if taught.good >= _CLEAR * total else 0.0), reason


def explained(opinion: Opinion) -> str:
    """In a few words."""
    words = ", ".join(f"{clue.token} {clue.probability:.2f}" for clue in opinion.clues[:_SHOWN])
    return f"{opinion.probability:.3f} by {len(opinion.clues)} words: {words}" if words else "no word of it is known"
