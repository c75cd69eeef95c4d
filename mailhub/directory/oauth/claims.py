"""What must stand in a token, or in the answer to a question about it (RFC 7519 section 4.1, RFC 7662 section 2.2). Pure."""

from collections.abc import Mapping

import msgspec

from mailhub.config import schema

from . import BadToken

NAME_LIMIT = 320  # characters of an account's name

Claims = Mapping[str, object]


def read(octets: bytes) -> Claims:
    """A JSON object. ValueError where it is none."""
    found: dict[str, object] = msgspec.json.decode(octets, type=dict[str, object])
    return found


def account(claims: Claims, oauth: schema.OAuth, now: float) -> str:
    """The account that the claims name, as it stands there. BadToken where they do not fit the configuration, or the time."""
    _check_time(claims, oauth.leeway, now)
    if oauth.issuer and claims.get("iss") != oauth.issuer:
        raise BadToken("another issuer")
    if oauth.audience and not set(oauth.audience) & set(_words(claims.get("aud"), divided=False)):
        raise BadToken("for another audience")
    granted = {*_words(claims.get("scope")), *_words(claims.get("scp"))}
    if missing := [scope for scope in oauth.scopes if scope not in granted]:
        raise BadToken(f"without the scope {missing[0]}")
    name = claims.get(oauth.claim)
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        raise BadToken(f"no name in the claim {oauth.claim}")
    if oauth.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise BadToken("its e-mail address is not verified")
    return name


def expiry(claims: Claims) -> float | None:
    """Wall time at which it ends; None where that is not told. BadToken where it is no number."""
    return _number(claims, "exp")


def _check_time(claims: Claims, leeway: float, now: float) -> None:
    end, start = _number(claims, "exp"), _number(claims, "nbf")
    if end is not None and now - leeway >= end:
        raise BadToken("expired")
    if start is not None and now + leeway < start:
        raise BadToken("not valid yet")


def _number(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"{name} is no number")
    return value


def _words(value: object, *, divided: bool = True) -> list[str]:
    """A list of texts, or one text: divided at blanks, or as it is."""
    if isinstance(value, str):
        return value.split(" ") if divided else [value]
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
