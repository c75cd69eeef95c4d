"""Filters and a reply for absences as a form has them, and the Sieve script that they become. Pure.

The script has the form in its first comment, with a digest of all that follows, so that it is read back only where nobody has
changed the script by hand since. Every value of the form stands in a quoted string, or is made of signs that need none.
"""

import hashlib
import json as plain_json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

_MARK = "# mailhub-form "
_FIELD = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322: ftext
_LABEL = re.compile(r"[A-Za-z0-9$_-]{1,50}")
_ADDRESS = re.compile(r"\w[\w.!#$%&'*+/=?^_`{}~-]{0,63}@[^\s@<>\"'\\,;:()\[\]]{1,253}")
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_SIZE = re.compile(r"([0-9]{1,6})([KM]?)")
_ORDER = {
    "label": -1,
    "read": -1,
    "star": -1,
    "reject": 1,
    "discard": 1,
    "stop": 2,
}  # folders take marks along; the end is last
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_FIELDS = {"from": ("from",), "to": ("to", "cc", "resent-to"), "subject": ("subject",), "list": ("list-id",)}

Line = Annotated[str, Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=8_000)]


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """`how`: "over" and "under" are for sizes, the value being octets, or with K or M behind them; the others for all else. `header`: the
    field's name, where that is what is looked at. `negated`: it must not be so."""

    what: Literal["from", "to", "subject", "list", "header", "body", "size"]
    how: Literal["contains", "is", "matches", "over", "under"]
    value: Line
    header: Annotated[str, Meta(max_length=76)] = ""
    negated: bool = False


class Action(Struct, frozen=True, forbid_unknown_fields=True):
    """`value`: a folder (move, copy), a label, an address (forward: and keep it; redirect: only there), a reason (reject)."""

    what: Literal["move", "copy", "label", "read", "star", "forward", "redirect", "reject", "discard", "stop"]
    value: Annotated[str, Meta(max_length=2_000)] = ""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """`all`: every condition has to hold; else one of them. None: it holds for all mail."""

    name: Annotated[str, Meta(max_length=100)]
    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=10)]
    conditions: Annotated[tuple[Condition, ...], Meta(max_length=20)] = ()
    all: bool = True
    enabled: bool = True


class Absence(Struct, frozen=True, forbid_unknown_fields=True):
    """A reply, to each sender once in so many days. `since`, `until`: days as 2026-01-31, in the zone (+0800), both included; "": no bound."""

    enabled: bool = False
    subject: Annotated[str, Meta(max_length=200)] = ""
    text: Text = ""
    days: Annotated[int, Meta(ge=1, le=90)] = 7
    since: Annotated[str, Meta(max_length=10)] = ""
    until: Annotated[str, Meta(max_length=10)] = ""
    zone: Annotated[str, Meta(pattern=r"^[+-][0-9]{4}$")] = "+0000"


