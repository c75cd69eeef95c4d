"""An account's own part of the quarantine, for who has its password."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from mailhub.control import words
from mailhub.control.service import Control

from ..routes import Route, answered
from .access import Access, Denied
from .actions import ROOT

_PATH = ROOT + "own/quarantine"
Ask = Callable[[str, web.Request], Awaitable[web.StreamResponse]]


def routes(control: Control, access: Access) -> list[Route]:
    def signed_in(ask: Ask) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                account = await access.account(request)
            except Denied as denied:
                return denied.answer
            return await ask(account, request)

        return handler

    async def page(account: str, request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", "")
        return answered(await control.perform(words.QuarantineList(account=account, after=after)))

    async def show(account: str, request: web.Request) -> web.StreamResponse:
        return answered(await control.perform(words.QuarantineShow(account=account, id=request.match_info["id"])))

    async def release(account: str, request: web.Request) -> web.StreamResponse:
        which = words.Which(ids=(request.match_info["id"],))
        return answered(await control.perform(words.QuarantineRelease(account=account, which=which)))

    async def delete(account: str, request: web.Request) -> web.StreamResponse:
        which = words.Which(ids=(request.match_info["id"],))
        return answered(await control.perform(words.QuarantineDelete(account=account, which=which)))

    one, after = _PATH + "/{id}", {"after": "the id of the last one that was listed"}
    listed, text, touched = tuple[words.Quarantined, ...], words.QuarantineText, words.Touched
    return [
        Route("GET", _PATH, signed_in(page), "What is held for this account alone, oldest first", after, None, listed, security="account"),
        Route("GET", one, signed_in(show), "One of them, with its header", None, None, text, security="account"),
        Route("POST", one + "/release", signed_in(release), "Let it go, to INBOX", None, None, touched, security="account"),
        Route("DELETE", one, signed_in(delete), "Delete it; nobody is told", None, None, touched, security="account"),
    ]  # fmt: skip
