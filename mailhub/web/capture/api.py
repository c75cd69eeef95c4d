"""Our own interface to captured mail: search, wait, follow, delete, release, faults and the clock."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import asdict

from mailhub.message.reading import Message
from mailhub.model import ids
from mailhub.model.clock import Clock, VirtualClock
from mailhub.model.errors import Permanent
from mailhub.net.names import ascii_name

from ..routes import Route, answered, read
from ..safety import MESSAGE, failed
from .caught import Caught, Place
from .links import LinkCheck
from .mailpit import download
from .release import Release
from .search import Criteria
from .support import link_trouble, unsupported

_ROOT = "/api/mailhub/v1/capture"
_MOST = 1_000  # messages of one page
_LONGEST = 300.0  # seconds that one request may wait
_BEAT = 15.0  # seconds after which a silent stream of events says that it lives
_CRITERIA = {
    "to": "a part of an address it is to",
    "from": "a part of the sender's address",
    "subject": "a part of the subject",
    "text": "a part of the text",
}
_PAGE = {"start": "how many to leave out", "limit": f"how many to show, {_MOST} at the most; 50"}


class Letter(Struct, frozen=True):
    """A captured message in a list. `received`: seconds since 1970."""

    id: str
    mailbox: str
    sender: str
    to: tuple[str, ...]
    subject: str
    received: int
    size: int
    attachments: int


class Part(Struct, frozen=True):
    name: str
    type: str
    size: int


class Link(Struct, frozen=True):
    url: str
    trouble: str


class LinkAnswer(Struct, frozen=True):
    """`status`: of HTTP; 0 where there was no answer."""

    url: str
    status: int
    trouble: str


class LinkAnswers(Struct, frozen=True):
    links: tuple[LinkAnswer, ...]


class Support(Struct, frozen=True):
    what: str
    who: str
    times: int


class WholeLetter(Struct, frozen=True):
    """A captured message. `verdict`: what the checks found, and what follows from it (docs/filters.md), "" where they had nothing to
    say; `authentication`: SPF, DKIM and DMARC as Authentication-Results has them."""

    letter: Letter
    verdict: str
    authentication: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    links: tuple[Link, ...]
    codes: tuple[str, ...]
    attachments: tuple[Part, ...]
    unsupported: tuple[Support, ...]


class Letters(Struct, frozen=True):
    """A page of messages, newest first; `total` of those that fit."""

    total: int
    messages: tuple[Letter, ...]


class ReleaseTo(Struct, frozen=True):
    to: tuple[str, ...]


class Released(Struct, frozen=True):
    queue_id: str


class Fault(Struct, frozen=True):
    """One fault by script: see docs/testing.md. `where`: "on", "after", "during", "connect"."""

    protocol: str
    act: str
    where: str = "on"
    verb: str = ""
    nth: int = 0
    octets: int = 1
    code: int = 0
    text: str = ""
    times: Annotated[int, Meta(ge=-1, le=1_000_000)] = 1


class Advance(Struct, frozen=True):
    seconds: Annotated[float, Meta(ge=0, le=366 * 86_400)]


class Now(Struct, frozen=True):
    """`time`: seconds since 1970 on the server's clock."""

    time: float
    virtual: bool


class Faults(Protocol):
    """Who can make something go wrong (the test kit)."""

    def script(self, fault: dict[str, Any]) -> None: ...

    def clear(self) -> None: ...


