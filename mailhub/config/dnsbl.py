"""Lists of clients in DNS: [dnsbl], and how Postfix's postscreen(8) writes one: DOMAIN[=PATTERN][*WEIGHT]."""

import re
from typing import Annotated

from msgspec import Meta, Struct

from .filters import Check, Score
from .findings import is_domain
from .section import Name

SITES = (
    "zen.spamhaus.org=127.0.0.[2..11]*5",
    "bl.spamcop.net=127.0.0.2*3",
    "list.dnswl.org=127.0.[0..255].1*-1",
    "list.dnswl.org=127.0.[0..255].[2;3]*-3",
)
_SITE = re.compile(r"(?P<domain>[^=*]+)(?:=(?P<pattern>[^*]+))?(?:\*(?P<weight>[+-]?\d+(?:\.\d+)?))?")
_OCTET = re.compile(r"\d+|\[(?:\d+(?:\.\.\d+)?)(?:;\d+(?:\.\.\d+)?)*\]")
_DOT = re.compile(r"\.(?![^\[]*\])")  # outside brackets

Octets = tuple[frozenset[int], ...]


class Malformed(ValueError):
    """What is wrong, in one line."""


class Site(Struct, frozen=True):
    """A list. `pattern`: for each octet of an answer, the values that count; empty: every answer does. `weight`: what a client that
    is on it adds to the score."""

    domain: str
    pattern: Octets = ()
    weight: float = 1.0

    def lists(self, answer: str) -> bool:
        """Whether the list says by this address that the client is on it. Answers of 127.255.255.0/24 say that the list does not
        answer us, those outside 127.0.0.0/8 come from somebody who answers everything."""
        octets = [int(part) for part in answer.split(".") if part.isdecimal()]
        if len(octets) != 4 or octets[0] != 127 or octets[1:3] == [255, 255]:
            return False
        return all(octet in values for octet, values in zip(octets, self.pattern, strict=False))


def site(text: str) -> Site:
    """Malformed where it is none."""
    found = _SITE.fullmatch(text)
    if found is None or not is_domain(found["domain"]):
        raise Malformed('"DOMAIN", "DOMAIN=127.0.0.[2..11;20]" or "DOMAIN=127.0.0.2*3"')
    weight = float(found["weight"] or 1)
    if abs(weight) > 1_000:
        raise Malformed("a weight from -1000 to 1000")
    return Site(found["domain"].lower(), _pattern(found["pattern"] or ""), weight)


def _pattern(text: str) -> Octets:
    parts = _DOT.split(text) if text else []
    if parts and (len(parts) != 4 or not all(map(_OCTET.fullmatch, parts))):
        raise Malformed('a pattern of four octets, each a number or as "[2..11;20]"')
    return tuple(map(_values, parts))


def _values(part: str) -> frozenset[int]:
    values: set[int] = set()
    for run in part.strip("[]").split(";"):
        first, _, last = run.partition("..")
        low, high = int(first), int(last or first)
        if not low <= high <= 255:
            raise Malformed(f"octets from 0 to 255 in ascending order, not {run!r}")
        values.update(range(low, high + 1))
    return frozenset(values)


class Dnsbl(Check, frozen=True, kw_only=True):
    # Lists as postscreen writes them: DOMAIN[=PATTERN][*WEIGHT]. The weights of those that a client is on are added to the score;
    # below 0 the list speaks for it. Each is told the addresses of strangers that bring mail; (): none.
    sites: Annotated[tuple[Name, ...], Meta(max_length=50)] = SITES
    # Time for each list. One that does not answer says nothing.
    timeout: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    # Sum of weights from which on the client is refused (550); 0: never, it only adds to the score.
    threshold: Score = 0.0
    # Sum of weights up to which a client is not greylisted; 0: none is spared.
    allowlist_threshold: Annotated[float, Meta(ge=-1_000, le=0)] = -1.0
