"""How an account likes its pages: kept as an annotation of its own (RFC 5464), so that it goes wherever its mail goes.

preferences  language, colours, seconds in which sending is taken back, signatures, ...
identities   addresses that it may write as: its own, and aliases that lead to it alone
storage      what it holds, and may hold
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, MsgspecError, Struct, json

from mailhub.control import words
from mailhub.control.service import Control
from mailhub.directory import Directory
from mailhub.mailbox.service import AccountMail

from ..mail.asked import Asked
from ..own.signed import OWN
from ..routes import Route, answered, read
from .form import is_visible

ENTRY = "/private/vendor/mailhub/preferences"
_BODY = 262_144  # octets; the store has bounds of its own
_ALIASES = 100  # looked up, and checked
Owns = Callable[[str, str], Awaitable[bool]]


class Identity(Struct, frozen=True, forbid_unknown_fields=True):
    """How the account signs what it writes from one of its addresses. `signature`: plain text."""

    address: Annotated[str, Meta(min_length=1, max_length=320)]
    name: Annotated[str, Meta(max_length=200)] = ""
    signature: Annotated[str, Meta(max_length=10_000)] = ""


class Preferences(Struct, frozen=True, forbid_unknown_fields=True):
    """`language`, `theme` "": as the browser says. `undo_seconds`: in which sending is taken back. `identities`: the first is what new
    messages come from."""

    language: Literal["", "en", "zh"] = ""
    theme: Literal["", "light", "dark"] = ""
    undo_seconds: Annotated[int, Meta(ge=0, le=60)] = 10
    conversations: bool = False
    notifications: bool = False
    identities: Annotated[tuple[Identity, ...], Meta(max_length=_ALIASES)] = ()


class PreferencesRoutes:
    """One per hub. `owns(account, address)`: whether it may write as that."""

    def __init__(self, asked: Asked, control: Control, directory: Directory, owns: Owns) -> None:
        self._asked, self._control, self._directory, self._owns = asked, control, directory, owns

    def routes(self) -> list[Route]:
        path, all_of = OWN + "preferences", tuple[str, ...]
        return [
            Route("GET", path, self._get, "Preferences", None, None, Preferences, security="account"),
            Route("PUT", path, self._put, "Set all preferences", None, Preferences, Preferences, security="account"),
            Route("GET", OWN + "identities", self._identities, "Addresses that may be written from", None, None, all_of, security="account"),
            Route("GET", OWN + "storage", self._storage, "Storage used, and its limits", None, None, words.QuotaState, security="account"),
        ]  # fmt: skip

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return answered(await kept(await self._asked.mail(request)))

    async def _put(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        asked = await read(request, Preferences, _BODY)
        for one in asked.identities:
            if not is_visible(one.name):
                raise ValueError("the name of an identity is one line")
        await mail.annotations.set(None, [(ENTRY, json.encode(asked))])
        return answered(asked)

    async def _identities(self, request: web.Request) -> web.StreamResponse:
        return answered(await self.identities((await self._asked.mail(request)).name))

    async def identities(self, account: str) -> list[str]:
        """Its own address first."""
        aliases = await self._directory.aliases_to(account, _ALIASES)
        return [account, *[one for one in aliases if one != account and await self._owns(account, one)]]

    async def _storage(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        return answered(await self._control.perform(words.QuotaGet(address=mail.name)))


async def kept(mail: AccountMail) -> Preferences:
    """The defaults where there are none yet, or where another program has put there what is none."""
    found = dict(await mail.annotations.get(None)).get(ENTRY)
    try:
        return json.decode(found, type=Preferences) if found else Preferences()
    except MsgspecError:
        return Preferences()
