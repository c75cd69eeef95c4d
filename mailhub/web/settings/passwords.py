"""What opens an account: its password, app passwords, the second factor. Changed only by a browser whose user has typed the password within
the last minutes: a browser that was left open changes nothing of this."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, json

from mailhub.control import words
from mailhub.control.request import Request
from mailhub.control.service import Control
from mailhub.directory import Account, Authenticator, Directory
from mailhub.directory.authenticator import WEB, Opened
from mailhub.directory.second_factor import SecondFactors

from ..own.signed import OWN
from ..routes import Route, answered, read
from ..safety import Denied, client_of
from ..sessions import Session, Sessions

_BODY = 16_384  # octets
_APPS, _FACTOR = OWN + "app-passwords", OWN + "second-factor"
Password = Annotated[str, Meta(min_length=1, max_length=1_024)]


class Confirming(Struct, frozen=True, forbid_unknown_fields=True):
    """The password, once more."""

    password: Password


class PasswordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """`password`: the one until now; `new`: NIST SP 800-63B wants eight characters."""

    password: Password
    new: Annotated[str, Meta(min_length=8, max_length=1_024)]


class Changed(Struct, frozen=True):
    """`token`: of the session from now on, which has a new cookie; `ended`: other browsers that are signed out."""

    token: str
    ended: int


class NewAppPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """`services`: "imap", "smtp", ...; none: all."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    services: Annotated[tuple[Annotated[str, Meta(max_length=20)], ...], Meta(max_length=10)] = ()


class Code(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(min_length=1, max_length=64)]


class FactorState(Struct, frozen=True):
    """`recovery`: codes that are left."""

    active: bool
    recovery: int


class Begun(Struct, frozen=True):
    """Shown once; it counts after `confirm`. `picture`: `uri` as a QR code, a `data:` address."""

    secret: str
    uri: str
    recovery: tuple[str, ...]
    picture: str


class Passwords:
    """One per hub. `stored`: until a password that was right is stored as it is to stay."""

    def __init__(
        self,
        control: Control,
        directory: Directory,
        authenticator: Authenticator,
        sessions: Sessions,
        factors: SecondFactors,
        stored: Callable[[], Awaitable[None]],
    ) -> None:
        self._control, self._directory, self._authenticator = control, directory, authenticator
        self._sessions, self._factors, self._stored = sessions, factors, stored

    def routes(self) -> list[Route]:
        done = words.Done
        return [
            Route("POST", OWN + "session/confirm", self._confirm, "Type the password again", None, Confirming, done, security="browser"),
            Route("PUT", OWN + "password", self._change, "Change the password", None, PasswordChange, Changed, security="browser"),
            Route("GET", _APPS, self._list, "App passwords", None, None, tuple[words.AppPassword, ...], security="browser"),
            Route("POST", _APPS, self._add, "Make an app password", None, NewAppPassword, words.Generated, security="browser"),
            Route("DELETE", _APPS + "/{name}", self._remove, "Remove an app password", None, None, done, security="browser"),
            Route("GET", _FACTOR, self._factor, "Whether there is a second factor", None, None, FactorState, security="browser"),
            Route("POST", _FACTOR, self._begin, "Begin with a second factor", None, None, Begun, security="browser"),
            Route("POST", _FACTOR + "/confirm", self._first_code, "Its first code", None, Code, done, security="browser"),
            Route("DELETE", _FACTOR, self._end_factor, "Do without a second factor", None, None, done, security="browser"),
        ]  # fmt: skip

    # --- the password

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        await self._right(request, session, (await read(request, Confirming, _BODY)).password)
        await self._sessions.confirm(session)
        return answered(words.Done())

    async def _change(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        asked = await read(request, PasswordChange, _BODY)
        await self._right(request, session, asked.password)
        await self._directory.set_password(session.account, asked.new)
        response = web.Response(content_type="application/json")
        client, unknown = client_of(request), Opened(Account(session.account), "")
        opened = await self._authenticator.holds(unknown, asked.new, client)
        if opened is None:
            raise Denied(403, "the password was changed by another at the same time")
        fresh = await self._sessions.begin(request, response, session.account, opened.stored)
        response.body = json.encode(Changed(fresh.token, await self._sessions.end_others(fresh)))
        return response

    async def _right(self, request: web.Request, session: Session, password: str) -> None:
        """Denied (403: the session goes on) where that is not the account's password; guesses are counted as those at the door."""
        found = await self._authenticator.authenticate(
            session.account, password, service=WEB, client=client_of(request)
        )
        if found is None or found.name != session.account:
            raise Denied(403, "wrong password")
        await self._stored()

    # --- app passwords

    async def _list(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        return answered(await self._control.perform(words.AppPasswordList(address=session.account)))

    async def _add(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        asked = await read(request, NewAppPassword, _BODY)
        return await self._done(words.AppPasswordAdd(address=session.account, name=asked.name, services=asked.services))

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        return await self._done(words.AppPasswordRemove(address=session.account, name=request.match_info["name"][:320]))

    # --- the second factor

    async def _factor(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.required(request)
        left = await self._factors.left(session.account)
        return answered(FactorState(left is not None, left or 0))

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        made = await self._control.perform(words.SecondFactorBegin(address=session.account))
        return answered(Begun(made.secret, made.uri, made.recovery, _picture(made.uri)))

    async def _first_code(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        asked = await read(request, Code, _BODY)
        return await self._done(words.SecondFactorConfirm(address=session.account, code=asked.code))

    async def _end_factor(self, request: web.Request) -> web.StreamResponse:
        session = await self._sessions.fresh(request)
        await self._factors.remove(session.account)  # passkeys stay
        return answered(words.Done())

    async def _done(self, what: Request[words.Done] | Request[words.Generated]) -> web.StreamResponse:
        return answered(await self._control.perform(what))


def _picture(uri: str) -> str:
    import segno  # who never asks for it does not pay for it

    return segno.make(uri, error="m", micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff")
