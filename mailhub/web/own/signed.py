"""Handlers for who signed in as an account."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from ..access import Access, Denied
from ..safety import Handler

OWN = "/api/mailhub/v1/own/"
Ask = Callable[[str, web.Request], Awaitable[web.StreamResponse]]


def signed_in(access: Access, ask: Ask) -> Handler:
    """`ask(account, request)` for an account that has shown who it is."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            account = await access.account(request)
        except Denied as denied:
            return denied.answer
        return await ask(account, request)

    return handler
