"""ARC (RFC 8617): the sets of a message read, and what their seals and signatures were made of. No look-ups here: keys are handed in.
ValueError says what is wrong with a chain."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from msgspec import Struct

from . import authres, dkim
from .headers import unfold

RESULTS, MESSAGE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
MOST = 50  # sets of one message (section 4.2.1)
_NAMES = 200  # header fields of one signature
_VALUE = 16_384  # octets of one field
_INSTANCE = re.compile(r"[1-9][0-9]?")
_RESULTS = re.compile(rb"[ \t]*i[ \t]*=[ \t]*([1-9][0-9]?)[ \t]*;")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WRAPPED = frozenset(("b", "bh", "h"))  # tags whose values may hold white space
_CANON = "relaxed/relaxed"  # without c=, as the authors' suite has it
_AUTHOR = b"header.from="

Status = Literal["none", "pass", "fail"]


class Seal(Struct, frozen=True):
    """ARC-Seal. `status`: what the sealer found of the chain before."""

    field: bytes
    algorithm: str
    domain: str
    selector: str
    status: Status
    value: bytes

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class Set(Struct, frozen=True):
    """`results`: the field ARC-Authentication-Results, as it stands."""

    results: bytes
    message: dkim.Signature
    seal: Seal


def sets(fields: Sequence[tuple[bytes, bytes]]) -> list[Set]:
    """Of `dkim.fields`, the first set first; none where there is no chain. ValueError where it is none (section 5.2, steps 1 to 3)."""
    found: dict[bytes, dict[int, bytes]] = {RESULTS: {}, MESSAGE: {}, SEAL: {}}
    tags: dict[tuple[bytes, int], Mapping[str, str]] = {}
    for name, field in fields:
        if name not in found:
            continue
        if len(field) > _VALUE:
            raise ValueError(f"{name.decode()} is longer than any that is taken")
        if name == RESULTS:
            instance = _of_results(field)
        else:
            read = _tags(field)
            instance = _instance(read.get("i", ""), name)
            tags[name, instance] = read
        if instance in found[name]:
            raise ValueError(f"{name.decode()} stands there twice for i={instance}")
        found[name][instance] = field
    count = max((len(one) for one in found.values()), default=0)
    if count > MOST:
        raise ValueError(f"more than {MOST} sets")
    wanted = set(range(1, count + 1))
    if missing := [name.decode() for name, one in found.items() if set(one) != wanted]:
        raise ValueError(f"{missing[0]} is missing from a set")
    made = [
        Set(found[RESULTS][i], _message(found[MESSAGE][i], tags[MESSAGE, i]), _seal(found[SEAL][i], tags[SEAL, i]))
        for i in sorted(wanted)
    ]
    for n, one in enumerate(made, 1):
        if one.seal.status == "fail" and n == count:
            raise ValueError(f"{one.seal.domain} found the chain broken")
        if one.seal.status != ("none" if n == 1 else "pass"):
            raise ValueError(f"the seal i={n} says cv={one.seal.status}")
    return made


def sealed(chain: Sequence[Set], count: int, *, alone: bool = False) -> bytes:
    """What the seal of set `count` was made of (section 5.1.1): all sets up to it, its own seal without b=. `alone`: only its own
    set, where the chain is broken (section 5.1.2)."""
    lines = []
    for n, one in enumerate(chain[:count], 1):
        if n == count:
            lines += [one.results, one.message.field, dkim.unsigned(one.seal.field)]
        elif not alone:
            lines += [one.results, one.message.field, one.seal.field]
    return b"\r\n".join(map(dkim.canonical_field, lines))


def dmarc_passed(one: Set) -> str:
    """The domain in From for which its ARC-Authentication-Results says, once, that DMARC passed; "" for none, and where that can not be read."""
    try:
        told = [words for words in authres.results(one.results.partition(b":")[2])[2:] if words[:1]]
    except ValueError:
        return ""
    found = [words for words in told if words[0].lower().startswith(b"dmarc=")]
    authors = [word.lower() for words in found for word in words[1:] if word.lower().startswith(_AUTHOR)]
    if len(found) != 1 or found[0][0].lower() != b"dmarc=pass" or len(authors) != 1:
        return ""
    return authors[0].removeprefix(_AUTHOR).decode("ascii", "replace")


def _of_results(field: bytes) -> int:
    found = _RESULTS.match(unfold(field.partition(b":")[2]))
    if found is None:
        raise ValueError("arc-authentication-results does not begin with i=")
    return int(found[1])


def _instance(text: str, name: bytes) -> int:
    if not _INSTANCE.fullmatch(text):
        raise ValueError(f"{name.decode()} has no i= from 1 to {MOST}")
    return int(text)


def _message(field: bytes, tags: Mapping[str, str]) -> dkim.Signature:
    algorithm, domain, selector = _origin(tags, "arc-message-signature")
    if missing := [name for name in ("b", "bh") if not tags.get(name)]:
        raise ValueError(f"arc-message-signature has no {missing[0]}=")
    if "h" not in tags:
        raise ValueError("arc-message-signature has no h=")
    names = tuple(name.strip().lower().encode() for name in tags["h"].split(":"))
    if SEAL in names or len(names) > _NAMES:
        raise ValueError("h= of arc-message-signature names what it may not")
    header, _, body = tags.get("c", _CANON).partition("/")
    if {header, body or "simple"} - {"simple", "relaxed"}:
        raise ValueError("c= is none that is known")
    return dkim.Signature(
        field, algorithm, domain, selector, f"@{domain}", names, header, body or "simple", dkim.decoded(tags["bh"]),
        dkim.decoded(tags["b"]), dkim.number(tags, "l"), dkim.number(tags, "t"),
    )  # fmt: skip


def _seal(field: bytes, tags: Mapping[str, str]) -> Seal:
    algorithm, domain, selector = _origin(tags, "arc-seal")
    if "h" in tags:
        raise ValueError("arc-seal has h=")
    if not tags.get("b"):
        raise ValueError("arc-seal has no b=")
    status = tags.get("cv", "")
    if status not in ("none", "pass", "fail"):
        raise ValueError("arc-seal has no cv= that is known")
    dkim.number(tags, "t")
    return Seal(field, algorithm, domain, selector, cast("Status", status), dkim.decoded(tags["b"]))


def _origin(tags: Mapping[str, str], name: str) -> tuple[str, str, str]:
    if missing := [key for key in ("a", "d", "s") if not tags.get(key)]:
        raise ValueError(f"{name} has no {missing[0]}=")
    if tags["a"] not in dkim.ALGORITHMS:
        raise ValueError(f"the algorithm {tags['a'][:40]} is not taken")
    return tags["a"], tags["d"].lower().rstrip("."), tags["s"].lower()


def _tags(field: bytes) -> Mapping[str, str]:
    """A tag-list (RFC 6376 section 3.2), read as strictly as that says."""
    found: dict[str, str] = {}
    pieces = unfold(field.partition(b":")[2]).decode("ascii", "replace").split(";")
    if not pieces[-1].strip():
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not _TAG.fullmatch(name):
            raise ValueError(f"{name[:20]!r} is no tag")
        if name in found:
            raise ValueError(f"{name}= stands there twice")
        found[name] = "".join(value.split()) if name in _WRAPPED else value
    return found
