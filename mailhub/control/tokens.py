"""Tokens for the HTTP interface: made, listed, removed; and looked up as they are shown."""

import hashlib
import logging
import secrets

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import TokenRow, TokenStore

from . import scopes
from . import token_words as words
from .errors import ControlError
from .request import Done

log = logging.getLogger("mailhub.control")

LIMIT = 1_000
_MARK = "mailhub_"  # by which those who look for lost secrets know one
_TOUCH = 3_600.0  # seconds: a use is noted no more often than that


class Tokens:
    """A token has 256 bits, so that one SHA-256 is as good as a slow hash."""

    def __init__(self, store: TokenStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def add(self, request: words.TokenAdd) -> words.MadeToken:
        if unknown := [scope for scope in request.scopes if not scopes.known(scope)]:
            raise ControlError(
                "usage",
                f"no scope {unknown[0]!r}: SUBJECT:read or SUBJECT:write, of *, {', '.join(scopes.SUBJECTS)}; for one domain with @DOMAIN",
            )
        if not request.name.isprintable() or request.name != request.name.strip():
            raise ControlError("usage", f"{request.name!r} is no name for a token: printable characters")
        token, now = _MARK + secrets.token_urlsafe(32), self._clock.now()
        expires = now + request.lifetime if request.lifetime else 0.0
        wanted = tuple(sorted({scope.lower() for scope in request.scopes}))
        row = TokenRow(request.name, digest(token), wanted, now, expires, maker=request.maker)
        await self._store.put(row, LIMIT)
        return words.MadeToken(token=token)

    async def page(self, request: words.TokenList) -> tuple[words.Token, ...]:
        return tuple(
            words.Token(
                name=row.name, scopes=row.scopes, created=row.created, expires=row.expires, used=row.used, client=row.client,
                maker=row.maker,
            )
            for row in await self._store.page()
        )  # fmt: skip

    async def remove(self, request: words.TokenRemove) -> Done:
        await self._store.remove(request.name)
        return Done()

    async def shown(self, token: str, client: str) -> TokenRow | None:
        """The row of a token that opens something now; its use is noted."""
        row, now = await self._store.found(digest(token)), self._clock.now()
        if row is None or (row.expires and row.expires <= now):
            return None
        if now - row.used >= _TOUCH:
            try:
                await self._store.use(row.name, now, client)
            except MailError as error:  # a note, no more
                log.warning("use of token %r not noted: %s", row.name, error)
        return row


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
