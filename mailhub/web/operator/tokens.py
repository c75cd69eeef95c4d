"""Tokens, for an administrator's browser alone: no token makes another, and to make one wants the password again."""

import logging

import msgspec
from aiohttp import web

from mailhub.control import words
from mailhub.control.service import Control

from ..routes import Route, answered, read
from ..safety import Denied, client_of
from ..sessions import Session, Sessions
from .actions import ROOT

log = logging.getLogger("mailhub.web")


class TokenRoutes:
    """One per hub."""

    def __init__(self, control: Control, sessions: Sessions) -> None:
        self._control, self._sessions = control, sessions

    def routes(self) -> list[Route]:
        return [
            Route("POST", ROOT + "token.list", self._list, "Tokens, without what is secret", None, words.TokenList, tuple[words.Token, ...], security="browser"),
            Route("POST", ROOT + "token.add", self._add, "Make a token; told this once", None, words.TokenAdd, words.MadeToken, security="browser"),
            Route("POST", ROOT + "token.remove", self._remove, "Let it open nothing any more", None, words.TokenRemove, words.Done, security="browser"),
        ]  # fmt: skip

    async def _list(self, request: web.Request) -> web.StreamResponse:
        _administrator(await self._sessions.required(request))
        return answered(await self._control.perform(await read(request, words.TokenList)))

    async def _add(self, request: web.Request) -> web.StreamResponse:
        session = _administrator(await self._sessions.required(request))
        await self._sessions.fresh(request)
        asked = msgspec.structs.replace(await read(request, words.TokenAdd), maker=session.account)
        made = await self._control.perform(asked)
        _note(request, session, "token.add", asked.name, " ".join(asked.scopes))
        return answered(made)

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        session = _administrator(await self._sessions.required(request))
        asked = await read(request, words.TokenRemove)
        done = await self._control.perform(asked)
        _note(request, session, "token.remove", asked.name)
        return answered(done)


def _administrator(session: Session) -> Session:
    """Denied for all others, also for administrators of a domain."""
    if not session.is_admin:
        raise Denied(403, f"{session.account} is none of web.admins")
    return session


def _note(request: web.Request, session: Session, action: str, name: str, scopes: str = "") -> None:
    what = f"{action} {name!r} {scopes}".rstrip()
    log.info("http: %s by %s in a browser from %s", what, session.account, client_of(request))
