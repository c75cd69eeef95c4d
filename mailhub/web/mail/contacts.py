"""Addresses that an account writes to, and that write to it: for completing them."""

from collections import OrderedDict
from collections.abc import Sequence

from aiohttp import web

from mailhub.mailbox.service import AccountMail
from mailhub.message import envelope
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import MessageRow

from ..own.signed import OWN
from ..routes import Route, answered
from .asked import Asked
from .listing import Person, persons

_LOOKED_AT = 1_000  # messages of each folder, the latest
_OCTETS = 4_000_000  # of their envelopes; a common one has 500, one with 2,000 addresses 150,000
_ADDRESSES = 50  # of a field
_FOUND, _KEPT = 10, 500  # addresses of an answer; accounts whose addresses are kept
_SENT, _CAME = 10, 1  # how much an address counts


class Contacts:
    """One per hub."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._kept: OrderedDict[str, tuple[tuple[int, ...], list[Person]]] = OrderedDict()

    def routes(self) -> list[Route]:
        query = {"q": "the beginning of a name or an address"}
        return [
            Route(
                "GET",
                OWN + "contacts",
                self._find,
                "Complete an address",
                query,
                None,
                tuple[Person, ...],
                security="account",
            )
        ]

    async def _find(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        wanted = request.query.get("q", "").strip().lower()[:320]
        known = await self._known(mail)
        return answered([one for one in known if _begins(one, wanted)][:_FOUND])

    async def _known(self, mail: AccountMail) -> list[Person]:
        """Those most used first; looked for anew where mail came or went."""
        folders = []
        for name in ("Sent", "INBOX"):
            try:
                folders.append(await mail.find(await mail.have(name) if name == "Sent" else name, "r"))
            except NotFound:
                continue
        state = tuple(folder.uidnext for folder in folders)
        kept = self._kept.get(mail.name)
        if kept is None or kept[0] != state:
            counted: dict[str, tuple[int, Person]] = {}
            for folder in folders:
                async with self._asked.looking.at(mail, folder) as look:
                    sent = folder.name != "INBOX"
                    rows = await look.view.rows(look.view.uids[-_LOOKED_AT:], rendered=True)
                    await look.view.lane.call(_count_all, counted, rows, sent)
            ordered = sorted(counted.values(), key=lambda one: -one[0])
            kept = self._kept[mail.name] = state, [person for _, person in ordered]
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(mail.name)
        return kept[1]


def _count_all(counted: dict[str, tuple[int, Person]], rows: Sequence[MessageRow], sent: bool) -> None:
    """Those of the latest messages, as many of them as have few enough octets of addresses."""
    left, first = _OCTETS, len(rows)
    while first and len(rows[first - 1].envelope) <= left:
        first -= 1
        left -= len(rows[first].envelope)
    for row in rows[first:]:
        found = envelope.parse(row.envelope, _ADDRESSES)
        _count(counted, persons((*found.to, *found.cc) if sent else found.origin), _SENT if sent else _CAME)


def _count(counted: dict[str, tuple[int, Person]], found: Sequence[Person], weight: int) -> None:
    for person in found:
        key = person.address.lower()
        count, before = counted.get(key, (0, person))
        counted[key] = count + weight, person if person.name or not before.name else before


def _begins(person: Person, wanted: str) -> bool:
    return person.address.lower().startswith(wanted) or any(
        word.startswith(wanted) for word in (person.name.lower(), *person.name.lower().split())
    )
