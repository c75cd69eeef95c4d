"""All commands and tests: their arguments, and the extension that each of them and each of their tags needs.

A table, so that `require` can be checked before anything runs, and so that the list of extensions stands in one place.
`Signature.arguments` has a letter for each positional argument: s string, l string list, n number, v the name of a variable;
an upper-case first letter may be left out (RFC 5232 section 3).
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Nested = Literal["none", "one", "list"]


class TagRule(Struct, frozen=True):
    """`value`: the letter of the argument behind it, "" for none. Tags of one `group` exclude each other."""

    name: str
    value: str = ""
    needs: str = ""
    group: str = ""


class Signature(Struct, frozen=True):
    """`needs`: one of these extensions; () for the base. `after`: the command has to stand directly behind one of these."""

    name: str
    kind: Literal["command", "test"]
    arguments: str = ""
    tags: tuple[TagRule, ...] = ()
    needs: tuple[str, ...] = ()
    tests: Nested = "none"
    block: bool = False
    after: tuple[str, ...] = ()


EXTENSIONS: dict[str, str] = {  # what `require` takes, and where it is written down
    "fileinto": "RFC 5228", "envelope": "RFC 5228", "encoded-character": "RFC 5228", "reject": "RFC 5429",
    "ereject": "RFC 5429", "copy": "RFC 3894", "body": "RFC 5173", "environment": "RFC 5183", "variables": "RFC 5229",
    "vacation": "RFC 5230", "vacation-seconds": "RFC 6131", "relational": "RFC 5231", "imap4flags": "RFC 5232",
    "subaddress": "RFC 5233", "date": "RFC 5260", "index": "RFC 5260", "editheader": "RFC 5293", "enotify": "RFC 5435",
    "ihave": "RFC 5463", "mailbox": "RFC 5490", "mboxmetadata": "RFC 5490", "servermetadata": "RFC 5490",
    "foreverypart": "RFC 5703", "mime": "RFC 5703", "extracttext": "RFC 5703", "include": "RFC 6609",
    "duplicate": "RFC 7352", "special-use": "RFC 8579", "regex": "draft-ietf-sieve-regex",
    "comparator-i;octet": "RFC 5228", "comparator-i;ascii-casemap": "RFC 5228", "comparator-i;ascii-numeric": "RFC 4790",
    "comparator-i;unicode-casemap": "RFC 5051",
}  # fmt: skip

IMPLIED = {"vacation-seconds": "vacation"}  # RFC 6131 section 2
CHANGE_STRINGS = frozenset({"variables", "encoded-character"})  # what no ihave may switch on (RFC 5463 section 4)

_MATCH = (
    *(TagRule(name, "", "", "match type") for name in ("is", "contains", "matches")),
    TagRule("regex", "", "regex", "match type"),
    TagRule("count", "s", "relational", "match type"),
    TagRule("value", "s", "relational", "match type"),
    TagRule("comparator", "s"),
)
_PART = (
    *(TagRule(name, "", "", "address part") for name in ("all", "localpart", "domain")),
    *(TagRule(name, "", "subaddress", "address part") for name in ("user", "detail")),
)
_INDEX = (TagRule("index", "n", "index"), TagRule("last", "", "index"))
_MIME = (TagRule("mime", "", "mime"), TagRule("anychild", "", "mime"))
_MIME_PART = (
    *(TagRule(name, "", "mime", "part of the field") for name in ("type", "subtype", "contenttype")),
    TagRule("param", "l", "mime", "part of the field"),
)
_FLAGS = TagRule("flags", "l", "imap4flags")
_COPY = TagRule("copy", "", "copy")
_MODIFIERS = (
    TagRule("lower", "", "", "modifier 40"),
    TagRule("upper", "", "", "modifier 40"),
    TagRule("lowerfirst", "", "", "modifier 30"),
    TagRule("upperfirst", "", "", "modifier 30"),
    TagRule("quotewildcard", "", "", "modifier 20"),
    TagRule("quoteregex", "", "regex", "modifier 20"),
    TagRule("encodeurl", "", "enotify", "modifier 15"),
    TagRule("length", "", "", "modifier 10"),
)
MODIFIERS = tuple(rule.name for rule in _MODIFIERS)


def _command(name: str, arguments: str = "", *tags: TagRule, needs: tuple[str, ...] = ()) -> Signature:
    return Signature(name, "command", arguments, tags, needs)


def _test(name: str, arguments: str = "", *tags: TagRule, needs: tuple[str, ...] = ()) -> Signature:
    return Signature(name, "test", arguments, tags, needs)


def _signatures() -> Iterator[Signature]:
    # RFC 5228
    yield _command("require", "l")
    yield Signature("if", "command", tests="one", block=True)
    yield Signature("elsif", "command", tests="one", block=True, after=("if", "elsif"))
    yield Signature("else", "command", block=True, after=("if", "elsif"))
    yield _command("stop")
    yield _command("keep", "", _FLAGS)
    yield _command("discard")
    yield _command("redirect", "s", _COPY)
    yield _command(
        "fileinto", "s", _COPY, _FLAGS, TagRule("create", "", "mailbox"), TagRule("specialuse", "s", "special-use"),
        needs=("fileinto",),
    )  # fmt: skip
    yield Signature("allof", "test", tests="list")
    yield Signature("anyof", "test", tests="list")
    yield Signature("not", "test", tests="one")
    yield _test("true")
    yield _test("false")
    yield _test("address", "ll", *_MATCH, *_PART, *_INDEX, *_MIME)
    yield _test("envelope", "ll", *_MATCH, *_PART, needs=("envelope",))
    yield _test("header", "ll", *_MATCH, *_INDEX, *_MIME, *_MIME_PART)
    yield _test("exists", "l", *_MIME)
    yield _test("size", "n", TagRule("over", "", "", "limit"), TagRule("under", "", "", "limit"))
    # others
    yield _command("reject", "s", needs=("reject",))
    yield _command("ereject", "s", needs=("ereject",))
    yield _command(
        "vacation", "s", TagRule("days", "n", "", "period"), TagRule("seconds", "n", "vacation-seconds", "period"),
        TagRule("subject", "s"), TagRule("from", "s"), TagRule("addresses", "l"), TagRule("mime"), TagRule("handle", "s"),
        needs=("vacation",),
    )  # fmt: skip
    yield _command("set", "vs", *_MODIFIERS, needs=("variables",))
    yield _test("string", "ll", *_MATCH, needs=("variables",))
    for name in ("setflag", "addflag", "removeflag"):
        yield _command(name, "Vl", needs=("imap4flags",))
    yield _test("hasflag", "Ll", *_MATCH, needs=("imap4flags",))
    kinds = (TagRule(name, "", "", "body transform") for name in ("raw", "text"))
    yield _test("body", "l", *_MATCH, *kinds, TagRule("content", "l", "", "body transform"), needs=("body",))
    yield _test("environment", "sl", *_MATCH, needs=("environment",))
    zone = (TagRule("zone", "s", "", "zone"), TagRule("originalzone", "", "", "zone"))
    yield _test("date", "ssl", *_MATCH, *zone, *_INDEX, needs=("date",))
    yield _test("currentdate", "sl", *_MATCH, TagRule("zone", "s"), needs=("date",))
    yield _command("addheader", "ss", TagRule("last"), needs=("editheader",))
    yield _command("deleteheader", "sL", *_MATCH, TagRule("index", "n"), TagRule("last"), needs=("editheader",))
    yield _command(
        "notify", "s", TagRule("from", "s"), TagRule("importance", "s"), TagRule("options", "l"), TagRule("message", "s"),
        needs=("enotify",),
    )  # fmt: skip
    yield _test("valid_notify_method", "l", needs=("enotify",))
    yield _test("notify_method_capability", "ssl", *_MATCH, needs=("enotify",))
    yield _test("ihave", "l", needs=("ihave",))
    yield _command("error", "s", needs=("ihave",))
    yield _test("mailboxexists", "l", needs=("mailbox",))
    yield _test("metadata", "ssl", *_MATCH, needs=("mboxmetadata",))
    yield _test("metadataexists", "sl", needs=("mboxmetadata",))
    yield _test("servermetadata", "sl", *_MATCH, needs=("servermetadata",))
    yield _test("servermetadataexists", "l", needs=("servermetadata",))
    yield _test("specialuse_exists", "Sl", needs=("special-use",))
    yield Signature("foreverypart", "command", "", (TagRule("name", "s"),), ("foreverypart",), block=True)
    yield _command("break", "", TagRule("name", "s"), needs=("foreverypart",))
    yield _command("extracttext", "v", TagRule("first", "n"), *_MODIFIERS, needs=("extracttext",))
    yield _command(
        "include", "s", TagRule("personal", "", "", "location"), TagRule("global", "", "", "location"), TagRule("once"),
        TagRule("optional"), needs=("include",),
    )  # fmt: skip
    yield _command("return", needs=("include",))
    yield _command("global", "l", needs=("include",))
    sources = (TagRule("header", "s", "", "source"), TagRule("uniqueid", "s", "", "source"))
    yield _test(
        "duplicate",
        "",
        *sources,
        TagRule("handle", "s"),
        TagRule("seconds", "n"),
        TagRule("last"),
        needs=("duplicate",),
    )


SIGNATURES: dict[tuple[str, str], Signature] = {(one.kind, one.name): one for one in _signatures()}