class Form(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules are tried in their order; the reply comes last, so that what was thrown away or refused gets none."""

    rules: Annotated[tuple[Rule, ...], Meta(max_length=100)] = ()
    absence: Absence = Absence()


def written(form: Form, addresses: Sequence[str] = (), forwards: int = 4) -> str:
    """The script. `addresses`: the account's own, to which mail is answered; `forwards`: how many one rule may make. ValueError says what
    is no value."""
    needed: set[str] = set()
    blocks = [block for rule in form.rules for block in _rule(rule, needed, forwards)]
    blocks += _absence(form.absence, addresses, needed)
    head = [f"require [{', '.join(map(_quoted, sorted(needed)))}];"] if needed else []
    body = "\r\n".join([*head, *blocks, ""])
    kept = plain_json.dumps(msgspec.to_builtins(form), ensure_ascii=True, separators=(",", ":"))
    return f"{_MARK}{_digest(kept, body)} {kept}\r\n{body}"


def read_back(script: str) -> Form | None:
    """What the script was made of; None where it is none of ours, or was changed since."""
    first, _, body = script.partition("\r\n")
    if not first.startswith(_MARK):
        return None
    digest, _, kept = first.removeprefix(_MARK).partition(" ")
    if digest != _digest(kept, body):
        return None
    try:
        return msgspec.json.decode(kept, type=Form)
    except msgspec.MsgspecError:
        return None


def is_address(text: str) -> bool:
    """Whether mail can be passed on to that: nothing that an alias would take for a command, a file or a list."""
    return _ADDRESS.fullmatch(text) is not None


def is_visible(text: str) -> bool:
    """Whether it is one line of signs that people see, among them blanks of all widths and what joins emoji."""
    return all(unicodedata.category(sign) not in _UNSEEN or sign in "\u200c\u200d" for sign in text)


# ---


def _rule(rule: Rule, needed: set[str], forwards: int) -> list[str]:
    name = _line(rule.name, "the name of a rule")
    tests = [_condition(one, needed) for one in rule.conditions]
    if sum(one.what in ("forward", "redirect") for one in rule.actions) > forwards:
        raise ValueError(f"rule {name!r}: no more than {forwards} addresses to pass mail on to (sieve.redirect_limit)")
    wanted: set[str] = set()
    lines = [
        line for one in sorted(rule.actions, key=lambda one: _ORDER.get(one.what, 0)) for line in _action(one, wanted)
    ]
    if not rule.enabled:
        return [f"# off: {name}"]
    needed |= wanted
    test = "true" if not tests else tests[0] if len(tests) == 1 else _several(rule.all, tests)
    return [f"# {name}", f"if {test} {{", *[f"  {line}" for line in lines], "}"]


def _several(every: bool, tests: Iterable[str]) -> str:
    return f"{'allof' if every else 'anyof'}({', '.join(tests)})"


def _condition(one: Condition, needed: set[str]) -> str:
    value = _line(one.value, "a condition")
    if (one.what == "size") != (one.how in ("over", "under")):
        raise ValueError(f"{one.what} and {one.how} do not go together")
    if not value:
        raise ValueError("a condition without a value")
    if one.what == "size":
        found = _SIZE.fullmatch(value.upper())
        if found is None:
            raise ValueError(f"{value!r} is no size: 500K, 10M")
        test = f"size :{one.how} {value.upper()}"
    elif one.what == "body":
        needed.add("body")
        test = f"body :text :{one.how} {_quoted(value)}"
    else:
        test = _field(one, value)
    return f"not {test}" if one.negated else test


def _field(one: Condition, value: str) -> str:
    names = _FIELDS.get(one.what, (one.header,))
    if not all(_FIELD.fullmatch(name) for name in names):
        raise ValueError(f"{one.header!r} is no name of a header field")
    kind = "address :all" if one.what in ("from", "to") and one.how != "contains" else "header"
    return f"{kind} :{one.how} {_list(names)} {_quoted(value)}"


def _action(one: Action, needed: set[str]) -> list[str]:
    value = one.value
    if one.what in ("move", "copy"):
        needed.update(("fileinto", "mailbox", *(["copy"] if one.what == "copy" else [])))
        if not 0 < len(_line(value, "a folder")) <= 500:
            raise ValueError("a folder to move mail to has a name")
        return [f"fileinto{' :copy' if one.what == 'copy' else ''} :create {_quoted(value)};"]
    if one.what in ("label", "read", "star"):
        needed.add("imap4flags")
        if one.what == "label" and not _LABEL.fullmatch(value):
            raise ValueError(f"{value!r} is no label: letters, digits and $-_ make one")
        return [f"addflag {_quoted({'read': chr(92) + 'Seen', 'star': chr(92) + 'Flagged'}.get(one.what, value))};"]
    if one.what in ("forward", "redirect"):
        if not is_address(value):
            raise ValueError(f"{value[:80]!r} is no address such as user@example.org")
        if one.what == "redirect":
            return [f"redirect {_quoted(value)};"]
        needed.add("copy")
        return [f"redirect :copy {_quoted(value)};"]
    if one.what == "reject":
        needed.add("reject")
        return [f"reject {_quoted(_text(value or 'refused', 'a reason'))};", "stop;"]
    return ["discard;", "stop;"] if one.what == "discard" else ["stop;"]


def _absence(absence: Absence, addresses: Sequence[str], needed: set[str]) -> list[str]:
    tags = [f":days {absence.days}"]
    if subject := _line(absence.subject, "the subject"):
        tags.append(f":subject {_quoted(subject)}")
    if addresses:
        tags.append(f":addresses {_list(addresses)}")
    text = _text(absence.text, "the text of the reply")
    tests = []
    for day, sign in ((absence.since, "ge"), (absence.until, "le")):
        if day and not _DAY.fullmatch(day):
            raise ValueError(f"{day!r} is no day: 2026-01-31")
        if day:
            tests.append(f'currentdate :zone "{absence.zone}" :value "{sign}" "date" "{day}"')
    if not absence.enabled:
        return []
    if not text.strip():
        raise ValueError("a reply without a text")
    needed.add("vacation")
    line = f"vacation {' '.join(tags)} {_quoted(text)};"
    if not tests:
        return [line]
    needed.update(("date", "relational"))
    return [f"if {_several(True, tests)} {{", f"  {line}", "}"]


def _line(text: str, what: str) -> str:
    """ValueError where it is more than a line."""
    if not is_visible(text):
        raise ValueError(f"{what} is one line, without invisible characters")
    return text


def _text(text: str, what: str) -> str:
    """With the line ends that Sieve has."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not all(is_visible(line.replace("\t", " ")) for line in lines):
        raise ValueError(f"{what} has invisible characters")
    return "\r\n".join(lines)


def _quoted(text: str) -> str:
    """RFC 5228 section 2.4.2."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _list(values: Sequence[str]) -> str:
    return _quoted(values[0]) if len(values) == 1 else f"[{', '.join(map(_quoted, values))}]"


def _digest(kept: str, body: str) -> str:
    return hashlib.sha256(f"{kept}\r\n{body}".encode()).hexdigest()[:32]
