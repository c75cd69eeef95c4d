"""The calls that users of Mailpit make, answered in its shapes (API v1)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any

import msgspec
from aiohttp import web

from mailhub import __version__
from mailhub.message.reading import Message

from ..routes import Route, answered, read
from ..safety import MESSAGE
from .caught import Caught, Place
from .links import LinkCheck
from .release import Release
from .search import parsed

_SNIPPET = 250  # characters
_MOST = 1_000  # messages of one page

Json = dict[str, Any]


class _Ids(msgspec.Struct):
    IDs: tuple[str, ...] = ()
    Read: bool = False


class _To(msgspec.Struct):
    To: tuple[str, ...]


class Mailpit:
    def __init__(self, caught: Caught, release: Release, links: LinkCheck) -> None:
        self._caught, self._release, self._links = caught, release, links

    def routes(self) -> list[Route]:
        message = "/api/v1/message/{id}"
        table = (
            ("GET", "/api/v1/info", self._info),
            ("GET", "/api/v1/messages", self._messages),
            ("PUT", "/api/v1/messages", self._mark),
            ("DELETE", "/api/v1/messages", self._delete),
            ("GET", "/api/v1/search", self._search),
            ("DELETE", "/api/v1/search", self._delete_found),
            ("GET", message, self._message),
            ("GET", message + "/headers", self._headers),
            ("GET", message + "/raw", self._raw),
            ("GET", message + "/part/{part}", self._part),
            ("GET", message + "/link-check", self._link_check),
            ("POST", message + "/release", self._released),
            ("GET", "/api/v1/tags", self._tags),
            ("GET", "/view/{id}.html", self._view_html),
            ("GET", "/view/{id}.txt", self._view_text),
        )
        return [Route(method, path, handler, hidden=True) for method, path, handler in table]

    # --- lists ---

    async def _info(self, request: web.Request) -> web.Response:
        places = await self._caught.places()
        return answered({"Version": __version__, "Messages": len(places), "Unread": await self._unread(places)})

    async def _messages(self, request: web.Request) -> web.Response:
        places = await self._caught.places()
        return answered(await self._page(request, places, places))

    async def _search(self, request: web.Request) -> web.Response:
        return answered(await self._page(request, await self._found(request), await self._caught.places()))

    async def _found(self, request: web.Request) -> list[Place]:
        fits = parsed(request.query.get("query", ""))
        return [place for place in await self._caught.places() if fits(await self._caught.message(place))]

    async def _page(self, request: web.Request, found: Sequence[Place], every: Sequence[Place]) -> Json:
        start, limit = int(request.query.get("start", 0)), min(_MOST, int(request.query.get("limit", 50)))
        shown = [await self._summary(place) for place in found[max(0, start) : max(0, start) + max(0, limit)]]
        return {
            "total": len(every), "unread": await self._unread(every), "count": len(shown), "messages_count": len(found),
            "messages_unread": await self._unread(found), "start": start, "tags": [], "messages": shown,
        }  # fmt: skip

    async def _unread(self, places: Sequence[Place]) -> int:
        return len(places) - len(await self._caught.seen(places))

    # --- one message ---

    async def _message(self, request: web.Request) -> web.Response:
        place = await self._caught.place(request.match_info["id"])
        message = await self._caught.message(place)
        await self._caught.mark_read([place], True)
        return answered({
            **_who(place, message), "ReturnPath": message.sender, "Date": _time(place), "Tags": [], "Text": message.text,
            "HTML": message.html, "Size": len(message.raw), "Inline": [], "Attachments": _attachments(message),
            "ListUnsubscribe": {"Header": message.headers.get("List-Unsubscribe"), "Links": [], "Errors": "",
                                "HeaderPost": message.headers.get("List-Unsubscribe-Post")},
        })  # fmt: skip

    async def _summary(self, place: Place) -> Json:
        message = await self._caught.message(place)
        return {
            **_who(place, message), "Read": bool(await self._caught.seen([place])), "Created": _time(place), "Tags": [],
            "Size": len(message.raw), "Attachments": len(message.attachments),
            "Snippet": " ".join(message.text.split())[:_SNIPPET],
        }  # fmt: skip

    async def _headers(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        found: dict[str, list[str]] = {}
        for name, value in message.headers:
            found.setdefault(name, []).append(value)
        return answered(found)

    async def _raw(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        return web.Response(body=message.raw, content_type="text/plain", charset="utf-8")

    async def _part(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        number = request.match_info["part"]
        if not number.isdecimal() or not 0 < int(number) <= len(message.attachments):
            raise web.HTTPNotFound(reason="no such part")
        return download(message, int(number) - 1)

    async def _link_check(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        answers = await self._links.check(message.links)
        links = [{"URL": one.url, "StatusCode": one.status, "Status": one.trouble or "OK"} for one in answers]
        return answered({"Errors": sum(1 for one in answers if one.trouble), "Links": links})

    async def _tags(self, request: web.Request) -> web.Response:
        return answered([])

    async def _view_html(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        return web.Response(text=message.html, content_type="text/html", headers={"Content-Security-Policy": MESSAGE})

    async def _view_text(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        return web.Response(text=message.text, content_type="text/plain")

    # --- changes ---

    async def _mark(self, request: web.Request) -> web.Response:
        asked = await read(request, _Ids)
        await self._caught.mark_read(await self._chosen(asked.IDs), asked.Read)
        return web.Response(text="ok")

    async def _delete(self, request: web.Request) -> web.Response:
        await self._caught.delete(await self._chosen((await read(request, _Ids)).IDs))
        return web.Response(text="ok")

    async def _delete_found(self, request: web.Request) -> web.Response:
        await self._caught.delete(await self._found(request))
        return web.Response(text="ok")

    async def _chosen(self, identifiers: Sequence[str]) -> Sequence[Place]:
        """All, where none are named."""
        if not identifiers:
            return await self._caught.places()
        return [await self._caught.place(identifier) for identifier in identifiers]

    async def _released(self, request: web.Request) -> web.Response:
        place = await self._caught.place(request.match_info["id"])
        await self._release.send(await self._caught.message(place), (await read(request, _To)).To)
        return web.Response(text="ok")


def download(message: Message, number: int) -> web.Response:
    """An attachment, as a file: never as a page of our origin."""
    attachment = message.attachments[number]
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in attachment.name) or "attachment"
    response = web.Response(body=attachment.content, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _who(place: Place, message: Message) -> Json:
    people = {key: _people(message, field) for key, field in (("To", "To"), ("Cc", "Cc"), ("ReplyTo", "Reply-To"))}
    known = {person["Address"].lower() for person in (*people["To"], *people["Cc"])}
    hidden = [] if message.recipient.lower() in known else [{"Name": "", "Address": message.recipient}]
    return {
        "ID": place.id, "MessageID": message.headers.get("Message-ID").strip("<>"), "Subject": message.subject,
        "From": next(iter(_people(message, "From")), {"Name": "", "Address": ""}), **people, "Bcc": hidden,
    }  # fmt: skip


def _people(message: Message, field: str) -> list[dict[str, str]]:
    found = getaddresses(list(message.headers.all(field)))
    return [{"Name": name, "Address": address} for name, address in found if address]


def _attachments(message: Message) -> list[Json]:
    return [
        {"PartID": str(n), "FileName": one.name, "ContentType": one.type, "ContentID": "", "Size": len(one.content)}
        for n, one in enumerate(message.attachments, 1)
    ]


def _time(place: Place) -> str:
    return datetime.fromtimestamp(place.received, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
