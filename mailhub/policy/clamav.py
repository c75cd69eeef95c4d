"""What ClamAV finds in a message (`scanners.clamd`)."""

from mailhub.config import schema
from mailhub.model.reply import Reply, plain
from mailhub.model.verdict import Action
from mailhub.net.stream import Stream
from mailhub.scanners import Service, clamd

from .check import Stage, Statement, with_grace
from .visit import Visit


class Clamav:
    """A Check. It is asked about all mail, also of who is trusted: an account's computer may be ill."""

    name = "clamav"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Clamav, service: Service) -> None:
        self.config: schema.Check = with_grace(config)
        self._limit, self._service = config.size_limit, service
        self._infected, self._oversize = Action[config.infected.upper()], Action[config.oversize.upper()]

    def concerns(self, visit: Visit) -> bool:
        """All."""
        return True

    async def ask(self, visit: Visit) -> Statement | None:
        letter = visit.letter
        assert letter is not None

        async def talk(stream: Stream) -> clamd.Scanned:
            return await clamd.scan(stream, letter.blocks(end=self._limit))

        scanned = await self._service.ask(talk)
        if scanned.found:
            refusal = Reply(550, "5.7.1", f"Message refused: it carries {plain(scanned.found)}")
            return Statement(
                "infected", reason=scanned.found, action=self._infected, reply=_for(self._infected, refusal)
            )
        if scanned.partly or letter.size > self._limit:
            refusal = Reply(550, "5.7.1", "Message refused: it is too long to be looked through for malware")
            return Statement("partly", reason="too long", action=self._oversize, reply=_for(self._oversize, refusal))
        return Statement("clean")


def _for(action: Action, refusal: Reply) -> Reply | None:
    return refusal if action is Action.REJECT else None
