"""The junk filter as an operator teaches and asks it."""

from mailhub.directory import Directory
from mailhub.mailbox.junk import JunkFilter
from mailhub.model.errors import NotFound
from mailhub.store.api import JunkStore

from . import junk_words as words

_KINDS = {"junk": True, "good": False, "forget": None}


class Junk:
    """The actions on it; NotFound where there is no such account."""

    def __init__(self, directory: Directory, store: JunkStore, learnt: JunkFilter) -> None:
        self._directory, self._store, self._learnt = directory, store, learnt

    async def train(self, request: words.JunkTrain) -> words.Taught:
        account = await self._account(request.account)
        return words.Taught(new=await self._learnt.learn(account, request.message, _KINDS[request.kind]))

    async def explain(self, request: words.JunkExplain) -> words.JunkOpinion:
        found = await self._learnt.judge(await self._account(request.account), request.message)
        if found is None:
            return words.JunkOpinion(probability=None)
        clues = tuple(
            words.Clue(word=one.token, junk=one.counts.junk, good=one.counts.good, probability=one.probability)
            for one in found.opinion.clues
        )
        return words.JunkOpinion(probability=found.opinion.probability, clues=clues)

    async def page(self, request: words.JunkList) -> tuple[words.JunkOwner, ...]:
        rows = await self._store.sizes(request.after, request.limit)
        return tuple(words.JunkOwner(account=name, junk=c.junk, good=c.good, words=count) for name, c, count in rows)

    async def _account(self, address: str) -> str:
        if not address:
            return ""
        found = await self._directory.account(address)
        if found is None:
            raise NotFound(f"no account {address}")
        return found.name