class CaptureApi:
    """`faults`: None where this server has none (it is not `mailhub dev`)."""

    def __init__(
        self, caught: Caught, release: Release, links: LinkCheck, clock: Clock, real: Clock, faults: Faults | None
    ) -> None:
        self._caught, self._release, self._links = caught, release, links
        self._clock, self._real, self._faults = clock, real, faults

    def routes(self) -> list[Route]:
        message = _ROOT + "/messages/{id}"
        return [
            Route("GET", _ROOT + "/messages", self._list, "Search captured messages", _CRITERIA | _PAGE, None, Letters),
            Route("DELETE", _ROOT + "/messages", self._delete_all, "Delete all of them, or those that fit", _CRITERIA),
            Route(
                "GET", _ROOT + "/wait", self._wait, "Wait for a message that fits; 408 where none came",
                _CRITERIA | {"timeout": f"seconds, {_LONGEST:.0f} at the most; 30", "after": "only those newer than this id"},
                None, WholeLetter,
            ),
            Route("GET", _ROOT + "/events", self._events, "Each message as it comes", kind="text/event-stream"),
            Route("GET", message, self._message, "One message; the id `latest` is the newest", None, None, WholeLetter),
            Route("GET", message + "/raw", self._raw, "The message as it came", kind="message/rfc822"),
            Route("GET", message + "/html", self._html, "Its HTML, in a sandbox", kind="text/html"),
            Route("GET", message + "/attachments/{number}", self._attachment, "One attachment, from 0",
                  kind="application/octet-stream"),
            Route("POST", message + "/links", self._link_answers, "Ask the hosts of its links what they answer (HEAD)", None, None,
                  LinkAnswers),
            Route("DELETE", message, self._delete, "Delete it"),
            Route("POST", message + "/release", self._released, "Send it on, by the real queue", None, ReleaseTo, Released),
            Route("POST", _ROOT + "/faults", self._fault, "Let something go wrong", None, Fault),
            Route("DELETE", _ROOT + "/faults", self._heal, "No faults any more"),
            Route("GET", _ROOT + "/clock", self._time, "The server's time", None, None, Now),
            Route("POST", _ROOT + "/clock", self._advance, "Let time pass; only virtual time can be moved", None, Advance, Now),
        ]  # fmt: skip

    # --- reading ---

    async def _list(self, request: web.Request) -> web.Response:
        found = await self._fitting(request)
        start, limit = max(0, int(request.query.get("start", 0))), min(_MOST, int(request.query.get("limit", 50)))
        shown = [await self._letter(place) for place in found[start : start + max(0, limit)]]
        return answered(Letters(len(found), tuple(shown)))

    async def _fitting(self, request: web.Request) -> list[Place]:
        criteria = _criteria(request)
        places = await self._caught.places()
        if criteria == Criteria():
            return list(places)
        return [place for place in places if criteria(await self._caught.message(place))]

    async def _letter(self, place: Place) -> Letter:
        return _letter(place, await self._caught.message(place))

    async def _message(self, request: web.Request) -> web.Response:
        place = await self._caught.place(request.match_info["id"])
        return answered(_whole(place, await self._caught.message(place)))

    async def _raw(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        response = web.Response(body=message.raw, content_type="message/rfc822")
        response.headers["Content-Disposition"] = 'attachment; filename="message.eml"'
        return response

    async def _html(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        response = web.Response(text=message.html, content_type="text/html")
        response.headers["Content-Security-Policy"] = MESSAGE
        return response

    async def _attachment(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        number = request.match_info["number"]
        if not number.isdecimal() or int(number) >= len(message.attachments):
            raise web.HTTPNotFound(reason="no such attachment")
        return download(message, int(number))

    async def _link_answers(self, request: web.Request) -> web.Response:
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        answers = await self._links.check(message.links)
        return answered(LinkAnswers(tuple(LinkAnswer(**asdict(one)) for one in answers)))

    # --- waiting ---

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", "")
        since = await self._caught.place(after) if after else None
        try:
            async with self._real.timeout(min(_LONGEST, float(request.query.get("timeout", 30)))):
                place, message = await self._caught.wait(_criteria(request), since)
        except TimeoutError:
            return failed(408, "no such message has come")
        return answered(_whole(place, message))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        await response.write(b": here\n\n")
        coming = aiter(self._caught.follow(None))
        task: asyncio.Task[Place] = asyncio.ensure_future(_next(coming))
        try:
            while True:
                try:
                    async with self._real.timeout(_BEAT):
                        place = await asyncio.shield(task)
                except TimeoutError:
                    await response.write(b": here\n\n")
                    continue
                task = asyncio.ensure_future(_next(coming))
                letter = msgspec.json.encode(await self._letter(place))
                await response.write(b"event: message\ndata: " + letter + b"\n\n")
        except ConnectionResetError:
            return response
        finally:
            task.cancel()

    # --- changing ---

    async def _delete_all(self, request: web.Request) -> web.Response:
        await self._caught.delete(await self._fitting(request))
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        await self._caught.delete([await self._caught.place(request.match_info["id"])])
        return web.Response(status=204)

    async def _released(self, request: web.Request) -> web.Response:
        asked = await read(request, ReleaseTo)
        message = await self._caught.message(await self._caught.place(request.match_info["id"]))
        for address in asked.to:
            ascii_name(address.rpartition("@")[2])
        return answered(Released(ids.text(await self._release.send(message, asked.to))))

    async def _fault(self, request: web.Request) -> web.Response:
        if self._faults is None:
            raise Permanent("this server makes no faults: `mailhub dev` does")
        self._faults.script(msgspec.structs.asdict(await read(request, Fault)))
        return web.Response(status=204)

    async def _heal(self, request: web.Request) -> web.Response:
        if self._faults is not None:
            self._faults.clear()
        return web.Response(status=204)

    async def _time(self, request: web.Request) -> web.Response:
        return answered(Now(self._clock.now(), isinstance(self._clock, VirtualClock)))

    async def _advance(self, request: web.Request) -> web.Response:
        if not isinstance(self._clock, VirtualClock):
            raise Permanent("this server runs on real time: `mailhub dev --virtual-time` does not")
        await self._clock.advance((await read(request, Advance)).seconds)
        return await self._time(request)


def _criteria(request: web.Request) -> Criteria:
    query = request.query
    return Criteria(query.get("to", ""), query.get("from", ""), query.get("subject", ""), query.get("text", ""))


def _letter(place: Place, message: Message) -> Letter:
    return Letter(
        place.id, place.account, message.from_ or message.sender, message.to, message.subject, place.received,
        len(message.raw), len(message.attachments),
    )  # fmt: skip


def _whole(place: Place, message: Message) -> WholeLetter:
    return WholeLetter(
        letter=_letter(place, message),
        verdict=" ".join(message.headers.get("X-Mailhub-Verdict").split()),
        authentication=" ".join(message.headers.get("Authentication-Results").split()),
        headers=tuple(message.headers),
        text=message.text,
        html=message.html,
        links=tuple(Link(link, link_trouble(link)) for link in message.links),
        codes=message.codes,
        attachments=tuple(Part(one.name, one.type, len(one.content)) for one in message.attachments),
        unsupported=tuple(Support(**asdict(one)) for one in unsupported(message)),
    )


_next: Callable[[Any], Awaitable[Place]] = anext
