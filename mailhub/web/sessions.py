"""Browsers that are signed in: a cookie each, which `directory.browsers` knows again.

A page that wants to know who looks at it asks `required`:

    session = await sessions.required(request)      # Denied where nobody is signed in, or a change comes without its token

A request that changes something has to show the session's `token` in X-CSRF-Token: a page of another origin can not know it. It is made of
the cookie, so that the store has neither.
"""

import base64
import hmac
from dataclasses import dataclass, field
from typing import TypedDict

from aiohttp import web

from mailhub.config.web import Web
from mailhub.directory import Directory
from mailhub.directory.browsers import BrowserRow, Browsers
from mailhub.model.address import key

from .safety import READING, Denied, client_of, is_secret

CHALLENGE = "Session"  # no scheme that a browser asks for a password by itself
TOKEN = "X-CSRF-Token"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser. `is_admin`: may run the server."""

    account: str
    is_admin: bool
    token: str = field(repr=False)
    row: BrowserRow = field(repr=False)


class Unconfirmed(Denied):
    """The password has to be typed again before that is done."""

    def __init__(self) -> None:
        super().__init__(403, "type the password again")
        self.answer = web.json_response({"error": "type the password again", "confirm": True}, status=403)


class Sessions:
    """One per hub."""

    def __init__(self, browsers: Browsers, directory: Directory, config: Web) -> None:
        self._browsers, self._directory, self._config = browsers, directory, config
        self._admins = frozenset(map(key, config.admins))

    # --- asking

    async def of(self, request: web.Request, *, again: bool = False) -> Session | None:
        """Whose browser sent it; None where nobody is signed in there. Denied (403) where a change comes without the token. `again`: it was
        asked for this request before, which is no other use of the session."""
        secret = request.cookies.get(self._cookie(request), "")
        used = client_of(request), _agent(request), not again
        row = await self._browsers.shown(secret, *used) if secret else None
        if row is None:
            return None
        session = self._session(row, secret)
        shown = request.headers.get(TOKEN, "").encode("utf-8", "surrogateescape")
        if request.method not in READING and not hmac.compare_digest(shown, session.token.encode()):
            raise Denied(403, f"{TOKEN} is not that of the session")
        return session

    async def required(self, request: web.Request) -> Session:
        """The same, but Denied (401) where nobody is signed in."""
        session = await self.of(request)
        if session is None:
            raise Denied(401, "sign in first", CHALLENGE)
        return session

    async def fresh(self, request: web.Request) -> Session:
        """The same, but Unconfirmed where the password was not typed within the last minutes."""
        session = await self.required(request)
        if not self._browsers.is_fresh(session.row):
            raise Unconfirmed
        return session

    async def domains(self, session: Session) -> tuple[str, ...]:
        """Those that its account administers."""
        return await self._directory.administered(session.account)

    async def scopes(self, session: Session) -> tuple[str, ...]:
        """What it may do, as a token would."""
        if session.is_admin:
            return ("*:write",)
        return tuple(f"*:write@{domain}" for domain in await self.domains(session))

    async def confirm(self, session: Session) -> None:
        """Its user has typed the password."""
        await self._browsers.confirm(session.row)

    # --- signing in and out

    async def begin(self, request: web.Request, response: web.StreamResponse, account: str, stored: str) -> Session:
        """A new one, under a new name; the one that the browser had is over. NotFound where the account is gone meanwhile, or has another
        password than was `stored`."""
        await self.end(request, response)
        row, secret = await self._browsers.begin(account, stored, client_of(request), _agent(request))
        response.set_cookie(self._cookie(request), secret, **self._attributes(request))
        return self._session(row, secret)

    async def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Sign that browser out."""
        name = self._cookie(request)
        if secret := request.cookies.get(name):
            await self._browsers.end(secret)
            response.del_cookie(name, **self._attributes(request))

    async def all(self, account: str) -> list[BrowserRow]:
        """Those of an account, the one used last first."""
        return await self._browsers.of(account)

    async def end_one(self, account: str, name: str) -> None:
        """NotFound where the account has none of that name."""
        await self._browsers.end_one(account, name)

    async def end_others(self, session: Session) -> int:
        """All of the account but this one; how many there were."""
        return await self._browsers.end_others(session.row)

    # ---

    def _session(self, row: BrowserRow, secret: str) -> Session:
        made = hmac.digest(secret.encode("utf-8", "surrogatepass"), TOKEN.encode(), "sha256")
        token = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        return Session(row.account, row.account in self._admins, token, row)

    def _cookie(self, request: web.Request) -> str:
        """Under TLS a name that no other host of the domain, and no page without TLS, can set (RFC 6265bis section 4.1.3)."""
        if not is_secret(request):
            return "mailhub"
        return "__Secure-mailhub" if self._config.prefix else "__Host-mailhub"

    def _attributes(self, request: web.Request) -> "_Attributes":
        return {
            "path": self._config.prefix + "/", "secure": is_secret(request), "httponly": True, "samesite": "Strict"
        }  # fmt: skip


class _Attributes(TypedDict):
    path: str
    secure: bool
    httponly: bool
    samesite: str


def _agent(request: web.Request) -> str:
    return request.headers.get("User-Agent", "")
