"""A captured message sent on by hand: through the real queue, to somebody outside."""

from collections.abc import Sequence

from mailhub.message.reading import Message
from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.errors import Permanent
from mailhub.queue.spool import Spool

_MOST = 100  # recipients
_OURS = (b"return-path:", b"delivered-to:")  # what the delivery wrote on top


class Release:
    """`relayhost`: where it goes, "" for the MX of each recipient's domain."""

    def __init__(self, spool: Spool, clock: Clock, relayhost: str) -> None:
        self._spool, self._clock, self._order = spool, clock, f"relay:{relayhost}"

    async def send(self, message: Message, to: Sequence[str]) -> int:
        """The queue id. Permanent where an address is none."""
        if not 0 < len(to) <= _MOST or not all("@" in address[1:] and address.isprintable() for address in to):
            raise Permanent(f"1 to {_MOST} addresses to release a message to")
        number = self._spool.new_id()
        writer = self._spool.body_writer()
        writer.feed(_sent(message.raw))
        body = await writer.finish()
        envelope = Envelope(message.sender, tuple(Recipient(address) for address in to))
        await self._spool.put(number, envelope, body, b"", Origin(protocol="released"), content_filter=self._order)
        return number


def _sent(raw: bytes) -> bytes:
    """The message as its sender gave it."""
    while raw.lower().startswith(_OURS):
        raw = raw[raw.index(b"\n") + 1 :]
    return raw
