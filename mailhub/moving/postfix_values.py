"""Values of main.cf as ours: (value, what is different). Pure. `Refused` says why there is none."""

import ipaddress
import re
from collections.abc import Callable, Mapping

from mailhub.config import lookup, milters, restrictions

from .main_cf import listed

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Refused(ValueError):
    """The value has no counterpart; the text says why."""


def _text(text: str) -> tuple[object, str]:
    return text, ""


def number(text: str) -> tuple[int, str]:
    if not re.fullmatch(r"\d{1,15}", text):
        raise Refused(f"{text[:60]!r} is no number")
    return int(text), ""


def _bool(text: str) -> tuple[object, str]:
    if text not in ("yes", "no"):
        raise Refused(f"{text[:60]!r} is not yes or no")
    return text == "yes", ""


def inverse(text: str) -> tuple[object, str]:
    return not _bool(text)[0], ""


def duration(unit: str) -> Callable[[str], tuple[object, str]]:
    def read(text: str) -> tuple[object, str]:
        if not (found := re.fullmatch(r"(\d{1,12})([smhdw]?)", text)):
            raise Refused(f"{text[:60]!r} is no time")
        return int(found[1]) * _UNITS[found[2] or unit], ""

    return read


def _list(text: str) -> tuple[object, str]:
    return listed(text), ""


def _networks(text: str) -> tuple[object, str]:
    found = [word.replace("[", "").replace("]", "") if "/" in word or ":" in word else word for word in listed(text)]
    return [table(word)[0] if ":/" in word else word for word in found], ""


def lookup_tables(text: str) -> tuple[object, str]:
    made = [table(word) for word in listed(text)]
    return [name for name, _ in made], "; ".join(dict.fromkeys(why for _, why in made if why))


def _aliases(text: str) -> tuple[object, str]:
    """alias_maps: what newaliases(1) would compile is read as it is written."""
    tables = [table(word)[0] for word in listed(text)]
    return [re.sub(r"^(hash|btree|lmdb|cdb|dbm):", "aliases:", name) for name in tables], ""


def _domains(text: str) -> tuple[object, str]:
    """A list of domains, or tables of them, as a look-up table."""
    words = listed(text)
    named = {word: "" for word in words if ":" not in word}
    tables: list[object] = [table(word)[0] for word in words if ":" in word]
    return [*([named] if named else []), *tables], ""


def table(word: str) -> tuple[str, str]:
    """A table's name for us, and what is different. lookup.Malformed where we have no such type."""
    name = word.removeprefix("proxy:")
    lookup.spec(name)
    return name, "without proxymap" if name != word else ""


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


RBL = {"reject_rbl_client": 3, "permit_dnswl_client": -3}  # what such a list weighs in [dnsbl]
_WITH_ARGUMENT = re.compile(r"(check_|reject_rhsbl_|permit_rhswl_|reject_rbl_|permit_dnswl_)")


def known_restrictions(text: str) -> tuple[list[str], str]:
    """Those that we know, with their arguments; what is left out, in words."""
    words = [re.sub(r"^proxy:", "", word) for word in listed(text)]
    kept: list[str] = []
    left: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name = restrictions.BEFORE.get(word.lower(), word.lower())
        if name == "warn_if_reject":
            kept.append(word)
            continue
        takes = bool(restrictions.WORDS.get(name)) if name in restrictions.WORDS else bool(_WITH_ARGUMENT.match(name))
        entry = [word, next(waiting, "")] if takes else [word]
        try:
            restrictions.parse(entry)
        except lookup.Malformed as error:
            left.append(f"{' '.join(entry)} left out" + (f" ({error})" if name in restrictions.WORDS else ""))
            if kept and kept[-1].lower() == "warn_if_reject":
                kept.pop()
            continue
        kept += entry
    return kept, "; ".join(left)


def _milters(text: str) -> tuple[object, str]:
    found = list(milters.listed(text))
    for one in found:
        try:
            milters.milter(one)
        except lookup.Malformed as error:
            raise Refused(f"{one[:60]!r}: {error}; a path is a whole one here") from None
    return found, ""


def _words(text: str) -> tuple[object, str]:
    """Macros' names and values, which may stand in braces."""
    return list(milters.listed(text)), ""


def _cipher_level(text: str) -> tuple[object, str]:
    known = ("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
    if text not in known:
        raise Refused(f"{text!r}: known are {', '.join(known)}")
    return text, ""


KINDS: Mapping[str, Callable[[str], tuple[object, str]]] = {
    "text": _text, "int": number, "bool": _bool, "not": inverse, "list": _list, "networks": _networks, "tables": lookup_tables,
    "aliases": _aliases, "domains": _domains, "restrictions": known_restrictions, "level": _cipher_level,
    "milters": _milters, "words": _words,
    "seconds": duration("s"), "hours": duration("h"), "days": duration("d"),
}  # fmt: skip
