"""What an OAuth token is good for, told by who issued it: JWTs by the issuer's keys, others by asking him (RFC 7662).

    tokens          which of the two a token is for
    signed, keys    the signature of a JWT (RFC 7519), and the issuer's keys (RFC 7517)
    introspection   the question to the issuer
    claims          what must stand in either: who made it, for whom, until when, for which account

`BadToken` is the issuer's no. One that is away is `Temporary`.
"""

from collections.abc import Mapping
from typing import Protocol


class BadToken(Exception):
    """It opens nothing; the text says why, for the log, and holds nothing of the token."""


class Http(Protocol):
    """How an issuer is reached (net.http). Temporary where he can not be."""

    async def get(self, url: str) -> bytes: ...

    async def post(self, url: str, form: Mapping[str, str], authorization: str) -> bytes: ...
