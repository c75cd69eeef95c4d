"""Signing in with a browser, and the browsers that are signed in."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, json

from mailhub.control.delegated import ACTIONS
from mailhub.directory import Authenticator
from mailhub.directory.authenticator import WEB, Factor
from mailhub.directory.second_factor import CodeWanted
from mailhub.model.errors import Temporary

from ..access import Access
from ..own.signed import OWN
from ..routes import Route, answered, read
from ..safety import Denied, client_of
from ..sessions import Session, Sessions

_SESSION, _SESSIONS = OWN + "session", OWN + "sessions"
_BODY = 16_384  # octets; nobody has shown yet who he is


class SigningIn(Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: of the second factor; "" until it is asked for."""

    login: Annotated[str, Meta(min_length=1, max_length=320)]
    password: Annotated[str, Meta(min_length=1, max_length=4_096)]
    code: Annotated[str, Meta(max_length=64)] = ""


class SignedIn(Struct, frozen=True):
    """`token`: every change has to show it in X-CSRF-Token. `domains`: those that the account administers, and what it `may` do there."""

    account: str
    token: str
    is_admin: bool
    domains: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


class Browser(Struct, frozen=True):
    """One that is signed in. `here`: it is the one that asks. `created`, `used`: wall time."""

    id: str
    here: bool
    created: float
    used: float
    client: str
    agent: str


class Ended(Struct, frozen=True):
    """How many are signed out."""

    count: int


class SignIn:
    """One per hub. `factor`: what asks for the code; `access`: who may sign in on which connections; `stored`: until a password that was
    right is stored as it is to stay, for a session lasts as long as that does."""

    def __init__(
        self,
        authenticator: Authenticator,
        factor: Factor,
        sessions: Sessions,
        access: Access,
        stored: Callable[[], Awaitable[None]],
    ) -> None:
        self._authenticator, self._factor, self._sessions, self._access = authenticator, factor, sessions, access
        self._stored = stored

    def routes(self) -> list[Route]:
        one = _SESSIONS + "/{id}"
        return [
            Route("POST", _SESSION, self._begin, "Sign in; answered with a cookie", None, SigningIn, SignedIn),
            Route("GET", _SESSION, self._session, "Who is signed in", None, None, SignedIn, security="browser"),
            Route("DELETE", _SESSION, self._end, "Sign out", None, None, Ended, security="browser"),
            Route("GET", _SESSIONS, self._list, "Browsers that are signed in", None, None, tuple[Browser, ...], security="browser"),
            Route("DELETE", _SESSIONS, self._end_others, "Sign out all but this one", None, None, Ended, security="browser"),
            Route("DELETE", one, self._end_one, "Sign one out", None, None, Ended, security="browser"),
        ]  # fmt: skip

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        self._access.confidential(request)
        if request.content_type != "application/json":  # which a form of another page can not send
            raise web.HTTPUnsupportedMediaType
        asked = await read(request, SigningIn, _BODY)
        try:
            opened = await self._authenticator.opened(
                asked.login, asked.password, service=WEB, client=client_of(request), typed=asked.code, factor=self._factor
            )  # fmt: skip
        except CodeWanted as wanted:
            return answered({"error": str(wanted), "code": True}, 401)
        if opened is not None:
            await self._stored()
            opened = await self._authenticator.holds(opened, asked.password, client_of(request))
        if opened is None:
            raise Denied(401, "wrong login, password or code")
        response = web.Response(content_type="application/json")
        response.body = json.encode(
            await told(
                self._sessions,
                await self._sessions.begin(request, response, opened.account.name, opened.stored),
            )
        )
        return response

    async def _session(self, request: web.Request) -> web.StreamResponse:
        return answered(await told(self._sessions, await self._sessions.required(request)))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        await self._sessions.required(request)
        response = answered(Ended(1))
        await self._sessions.end(request, response)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    async def _list(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        return answered([
            Browser(one.id, one.id == session.row.id, one.created, one.used, one.client, one.agent)
            for one in await self._sessions.all(session.account)
        ])  # fmt: skip

    async def _end_one(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        await self._sessions.end_one(session.account, request.match_info["id"])
        return answered(Ended(1))

    async def _end_others(self, request: web.Request) -> web.StreamResponse:
        return answered(Ended(await self._sessions.end_others(await self._sessions.required(request))))


async def told(sessions: Sessions, session: Session) -> SignedIn:
    domains: tuple[str, ...] = ()
    if not session.is_admin:
        with suppress(Temporary):  # a database of others that is away: mail is read all the same
            domains = await sessions.domains(session)
    return SignedIn(session.account, session.token, session.is_admin, domains, ACTIONS if domains else ())
