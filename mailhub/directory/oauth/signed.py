"""JSON Web Tokens (RFC 7519, RFC 8725): the library verifies the signature, the clock and the claims are ours.

A signature is verified on the loop: 0.1 ms for what issuers use (RS256, ES256), as long as handing it to a thread takes.
"""

import jwt

from mailhub.config import schema
from mailhub.model.clock import Clock

from . import BadToken, claims
from .keys import KeySet


class SignedTokens:
    """Tokens signed with one of `keys`."""

    def __init__(self, oauth: schema.OAuth, keys: KeySet, clock: Clock) -> None:
        self._oauth, self._keys, self._clock = oauth, keys, clock
        self._jws = jwt.PyJWS(algorithms=list(oauth.algorithms))

    async def account(self, token: str) -> str:
        """BadToken where it opens nothing, Temporary where the keys can not be had."""
        found = await self._verified(token)
        if claims.expiry(found) is None:
            raise BadToken("it never ends")
        return claims.account(found, self._oauth, self._clock.now())

    async def _verified(self, token: str) -> claims.Claims:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise BadToken(f"no JWT: {error}") from None
        algorithm, name = header.get("alg"), header.get("kid", "")
        if algorithm not in self._oauth.algorithms:  # RFC 8725 section 3.1
            raise BadToken(f"signed by {str(algorithm)[:20]!r}, which is not in auth.oauth.algorithms")
        if "crit" in header or "b64" in header:  # RFC 7515 section 4.1.11: not understood, not taken
            raise BadToken("a critical extension")
        for key in await self._keys.find(name, algorithm):
            try:
                return claims.read(self._jws.decode(token, key.public, algorithms=[algorithm]))
            except jwt.PyJWTError:
                continue
            except ValueError:
                raise BadToken("what is signed is no JSON object") from None
        raise BadToken(f"not signed by the key {name[:80]!r}" if name else "not signed by any key")


def looks_signed(token: str) -> bool:
    """Whether it has the form of a JWT (RFC 7519 section 3)."""
    return token.count(".") == 2 and token.startswith("ey")
