"""Signing in by a passkey, and an account's passkeys."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Meta, Struct, json

from mailhub.directory import Authenticator
from mailhub.directory.authenticator import WEB
from mailhub.directory.directory import Directory
from mailhub.directory.passkeys import PasskeyRow, Passkeys, Place
from mailhub.directory.signin import Peer
from mailhub.model.errors import MailError, NotFound, Permanent, Temporary

from ..access import Access
from ..own.signed import OWN
from ..proxies import ASKED
from ..routes import Route, answered, read
from ..safety import Denied, client_of
from ..sessions import Sessions
from .signin import SignedIn, told

_DOOR, _OWN = OWN + "session/passkey", OWN + "passkeys"
_BODY = 65_536  # octets
Answer = dict[str, Any]


class Shown(Struct, frozen=True, forbid_unknown_fields=True):
    """`answer`: PublicKeyCredential.toJSON() of the browser."""

    answer: Answer


class NewPasskey(Struct, frozen=True, forbid_unknown_fields=True):
    """`name`: for the list."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    answer: Answer


class Passkey(Struct, frozen=True):
    """`created`, `used`: wall time; 0: never."""

    id: str
    name: str
    created: float
    used: float


class PasskeyRoutes:
    """One per hub."""

    def __init__(
        self, passkeys: Passkeys, authenticator: Authenticator, directory: Directory, sessions: Sessions, access: Access
    ) -> None:
        self._passkeys, self._authenticator, self._directory = passkeys, authenticator, directory
        self._sessions, self._access = sessions, access

    def routes(self) -> list[Route]:
        every = tuple[Passkey, ...]
        return [
            Route("POST", _DOOR + "/question", self._question, "What a passkey is to sign, to sign in", None, None, Answer),
            Route("POST", _DOOR, self._sign_in, "Sign in by a passkey; answered with a cookie", None, Shown, SignedIn),
            Route("GET", _OWN, self._list, "Passkeys", None, None, every, security="browser"),
            Route("POST", _OWN + "/question", self._offer, "What a browser makes a passkey of", None, None, Answer, security="browser"),
            Route("POST", _OWN, self._add, "Keep a new passkey", None, NewPasskey, Passkey, security="browser"),
            Route("DELETE", _OWN + "/{id}", self._remove, "Remove a passkey", None, None, every, security="browser"),
        ]  # fmt: skip

    async def _question(self, request: web.Request) -> web.StreamResponse:
        self._access.confidential(request)
        self._authenticator.admit("passkey", service=WEB, client=client_of(request))
        return answered(await self._passkeys.ask(_place(request)))

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        self._access.confidential(request)
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        client = client_of(request)
        self._authenticator.admit("passkey", service=WEB, client=client)
        answer = (await read(request, Shown, _BODY)).answer
        try:
            name = await self._passkeys.shown(answer, _place(request))
            row = await self._directory.stored(name)
            if row is None or not row.enabled:
                raise Permanent("the account may not sign in")
        except Temporary:
            raise
        except MailError as error:
            await self._authenticator.failed("passkey", str(error), service=WEB, client=client)
            raise Denied(401, str(error)) from error
        account = await self._authenticator.accept(name, Peer(WEB, client), "passkey")
        if account is None:
            raise Denied(401, "the account may not sign in")
        response = web.Response(content_type="application/json")
        response.body = json.encode(
            await told(self._sessions, await self._sessions.begin(request, response, account.name, row.password))
        )
        return response

    async def _list(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        return answered(await self._all(session.account))

    async def _offer(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        return answered(await self._passkeys.offer(session.account, _place(request)))

    async def _add(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        asked = await read(request, NewPasskey, _BODY)
        await self._directory.hold(session.account)
        return answered(_shown(await self._passkeys.add(session.account, asked.name, asked.answer, _place(request))))

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        await self._passkeys.remove(session.account, request.match_info["id"])
        return answered(await self._all(session.account))

    async def _all(self, account: str) -> list[Passkey]:
        return [_shown(row) for row in await self._passkeys.of(account)]


def _shown(row: PasskeyRow) -> Passkey:
    return Passkey(row.id, row.name, row.created, row.used)


def _place(request: web.Request) -> Place:
    """As the browser sees it; NotFound for a name that is none."""
    asked = request[ASKED]
    origin = f"{'https' if asked.secure else 'http'}://{asked.host}"
    host = urlsplit(origin).hostname
    if not host:
        raise NotFound("a request without a host name")
    return Place(host, origin)
