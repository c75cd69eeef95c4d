"""What is wrong with the values of a command or test, where they are constant and it can be known before the script runs."""

import re
from collections.abc import Collection, Iterator, Mapping

COMPARATORS = ("i;octet", "i;ascii-casemap", "i;ascii-numeric", "i;unicode-casemap")
RELATIONS = ("gt", "ge", "lt", "le", "eq", "ne")
ADDRESS_FIELDS = frozenset({
    "from", "to", "cc", "bcc", "sender", "resent-from", "resent-to", "resent-cc", "resent-bcc", "resent-sender",
    "resent-reply-to", "reply-to", "delivered-to", "x-original-to", "return-path", "envelope-to", "errors-to",
    "disposition-notification-to", "list-post", "mail-followup-to",
})  # fmt: skip
DATE_PARTS = frozenset({
    "year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
})  # fmt: skip
FIELD_NAME = re.compile(r"[!-9;-~]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ZONE = re.compile(r"[+-][0-9]{4}")
# addr-spec as it may leave from here: dot-atoms (dots anywhere), or a quoted local part; the domain of letters or a literal.
# Said by what may not be there: ranges up to U+10FFFF took 5 ms to compile
_ADDRESS = re.compile(
    r"(?:[^\x00- \"(),:;<>@\[-\]\x7f]+|\"(?:[^\"\\\r\n]|\\[^\r\n])*\")"
    r"@(?:[^\x00-/:-@\[-^`{-\x7f](?:[^\x00-,/:-@\[-^`{-\x7f]*[^\x00-/:-@\[-^`{-\x7f])?|\[[0-9A-Za-z:.]+\])"
)
_NEEDLESS = re.compile(r"\"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\"(@.*)")  # quotes that carry no meaning
_NAMED = re.compile(r"\s*(?:[^<>,;:]*|\"(?:[^\"\\]|\\.)*\"\s*)<\s*([^<>]+?)\s*>\s*", re.DOTALL)

Tags = Mapping[str, int | str | tuple[str, ...]]
Values = tuple[int | str | tuple[str, ...] | None, ...]


def address(text: str) -> str | None:
    """The address in `local@domain` or `Name <local@domain>`, without needless quotes; None where it is neither."""
    named = _NAMED.fullmatch(text)
    spec = re.sub(r"\s*@\s*", "@", (named[1] if named else text).strip())
    if not _ADDRESS.fullmatch(spec):
        return None
    plain = _NEEDLESS.fullmatch(spec)
    return plain[1] + plain[2] if plain else spec


def wrong(name: str, tags: Tags, values: Values, required: Collection[str]) -> Iterator[str]:
    """Sentences; none where all is well. A string with variables in it is looked at when it runs."""
    variable = "variables" in required
    yield from _matching(name, tags, required)

    def constant(value: object) -> list[str]:
        texts = [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else []
        return [text for text in texts if not (variable and "${" in text)]

    first = constant(values[0]) if values else []
    if name == "redirect" or (name == "vacation" and "from" in tags):
        for text in first if name == "redirect" else constant(tags["from"]):
            if address(text) is None:
                yield f"{text[:80]!r} is no mail address"
    elif name in ("addheader", "deleteheader"):
        yield from (f"{text[:80]!r} is no name of a field" for text in first if not FIELD_NAME.fullmatch(text))
    elif name == "address":
        yield from (f"{text[:80]!r} is no field with addresses" for text in first if text.lower() not in ADDRESS_FIELDS)
    elif name == "envelope":
        known = ("from", "to", "auth", "orig_to")
        yield from (f"{text[:80]!r} is no part of the envelope" for text in first if text.lower() not in known)
    elif name in ("date", "currentdate"):
        part = constant(values[1 if name == "date" else 0])
        yield from (f"{text[:80]!r} is no part of a date" for text in part if text.lower() not in DATE_PARTS)
        if "zone" in tags:
            yield from (f"{z[:80]!r} is no time zone" for z in constant(tags["zone"]) if not _ZONE.fullmatch(z))
    elif name == "set":
        text = str(values[0])
        if not (NAME.fullmatch(text) or text.lower().startswith("global.")):
            yield f"{text[:80]!r} is no name of a variable"
    elif name == "extracttext" and "variables" not in required:
        yield "'extracttext' needs: require \"variables\""
    elif name == "size" and not tags:
        yield "'size' wants ':over' or ':under'"
    elif name == "fileinto":
        yield from ("the name of a mailbox is empty or too long" for text in first if not 0 < len(text) <= 1000)
    if "last" in tags and "index" not in tags and name not in ("addheader", "duplicate"):
        yield "':last' without ':index'"
    if tags.get("index") == 0:
        yield "':index' counts from 1"
    if name in ("header", "address", "exists") and "mime" not in tags:
        for tag in ("anychild", "type", "subtype", "contenttype", "param"):
            if tag in tags:
                yield f"':{tag}' without ':mime'"


def _matching(name: str, tags: Tags, required: Collection[str]) -> Iterator[str]:
    comparator = tags.get("comparator")
    if isinstance(comparator, str):
        if comparator not in COMPARATORS:
            yield f"the comparator {comparator[:60]!r} is not known"
        elif comparator in COMPARATORS[2:] and f"comparator-{comparator}" not in required:
            yield f"the comparator {comparator!r} needs: require 'comparator-{comparator}'"
        elif comparator == "i;ascii-numeric" and tags.keys() & {"contains", "matches", "regex"}:
            yield "the comparator i;ascii-numeric can not look into strings"
    for tag in ("count", "value"):
        relation = tags.get(tag)
        if relation is not None and not (isinstance(relation, str) and relation.lower() in RELATIONS):
            yield f"':{tag}' wants one of {', '.join(RELATIONS)}"
