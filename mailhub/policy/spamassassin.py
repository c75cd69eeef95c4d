"""What SpamAssassin thinks of a message (`scanners.spamd`)."""

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.message import stamps
from mailhub.model.clock import Clock
from mailhub.net.stream import Stream
from mailhub.scanners import Service, spamd

from .check import Stage, Statement, with_grace
from .visit import Visit

_SHOWN = 20  # rules that are named


class Spamassassin:
    """A Check. The daemon is shown what local delivery would put before the message: Return-Path, and our Received."""

    name = "spamassassin"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Spamassassin, service: Service, hostname: str, clock: Clock) -> None:
        self.config: schema.Check = with_grace(config)
        self._spamassassin, self._service, self._hostname, self._clock = config, service, hostname, clock

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted, or all where that is wanted."""
        return self._spamassassin.trusted or not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        config, letter = self._spamassassin, visit.letter
        assert letter is not None
        if letter.size > config.size_limit:
            return Statement("unseen", reason="too long")
        user = config.user.replace("%u", visit.recipient)
        name = (await visit.name()).verified
        prefix = stamps.return_path(visit.sender or "") + stamps.received(
            replace(visit.origin, name=name), self._hostname, "check", visit.recipient or None, self._clock.now()
        )

        async def talk(stream: Stream) -> spamd.Judged:
            return await spamd.judged(stream, prefix, letter.size, letter.blocks(), user)

        said = await self._service.ask(talk)
        reason = f"{said.score:g} of {said.threshold:g}: {', '.join(said.rules[:_SHOWN]) or 'no rule'}"
        return Statement("spam" if said.spam else "ham", said.score * config.factor, reason)
