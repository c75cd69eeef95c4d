"""Who asks: a program by its token, or an account by its password."""

import base64
import binascii
import ipaddress
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from msgspec import Struct

from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control.scopes import allowed, domains, is_whole
from mailhub.control.tokens import Tokens, digest
from mailhub.directory import Authenticator
from mailhub.model.clock import Clock
from mailhub.policy.counters import Counters

from .safety import Denied as Denied
from .safety import client_of, is_secret
from .sessions import CHALLENGE, Sessions

SERVICE = "api"
_BEARER = "Bearer"
_MINUTE = 60.0
_TABLE = 10_000  # askers whose requests are counted
_CREDENTIALS = 4_096  # characters of Authorization


class Asker(Struct, frozen=True):
    """Who asks, in words for the log. `domains`: what he asks for has to lie there; None: anywhere. `whole`: those of them where he may do
    all that an administrator may. `is_operator`: he may do all that there is."""

    name: str
    domains: frozenset[str] | None = None
    whole: frozenset[str] = frozenset()
    is_operator: bool = False


class Access:
    """One per hub. `auth`: [auth] as it is now. `stands`: whether an account whose browser made tokens runs the server still."""

    def __init__(
        self,
        tokens: Tokens,
        authenticator: Authenticator,
        auth: Callable[[], Auth],
        web: Web,
        clock: Clock,
        stands: Callable[[str], Awaitable[bool]],
        sessions: Sessions | None = None,
    ) -> None:
        self._stands = stands
        self._tokens, self._authenticator, self._auth, self._clock = tokens, authenticator, auth, clock
        self._sessions, self._limit = sessions, web.requests_per_minute
        self._requests: Counters[str] = Counters(_MINUTE, _TABLE)

    async def token(self, request: web.Request, action: str) -> str:
        """The name of the token that lets this action be done, on the whole server. Denied; Temporary where the client tried too much."""
        name, scopes = await self._token(request)
        if not allowed(scopes, action):
            raise _short_of(scopes, action)
        return name

    async def operator(self, request: web.Request, action: str, *, again: bool = False) -> str:
        """Who may do this action on the whole server, in words for the log: an administrator's browser, or a token. Denied; Temporary. `again`,
        here and below: a request that goes on is looked at once more, which does not count as one."""
        asker = await self.asker(request, action, again=again)
        if asker.domains is not None:
            raise Denied(403, f"{action} is for who runs the whole server")
        return asker.name

    async def asker(self, request: web.Request, action: str, *, again: bool = False) -> Asker:
        """The same, or who may do it for some domains alone. Denied; Temporary."""
        if self._sessions is not None and "Authorization" not in request.headers:
            session = await self._sessions.of(request, again=again)
            if session is not None:
                self._count(session.account, again)
                scopes = await self._sessions.scopes(session)
                asker = _asker(f"{session.account} in a browser", scopes, action)
                if asker is None:
                    raise Denied(403, f"{session.account} is none of web.admins, and administers no domain")
                return asker
        name, scopes = await self._token(request, again)
        asker = _asker(f"token {name!r}", scopes, action)
        if asker is None:
            raise _short_of(scopes, action)
        return asker

    async def account(self, request: web.Request, *, again: bool = False) -> str:
        """The account whose browser is signed in, or that signs in now: one with a second factor by an app password. Denied; Temporary."""
        if self._sessions is not None and "Authorization" not in request.headers:
            session = await self._sessions.of(request, again=again)
            if session is not None:
                self._count(session.account, again)
                return session.account
        scripted = (
            "Sec-Fetch-Mode" in request.headers
        )  # a page's own request: it shows its own form, not the browser's window
        challenge = CHALLENGE if scripted else 'Basic realm="mailhub", charset="UTF-8"'
        shown, client = self._credentials(request, "basic", challenge), client_of(request)
        try:
            login, colon, password = base64.b64decode(shown, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise Denied(401, "no login and password in Authorization", challenge)
        account = await self._authenticator.authenticate(login, password, service=SERVICE, client=client)
        if account is None:
            raise Denied(401, "wrong login or password", challenge)
        self._count(account.name, again)
        return account.name

    def confidential(self, request: web.Request) -> None:
        """Denied where others may read along, and auth.allow_plaintext does not allow for it."""
        if not (is_secret(request) or self._auth().allow_plaintext or _of_this_host(request)):
            raise Denied(403, "TLS first: nobody signs in on a connection that others may read (auth.allow_plaintext)")

    async def _token(self, request: web.Request, again: bool = False) -> tuple[str, tuple[str, ...]]:
        """Name and scopes of one that opens something now."""
        shown, client = self._credentials(request, "bearer", _BEARER), client_of(request)
        login = f"token {digest(shown)[:12]}"
        self._authenticator.admit(login, service=SERVICE, client=client)
        row = await self._tokens.shown(shown, client)
        if row is not None and row.maker and not await self._stands(row.maker):
            row = None
        if row is None:
            await self._authenticator.failed(login, "no such token, or it has ended", service=SERVICE, client=client)
            raise Denied(401, "no such token, or it has ended", f'{_BEARER} error="invalid_token"')
        self._count(f"token {row.name}", again)
        return row.name, row.scopes

    def _credentials(self, request: web.Request, scheme: str, challenge: str) -> str:
        self.confidential(request)
        given, _, shown = request.headers.get("Authorization", "").partition(" ")
        if given.lower() != scheme or not 0 < len(shown.strip()) <= _CREDENTIALS:
            raise Denied(401, f"sign in: Authorization: {scheme.capitalize()} ...", challenge)
        return shown.strip()

    def _count(self, who: str, again: bool) -> None:
        if not again and self._requests.add(who, self._clock.monotonic()) > self._limit:
            raise Denied(429, f"more than {self._limit} requests in a minute (web.requests_per_minute)")


def _of_this_host(request: web.Request) -> bool:
    return ipaddress.ip_address(client_of(request)).is_loopback


def _asker(name: str, scopes: Collection[str], action: str) -> Asker | None:
    if allowed(scopes, action):
        return Asker(name, is_operator=is_whole(scopes))
    found = domains(scopes, action)
    return Asker(name, found, frozenset(one for one in found if f"*:write@{one}" in scopes)) if found else None


def _short_of(scopes: Collection[str], action: str) -> Denied:
    scope = f"a scope for {action} is missing; the token has {' '.join(scopes)}"
    return Denied(403, scope, f'{_BEARER} error="insufficient_scope"')
