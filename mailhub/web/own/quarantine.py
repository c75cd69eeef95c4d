"""An account's own part of the quarantine."""

from aiohttp import web

from mailhub.control import words
from mailhub.control.service import Control

from ..access import Access
from ..routes import Route, answered
from .signed import OWN, signed_in

_PATH = OWN + "quarantine"


def routes(control: Control, access: Access) -> list[Route]:
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
        Route("GET", _PATH, signed_in(access, page), "What is held for this account alone, oldest first", after, None, listed, security="account"),
        Route("GET", one, signed_in(access, show), "One of them, with its header", None, None, text, security="account"),
        Route("POST", one + "/release", signed_in(access, release), "Let it go, to INBOX", None, None, touched, security="account"),
        Route("DELETE", one, signed_in(access, delete), "Delete it; nobody is told", None, None, touched, security="account"),
    ]  # fmt: skip
