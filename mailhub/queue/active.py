"""The active set: how many messages are under delivery, and whose. Nobody may have so much of it that no room is left for
others: a destination has at most half of what is free beside it, a sender (who may write to many) three times that much."""

from collections import Counter, OrderedDict
from collections.abc import Iterable

from msgspec import Struct

from mailhub.model.address import domain_of
from mailhub.store.api import Busy, Item

_ALWAYS = 2  # messages that anybody may have in it
_DESTINATION, _SENDER = 0.5, 3.0  # places that one may have for each that is free
_RECIPIENTS = 50  # recipients that are worth one more place
_LEARNT = 10_000  # domains whose destination is another


class _Member(Struct, frozen=True):
    sender: str
    destinations: frozenset[str]
    places: int


class ActiveSet:
    """By lease. A destination is a domain, or what deliveries for it have been found to share (a relayhost)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._members: dict[int, _Member] = {}
        self._taken = 0
        self._senders: Counter[str] = Counter()
        self._destinations: Counter[str] = Counter()
        self._via: OrderedDict[str, str] = OrderedDict()  # domain: destination
        self._passed = Busy()  # who was passed over when mail was last leased

    def __len__(self) -> int:
        return len(self._members)

    @property
    def room(self) -> int:
        """Places that are free."""
        return max(0, self.limit - self._taken)

    def learn(self, domain: str, destination: str) -> None:
        """Mail for `domain` leaves by that destination."""
        if domain == destination:
            self._via.pop(domain, None)
            return
        self._via[domain] = destination
        if len(self._via) > _LEARNT:
            self._via.popitem(last=False)

    def fits(self, sender: str, recipients: Iterable[str]) -> bool:
        """Whether a new message may be attempted at once."""
        return (
            self.room > 0
            and self._senders[sender] < self._most(_SENDER)
            and all(self._destinations[name] < self._most(_DESTINATION) for name in self._names(recipients))
        )

    def add(self, item: Item) -> None:
        addresses = [recipient.address for recipient in item.recipients]
        member = _Member(item.sender, self._names(addresses), 1 + len(addresses) // _RECIPIENTS)
        self._members[item.lease] = member
        self._count(member, 1)

    def remove(self, lease: int) -> bool:
        """Whether somebody who was passed over has room again."""
        member = self._members.pop(lease)
        self._count(member, -1)
        if member.sender in self._passed.senders and self._senders[member.sender] < self._most(_SENDER):
            return True
        freed = {name for name in member.destinations if self._destinations[name] < self._most(_DESTINATION)}
        return any(self._via.get(domain, domain) in freed for domain in self._passed.domains)

    def busy(self) -> Busy:
        """Who has their share now; remembered until `remove` makes room for one of them."""
        names = {name for name, count in self._destinations.items() if count >= self._most(_DESTINATION)}
        domains = names | {domain for domain, name in self._via.items() if name in names}
        senders = frozenset(sender for sender, count in self._senders.items() if count >= self._most(_SENDER))
        self._passed = Busy(frozenset(domains), senders)
        return self._passed

    def _most(self, share: float) -> float:
        return max(_ALWAYS, self.room * share)

    def _names(self, addresses: Iterable[str]) -> frozenset[str]:
        domains = {domain_of(address) or address.lower() for address in addresses}
        return frozenset(self._via.get(domain, domain) for domain in domains)

    def _count(self, member: _Member, sign: int) -> None:
        self._taken += sign * member.places
        for counter, names in ((self._senders, (member.sender,)), (self._destinations, member.destinations)):
            for name in names:
                counter[name] += sign * member.places
                if not counter[name]:
                    del counter[name]
