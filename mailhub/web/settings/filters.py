"""Filters, a reply for absences, and where mail goes on to: what an account does with mail that comes, by HTTP.

The form is kept as one Sieve script of the account, by the name of NAME. A script that somebody has written, or changed, by hand is shown
as text and stays in force until the owner says that the form's is to take its place.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from mailhub.control import words
from mailhub.control.service import Control
from mailhub.mailbox.scripts import Scripts
from mailhub.model.errors import NotFound

from ..mail.asked import Asked
from ..own.signed import OWN
from ..routes import Route, answered, read
from ..safety import Denied
from .form import Form, is_address, read_back, written

NAME = "webmail"
_PATH, _FORWARD = OWN + "filters", OWN + "forward"
_BODY = 524_288  # octets
Address = Annotated[str, Meta(min_length=1, max_length=320)]


class ByHand(Struct, frozen=True):
    """A script that is in force, and no form's."""

    name: str
    text: str


class Filters(Struct, frozen=True):
    """`script`: what the form is in Sieve, "" where nothing was set yet. `by_hand`: what is in force instead."""

    form: Form
    script: str
    by_hand: ByHand | None


class FiltersSet(Struct, frozen=True, forbid_unknown_fields=True):
    """`replace`: instead of a script that was written by hand, which is kept under its name if that is another one."""

    form: Form
    replace: bool = False


class Script(Struct, frozen=True):
    script: str


class ForwardSet(Struct, frozen=True, forbid_unknown_fields=True):
    """No targets: all mail stays. `keep`: a copy stays, too."""

    targets: Annotated[tuple[Address, ...], Meta(max_length=20)] = ()
    keep: bool = True


class FilterRoutes:
    """One per hub. `identities(account)`: the addresses that are the account's."""

    def __init__(
        self, asked: Asked, scripts: Scripts, control: Control, identities: Callable[[str], Awaitable[list[str]]]
    ) -> None:
        self._asked, self._scripts, self._control, self._identities = asked, scripts, control, identities

    def routes(self) -> list[Route]:
        return [
            Route("GET", _PATH, self._get, "Filters and the reply for absences", None, None, Filters, security="account"),
            Route("PUT", _PATH, self._put, "Set all filters", None, FiltersSet, Filters, security="account"),
            Route("POST", _PATH + "/script", self._show, "What a form is in Sieve; nothing is kept", None, Form, Script, security="account"),
            Route("GET", _FORWARD, self._forward, "Where mail goes on to", None, None, words.Forward, security="account"),
            Route("PUT", _FORWARD, self._set_forward, "Pass mail on", None, ForwardSet, words.Forward, security="account"),
        ]  # fmt: skip

    # --- filters

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return answered(await self._found((await self._asked.mail(request)).name))

    async def _show(self, request: web.Request) -> web.StreamResponse:
        account = (await self._asked.mail(request)).name
        return answered(Script(await self._script(account, await read(request, Form, _BODY))))

    async def _put(self, request: web.Request) -> web.StreamResponse:
        account = (await self._asked.mail(request)).name
        asked = await read(request, FiltersSet, _BODY)
        script = await self._script(account, asked.form)
        if not asked.replace and (await self._found(account)).by_hand is not None:
            raise Denied(409, "a script that was written by hand is in force: `replace` puts this one in its place")
        await self._scripts.put(account, NAME, script.encode())
        await self._scripts.activate(account, NAME)
        return answered(await self._found(account))

    async def _script(self, account: str, form: Form) -> str:
        """Checked by the same compiler that every script has to please."""
        addresses = await self._identities(account) if form.absence.enabled else []
        script = written(form, addresses, self._scripts.redirect_limit)
        await self._scripts.check(script.encode())
        return script

    async def _found(self, account: str) -> Filters:
        rows = await self._scripts.list(account)
        active = next((row.name for row in rows if row.active), "")
        ours = await self._text(account, NAME) if any(row.name == NAME for row in rows) else ""
        form = read_back(ours)
        by_hand = None
        if active and active != NAME:
            by_hand = ByHand(active, await self._text(account, active))
        elif ours and form is None:
            by_hand = ByHand(NAME, ours)
        return Filters(form or Form(), ours if form is not None else "", by_hand)

    async def _text(self, account: str, name: str) -> str:
        try:
            return (await self._scripts.get(account, name)).decode("utf-8", "replace")
        except NotFound:  # deleted in this moment
            return ""

    # --- forwards

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        return answered(await self._forwarded((await self._asked.mail(request)).name))

    async def _set_forward(self, request: web.Request) -> web.StreamResponse:
        account = (await self._asked.mail(request)).name
        asked = await read(request, ForwardSet, _BODY)
        for target in asked.targets:
            if not is_address(target):
                raise ValueError(f"{target[:80]!r} is no address such as user@example.org")
        if not all(map(is_address, (await self._forwarded(account)).targets)):
            raise Denied(403, "mail of this account goes on to what is no address: that is the operator's")
        return answered(
            await self._control.perform(words.ForwardSet(address=account, targets=asked.targets, keep=asked.keep))
        )

    async def _forwarded(self, account: str) -> words.Forward:
        return await self._control.perform(words.ForwardGet(address=account))
