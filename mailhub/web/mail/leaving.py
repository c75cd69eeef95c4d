"""Leaving a mailing list by one click (RFC 8058): the server asks for it, at an address of the public Internet alone."""

from aiohttp import web
from msgspec import Struct

from mailhub.message import headers
from mailhub.model.errors import Permanent, Temporary
from mailhub.net.https import Https, HttpsError

from ..routes import Route, answered
from .asked import MESSAGE, Asked, uid_of
from .reading import HEADER, unsubscribe

_PATIENCE, _ANSWER = 20.0, 4_096  # seconds, octets
_FIELDS, _FIELD = ("list-unsubscribe", "list-unsubscribe-post"), 16_384  # octets of one


class Left(Struct, frozen=True):
    """`status`: of the list's answer."""

    status: int


class Leaving:
    """One per hub. `https`: to public addresses only, for the message says where."""

    def __init__(self, asked: Asked, https: Https) -> None:
        self._asked, self._https = asked, https

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                MESSAGE + "/unsubscribe",
                self._leave,
                "Leave the list that sent it",
                None,
                None,
                Left,
                security="account",
            )
        ]

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        async with await mail.open(folder, uid_of(request)) as file:
            header = await file.read(0, HEADER)
        header = header[: headers.header_end(header)]
        fields = [(name, headers.decode((headers.first(header, name.encode()) or b"")[:_FIELD])) for name in _FIELDS]
        way = unsubscribe(fields)
        if way is None or not way.one_click:
            raise Permanent("this message names no list that can be left by one click")
        body = b"List-Unsubscribe=One-Click"
        kind = "application/x-www-form-urlencoded"
        try:
            answer = await self._https.post(way.url, body, kind, timeout=_PATIENCE, limit=_ANSWER)
        except HttpsError as error:
            raise Temporary(f"the list does not answer: {error}") from error
        if answer.status >= 400:
            raise Temporary(f"the list answers {answer.status}")
        return answered(Left(answer.status))
