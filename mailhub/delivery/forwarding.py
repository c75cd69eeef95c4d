"""Mail that aliases send on to others: under an address of ours, whose bounces come back (SRS)."""

from mailhub.config.schema import Delivery
from mailhub.message import srs
from mailhub.model import address as addresses
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply

from .routes import Expand, Refuse

SRS_KEY = "srs_key"  # its name among the keys that are kept
NOT_OURS = "5.7.1"


class Forwarding:
    """`domain`: the one of the addresses that are made where delivery.srs_domain names none."""

    def __init__(self, key: bytes, domain: str, clock: Clock) -> None:
        self._key, self._main, self._clock = key, domain.lower(), clock
        self.configure(Delivery())

    def configure(self, config: Delivery) -> None:
        self._config = config
        self._domain = config.srs_domain.lower() or self._main

    def sender(self, sender: str) -> str | None:
        """What the mail of somebody elsewhere leaves under; None: as it is."""
        if not self._config.srs or not sender:
            return None
        try:
            return srs.rewritten(sender, self._domain, self._key, self._clock.now())
        except srs.SrsError:
            return None

    def back(self, address: str) -> Expand | Refuse | None:
        """The way of a bounce: to the sender behind the address; refused where we have not made it, or too long ago. None for
        all other addresses."""
        if not self._config.srs or addresses.domain_of(address) != self._domain or not srs.is_rewritten(address):
            return None
        try:
            return Expand((srs.original(address, self._key, self._clock.now(), self._config.srs_lifetime),))
        except srs.SrsError as error:
            return Refuse(Reply(550, NOT_OURS, f"Not an address of ours: {error}"))
