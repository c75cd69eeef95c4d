"""The calls that users of MailHog make, answered in its shapes (API v2, and deleting by v1)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from mailhub.message import headers
from mailhub.message.parts import Part, parse
from mailhub.message.reading import Message
from mailhub.model.address import split

from ..routes import Route, answered, read
from .caught import Caught, Place
from .release import Release
from .search import Criteria, Fits, parsed

_MOST = 250  # messages of one page


class _Target(msgspec.Struct):
    email: str


class MailHog:
    def __init__(self, caught: Caught, release: Release) -> None:
        self._caught, self._release = caught, release

    def routes(self) -> list[Route]:
        table = (
            ("GET", "/api/v2/messages", self._messages),
            ("GET", "/api/v2/search", self._search),
            ("GET", "/api/v1/messages/{id}", self._one),
            ("DELETE", "/api/v1/messages/{id}", self._delete),
            ("POST", "/api/v1/messages/{id}/release", self._released),
        )
        return [Route(method, path, handler, hidden=True) for method, path, handler in table]

    async def _messages(self, request: web.Request) -> web.Response:
        return answered(await self._page(request, await self._caught.places()))

    async def _search(self, request: web.Request) -> web.Response:
        kind, query = request.query.get("kind", "containing"), request.query.get("query", "")
        fits: Fits = {"from": Criteria(sender=query), "to": Criteria(to=query)}.get(kind) or parsed(f'"{query}"')
        places = [place for place in await self._caught.places() if fits(await self._caught.message(place))]
        return answered(await self._page(request, places))

    async def _page(self, request: web.Request, places: Sequence[Place]) -> dict[str, Any]:
        start, limit = max(0, int(request.query.get("start", 0))), int(request.query.get("limit", 50))
        shown = places[start : start + max(0, min(_MOST, limit))]
        items = [_item(place, await self._caught.message(place)) for place in shown]
        return {"total": len(places), "count": len(items), "start": start, "items": items}

    async def _one(self, request: web.Request) -> web.Response:
        place = await self._caught.place(request.match_info["id"])
        return answered(_item(place, await self._caught.message(place)))

    async def _delete(self, request: web.Request) -> web.Response:
        await self._caught.delete([await self._caught.place(request.match_info["id"])])
        return web.Response()

    async def _released(self, request: web.Request) -> web.Response:
        place = await self._caught.place(request.match_info["id"])
        await self._release.send(await self._caught.message(place), ((await read(request, _Target)).email,))
        return web.Response()


def _item(place: Place, message: Message) -> dict[str, Any]:
    created = datetime.fromtimestamp(place.received, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw = message.raw.decode("utf-8", "replace")
    whole = parse(message.raw)
    return {
        "ID": place.id,
        "From": _path(message.sender),
        "To": [_path(message.recipient)],
        "Content": _content(message.raw, whole) | {"Size": len(message.raw), "MIME": None},
        "Created": created,
        "MIME": _mime(message.raw, whole),
        "Raw": {"From": message.sender, "To": [message.recipient], "Data": raw, "Helo": ""},
    }  # fmt: skip


def _content(raw: bytes, part: Part) -> dict[str, Any]:
    """A part, or the message as one; nothing of it decoded but what stands in its header."""
    fields: dict[str, list[str]] = {}
    for name, value in headers.fields(raw[part.start : part.body]):
        fields.setdefault(name.decode("ascii"), []).append(headers.decode(value))
    body = raw[part.body : part.end].decode("utf-8", "replace")
    return {"Headers": fields, "Body": body, "Size": part.end - part.start, "MIME": _mime(raw, part)}


def _mime(raw: bytes, part: Part) -> dict[str, Any] | None:
    return {"Parts": [_content(raw, inner) for inner in part.parts]} if part.multipart else None


def _path(address: str) -> dict[str, Any]:
    mailbox, domain = split(address)
    return {"Relays": None, "Mailbox": mailbox, "Domain": domain, "Params": ""}
