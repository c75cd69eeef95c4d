"""Asking the issuer what a token is good for (RFC 7662)."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from functools import partial
from urllib.parse import quote_plus

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

from ..recent import Recent
from . import BadToken, Http, claims, files


class Introspection:
    """An answer that was yes is remembered for `cache_seconds`, and never longer than the token lives."""

    def __init__(self, oauth: schema.OAuth, http: Http, clock: Clock) -> None:
        self._oauth, self._http, self._clock = oauth, http, clock
        self._key = secrets.token_bytes(32)
        self._good: Recent[bytes, tuple[str, float]] = Recent(oauth.cache_limit)  # account, until when that is known
        self._asked: dict[bytes, asyncio.Task[str]] = {}

    async def account(self, token: str) -> str:
        """BadToken where it opens nothing, Temporary where the issuer does not answer."""
        digest = hmac.digest(self._key, token.encode(), hashlib.sha256)
        name, until = self._good.peek(digest, ("", 0.0))
        if until > self._clock.monotonic():
            return name
        asked = self._asked.get(digest)
        if asked is None:  # one question serves all who show the same token meanwhile
            asked = asyncio.create_task(self._ask(token, digest), name="introspection")
            self._asked[digest] = asked
            asked.add_done_callback(partial(self._answered, digest))
        return await asyncio.shield(asked)

    def _answered(self, digest: bytes, task: "asyncio.Task[str]") -> None:
        del self._asked[digest]
        if not task.cancelled():
            task.exception()  # those who asked may be gone: then nobody else looks at it

    async def _ask(self, token: str, digest: bytes) -> str:
        url = self._oauth.introspection
        form = {"token": token, "token_type_hint": "access_token"}
        octets = await self._http.post(url, form, await self._authorization())
        try:
            found = claims.read(octets)
        except ValueError as error:
            raise Temporary(f"{url}: {error}") from None
        if found.get("active") is not True:
            raise BadToken("not active, says its issuer")
        now = self._clock.now()
        name = claims.account(found, self._oauth, now)
        end = claims.expiry(found)
        seconds = self._oauth.cache_seconds if end is None else min(self._oauth.cache_seconds, end - now)
        if seconds > 0:
            self._good.put(digest, (name, self._clock.monotonic() + seconds))
        return name

    async def _authorization(self) -> str:
        """RFC 6749 section 2.3.1. The file is read at each question, so that a new secret counts at once."""
        path = self._oauth.introspection_client
        try:
            identity, colon, secret = (await files.read(path)).decode().strip().partition(":")
        except UnicodeDecodeError:
            raise Temporary(f"{path}: not UTF-8") from None
        if not colon or not identity or "\n" in secret:
            raise Temporary(f"{path}: not one line client_id:client_secret")
        return "Basic " + base64.b64encode(f"{quote_plus(identity)}:{quote_plus(secret)}".encode()).decode()
