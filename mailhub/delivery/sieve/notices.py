"""notify (RFC 5435) by mail (RFC 5436): what a script asks for, checked."""

import re
import urllib.parse
from collections.abc import Callable, Mapping

from mailhub.wire.sieve.static import address

from .actions import Notify

_IMPORTANCE = {"1": 1, "2": 2, "3": 3}


_FIELD = re.compile(r"[!-9;-~]+")  # RFC 5322 section 3.6.8


def targets(method: str, *, copies: bool = True) -> list[str] | None:
    """The addresses of a mailto URI (RFC 6068), each once; None where it is none that can be used. `copies`: those of cc, too."""
    scheme, colon, rest = method.partition(":")
    if not colon or scheme.lower() != "mailto":
        return None
    path, _, query = rest.partition("?")
    found = [piece for piece in urllib.parse.unquote(path).split(",") if piece]
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        name = urllib.parse.unquote(name).lower()
        if not _FIELD.fullmatch(name):
            return None
        if name == "to" or (name == "cc" and copies):
            found += urllib.parse.unquote(value).split(",")
    parsed = [address(one) for one in found]
    if not parsed or None in parsed or len(parsed) > 8:
        return None
    return list(dict.fromkeys(one for one in parsed if one))


def fields(method: str) -> dict[str, str]:
    """What the URI says of the header: subject and body, and nothing that could lead elsewhere (RFC 5436 section 2.3)."""
    query = method.partition("?")[2]
    pairs = (item.partition("=") for item in query.split("&") if item)
    found = {name.lower(): urllib.parse.unquote(value) for name, _, value in pairs}
    return {name: value for name, value in found.items() if name in ("subject", "body")}


def notice(
    text: Callable[[object], str],
    texts: Callable[[object], tuple[str, ...]],
    tags: Mapping[str, int | str | tuple[str, ...]],
    method: str,
) -> Notify | str:
    """The action, or why there is none."""
    if targets(method) is None:
        return f"{method[:80]!r} is no way to notify anybody"
    sender = text(tags["from"]) if "from" in tags else None
    if sender is not None and address(sender) is None:
        return f"{sender[:80]!r} is no mail address"
    importance = _IMPORTANCE.get(text(tags.get("importance", "2")))
    if importance is None:
        return "':importance' is 1, 2 or 3"
    message = text(tags["message"]) if "message" in tags else ""
    return Notify(method, message, sender, importance, texts(tags.get("options", ())))
