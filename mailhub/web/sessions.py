"""Browsers that are signed in: a cookie each, of which only the digest is kept, in memory; a restart signs everybody out.

A page that wants to know who looks at it asks `required`:

    session = await sessions.required(request)      # Denied where nobody is signed in, or a change comes without its token

A request that changes something has to show the session's `token` in X-CSRF-Token: a page of another origin can not know it.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypedDict

from aiohttp import web

from mailhub.config.web import Web
from mailhub.directory import Directory
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound

from .safety import READING, Denied, client_of, is_secret

CHALLENGE = "Session"  # no scheme that a browser asks for a password by itself
TOKEN = "X-CSRF-Token"
_AGENT = 200  # characters of User-Agent
_FRESH = 300.0  # seconds in which a password that was typed counts for changes of what opens the account


@dataclass(slots=True)
class Session:
    """A browser. `id`: how it is named in lists, no secret. `is_admin`: may run the server.
    `created`, `used`: wall time; `client`, `agent`: where it was last, and what it calls itself."""

    id: str
    account: str
    is_admin: bool
    token: str = field(repr=False)
    created: float
    used: float
    client: str
    agent: str
    stamp: str = field(repr=False)  # of the password that opened it
    began: float = 0.0  # monotonic, as the next
    seen: float = 0.0
    confirmed: float = 0.0  # when the password was typed last


class Unconfirmed(Denied):
    """The password has to be typed again before that is done."""

    def __init__(self) -> None:
        super().__init__(403, "type the password again")
        self.answer = web.json_response({"error": "type the password again", "confirm": True}, status=403)


class Sessions:
    """One per hub. Those longest unused come first, and go first where there are too many."""

    def __init__(self, directory: Directory, config: Web, clock: Clock) -> None:
        self._directory, self._config, self._clock = directory, config, clock
        self._admins = frozenset(map(key, config.admins))
        self._kept: OrderedDict[str, Session] = OrderedDict()
        self._of: dict[str, list[str]] = {}  # account -> digests, in the same order

    # --- asking

    async def of(self, request: web.Request) -> Session | None:
        """Whose browser sent it; None where nobody is signed in there. Denied (403) where a change comes without the token."""
        digest = _digest(request.cookies.get(self._cookie(request), ""))
        session, now = self._kept.get(digest), self._clock.monotonic()
        if session is None:
            return None
        if self._over(session, now) or await self._stamp(session.account) != session.stamp:
            self._drop(digest)
        if digest not in self._kept:  # or it was ended meanwhile
            return None
        shown = request.headers.get(TOKEN, "").encode("utf-8", "surrogateescape")
        if request.method not in READING and not hmac.compare_digest(shown, session.token.encode()):
            raise Denied(403, f"{TOKEN} is not that of the session")
        session.seen, session.used = now, self._clock.now()
        session.client, session.agent = client_of(request), _agent(request)
        self._kept.move_to_end(digest)
        own = self._of[session.account]
        own.append(own.pop(own.index(digest)))
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
        if self._clock.monotonic() - session.confirmed > _FRESH:
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

    def confirm(self, session: Session) -> None:
        """Its user has typed the password."""
        session.confirmed = self._clock.monotonic()

    # --- signing in and out

    async def begin(self, request: web.Request, response: web.StreamResponse, account: str) -> Session:
        """A new one, under a new name; the one that the browser had is over. NotFound where the account is gone meanwhile."""
        self.end(request, response)
        stamp = await self._stamp(account)
        if not stamp:
            raise NotFound(f"{account} may not sign in")
        secret, now, wall = secrets.token_urlsafe(32), self._clock.monotonic(), self._clock.now()
        session = Session(
            secrets.token_hex(8), account, account in self._admins, secrets.token_urlsafe(32), wall, wall, client_of(request),
            _agent(request), stamp, now, now, now,
        )  # fmt: skip
        self._make_room(account, now)
        digest = _digest(secret)
        self._kept[digest] = session
        self._of.setdefault(account, []).append(digest)
        response.set_cookie(self._cookie(request), secret, **self._attributes(request))
        return session

    def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Sign that browser out."""
        name = self._cookie(request)
        if name in request.cookies:
            self._drop(_digest(request.cookies[name]))
            response.del_cookie(name, **self._attributes(request))

    def all(self, account: str) -> list[Session]:
        """Those of an account, the one used last first."""
        now = self._clock.monotonic()
        found = [self._kept[digest] for digest in reversed(self._of.get(account, ()))]
        return [session for session in found if not self._over(session, now)]

    def end_one(self, account: str, identifier: str) -> None:
        """NotFound where the account has none of that name."""
        for digest in self._of.get(account, ()):
            if self._kept[digest].id == identifier:
                return self._drop(digest)
        raise NotFound("no such session")

    def end_others(self, session: Session) -> int:
        """All of the account but this one; how many there were."""
        others = [digest for digest in self._of.get(session.account, ()) if self._kept[digest] is not session]
        for digest in others:
            self._drop(digest)
        return len(others)

    # ---

    def _over(self, session: Session, now: float) -> bool:
        idle, lifetime = self._config.session_idle, self._config.session_lifetime
        return now - session.seen >= idle or now - session.began >= lifetime

    async def _stamp(self, account: str) -> str:
        """Another one once the password is changed; "" where the account may not sign in."""
        row = await self._directory.stored(account)
        return hashlib.sha256(b"\1" + row.password.encode()).hexdigest() if row is not None and row.enabled else ""

    def _make_room(self, account: str, now: float) -> None:
        while self._kept and self._over(next(iter(self._kept.values())), now):
            self._drop(next(iter(self._kept)))
        own = self._of.get(account, [])
        if len(own) >= self._config.sessions_per_account:
            self._drop(own[0])
        if len(self._kept) >= self._config.session_limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, digest: str) -> None:
        session = self._kept.pop(digest, None)
        if session is None:
            return
        own = self._of[session.account]
        own.remove(digest)
        if not own:
            del self._of[session.account]

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


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _agent(request: web.Request) -> str:
    return request.headers.get("User-Agent", "")[:_AGENT]
