"""Whose an address is: who may write with it as the sender.

smtp.sender_login knows it      the logins that stand there, and nobody else: the address, the same without its tag, @domain
it does not                     the account of that name, with or without a tag; and every account that aliases and catch-alls
                                lead to, through as many levels as there are
"""

from collections import deque
from collections.abc import Sequence

from mailhub.delivery.router import Known, Router
from mailhub.delivery.routes import Expand, Local
from mailhub.model import address, steps
from mailhub.model.clock import Clock
from mailhub.tables import Table

from .access import mail_keys
from .counters import Recent

ADDRESSES = 1_000  # that one address may lead through; who is not found among them owns nothing
KEPT = 10.0  # seconds that an answer is remembered
ANSWERS = 10_000  # remembered


class Ownership:
    """`table`: smtp.sender_login; None where there is none."""

    def __init__(self, router: Router, table: Table | None, clock: Clock, delimiter: str) -> None:
        self._router, self._table, self._clock, self._delimiter = router, table, clock, delimiter
        self._led: Recent[str, frozenset[str]] = Recent(KEPT, ANSWERS)

    async def owns(self, login: str, sender: str) -> bool:
        """Whether that login may write as `sender`. Temporary where that can not be told now."""
        if (owners := await self._named(sender)) is not None:
            return login.lower() in owners
        key = address.key(login)
        if address.key(sender) == key:
            return True
        return not address.domain_of(sender).startswith("[") and key in await self._accounts(sender)

    async def owned(self, sender: str) -> bool:
        """Whether it is somebody's."""
        if await self._named(sender) is not None:
            return True
        return not address.domain_of(sender).startswith("[") and await self._router.peek(sender) is Known.LOCAL

    async def _named(self, sender: str) -> Sequence[str] | None:
        """What the table says: logins in lower case; None where it does not know the address."""
        if self._table is None:
            return None
        for key in mail_keys(sender, self._delimiter):
            if (value := await self._table.lookup(key)) is not None:
                return value.lower().replace(",", " ").split()
        return None

    async def _accounts(self, sender: str) -> frozenset[str]:
        """The accounts that mail to that address ends in."""
        key, now = address.key(sender), self._clock.monotonic()
        found = self._led.get(key, now)
        if found is None:
            found = await self._followed(key)
            self._led.put(key, found, now)
        return found

    async def _followed(self, first: str) -> frozenset[str]:
        """Level by level: near owners are found also where an alias leads to more than we look at."""
        found: set[str] = set()
        seen, left = {first}, ADDRESSES
        waiting: deque[tuple[str, tuple[str, ...]]] = deque([(first, ())])
        while waiting:
            name, path = waiting.popleft()
            route = await self._router.route(name, path)
            if isinstance(route, Local):
                found.add(route.account)
            elif isinstance(route, Expand):
                for child, trail in route.children(name, path):
                    if (mark := steps.divided(trail)[1]) is not None and mark.where:
                        continue  # commands, files and long lists own nothing
                    target = address.key(child)
                    if left and (
                        target not in seen or target in trail or mark
                    ):  # who leads to himself means his own mailbox
                        seen.add(target)
                        waiting.append((target, trail))
                        left -= 1
        return frozenset(found)
