"""The tokens that are taken: JWTs by their keys where there are some, all others by introspection."""

from functools import partial

from mailhub.config import rules, schema
from mailhub.model.clock import Clock

from . import BadToken, Http, files
from .introspection import Introspection
from .keys import KeySet
from .signed import SignedTokens, looks_signed


class IssuedTokens:
    """One per hub."""

    def __init__(self, oauth: schema.OAuth, http: Http, clock: Clock) -> None:
        self._signed = SignedTokens(oauth, _keys(oauth, http, clock), clock) if oauth.jwks else None
        self._introspection = Introspection(oauth, http, clock) if oauth.introspection else None

    async def account(self, token: str) -> str:
        if self._signed is not None and looks_signed(token):
            return await self._signed.account(token)
        if self._introspection is not None:
            return await self._introspection.account(token)
        raise BadToken("no JWT, and nobody to ask: auth.oauth.introspection")


def _keys(oauth: schema.OAuth, http: Http, clock: Clock) -> KeySet:
    """A file is near, and changes when the operator says so: it is read again as often as may be."""
    if rules.is_url(oauth.jwks):
        read, seconds = partial(http.get, oauth.jwks), oauth.keys_seconds
    else:
        read, seconds = partial(files.read, oauth.jwks), 2 * oauth.keys_interval
    return KeySet(read, clock, seconds=seconds, interval=oauth.keys_interval)
