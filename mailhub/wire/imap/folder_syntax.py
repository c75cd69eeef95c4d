"""The syntax of the commands about folders."""

import re
from collections.abc import Callable

from mailhub.model.mailbox import FlagOp
from mailhub.model.rights import ALL, MEMBERS

from . import folder_commands as commands
from . import sync_options
from .arguments import argument, mailbox, name, words
from .commands import Verb
from .lexer import LITERAL, Lexer

MAX_PATTERNS = 100  # in one LIST
PATTERN_LIMIT = 1_000  # characters of a LIST pattern
PATTERNS_LIMIT = 8_000  # of all in one LIST
MAX_ENTRIES = 100  # of METADATA in one command
MAX_RESOURCES = 10  # in one SETQUOTA
QUOTA_MAX = (1 << 63) - 1  # RFC 9208 section 7: number64
ENTRY_LIMIT = 250  # characters of an entry's name
STATUS_ITEMS = (
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "MAILBOXID", "HIGHESTMODSEQ", "DELETED", "DELETED-STORAGE",
    "APPENDLIMIT",
)  # fmt: skip
SELECTION = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS"})

_ENTRY = re.compile(r"/(private|shared)(/[ -$&-)+-.0-~]+)*", re.IGNORECASE)  # printable ASCII but "*", "%"
_OPS = {"+": FlagOp.ADD, "-": FlagOp.REMOVE}


def _on_mailbox(verb: Callable[[str], Verb]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(argument(lexer))


def _selects(verb: type[commands.Select] | type[commands.Examine]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(argument(lexer), *sync_options.select_parameters(lexer))


def _create(lexer: Lexer) -> Verb:
    """create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]  (RFC 6154 section 6)"""
    target = argument(lexer)
    if not lexer.skip(b" ") or lexer.peek() == -1:
        return commands.Create(target)
    lexer.expect(b"(")
    if lexer.keyword() != "USE":
        lexer.fail("Unknown parameter")
    lexer.space()
    lexer.expect(b"(")
    uses: list[str] = []
    while lexer.skip(b"\\"):
        uses.append("\\" + lexer.atom().decode("ascii"))
        lexer.skip(b" ")
    lexer.expect(b"))")
    return commands.Create(target, tuple(uses))


def _rename(lexer: Lexer) -> Verb:
    return commands.Rename(argument(lexer), argument(lexer))


def _pattern(lexer: Lexer) -> str:
    pattern = name(lexer, lexer.pattern())
    if len(pattern) > PATTERN_LIMIT:
        lexer.fail("Mailbox pattern too long")
    return pattern


def _list(lexer: Lexer) -> Verb:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP "RETURN" SP list-return-opts]  (RFC 5258)"""
    lexer.space()
    selection: tuple[str, ...] = ()
    extended = lexer.peek() == 0x28
    if extended:
        selection = words(lexer, SELECTION)
        if "RECURSIVEMATCH" in selection and set(selection) <= {"RECURSIVEMATCH", "REMOTE"}:
            lexer.fail("RECURSIVEMATCH needs another option")
        lexer.space()
    reference = name(lexer, lexer.astring())
    lexer.space()
    patterns: list[str] = []
    if lexer.skip(b"("):
        extended = True
        patterns.append(_pattern(lexer))
        while lexer.skip(b" "):
            patterns.append(_pattern(lexer))
            if len(patterns) > MAX_PATTERNS or sum(map(len, patterns)) > PATTERNS_LIMIT:
                lexer.fail("Too many patterns")
        lexer.expect(b")")
    else:
        patterns.append(_pattern(lexer))
    returns: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    if lexer.skip(b" ") and lexer.peek() != -1:
        extended = True
        if lexer.keyword() != "RETURN":
            lexer.fail("Expected RETURN")
        lexer.space()
        returns, status, metadata = _returns(lexer)
    return commands.List(
        reference, tuple(patterns), frozenset(selection), frozenset(returns), status, metadata, extended
    )


def _returns(lexer: Lexer) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """ "(" [return-option *(SP return-option)] ")"; STATUS (RFC 5819) and METADATA (RFC 9590) have arguments of their own."""
    lexer.expect(b"(")
    plain: list[str] = []
    status: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    while lexer.peek() != 0x29:
        word = lexer.keyword()
        if word == "STATUS":
            lexer.space()
            status = _status_items(lexer)
        elif word == "METADATA":
            lexer.space()
            metadata = _entries(lexer)
        elif word in RETURNS:
            plain.append(word)
        else:
            lexer.fail("Unknown option")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return tuple(plain), status, metadata


def _xlist(lexer: Lexer) -> Verb:
    reference = argument(lexer)
    lexer.space()
    return commands.Xlist(reference, _pattern(lexer))


def _lsub(lexer: Lexer) -> Verb:
    reference = argument(lexer)
    lexer.space()
    return commands.Lsub(reference, _pattern(lexer))


def _namespace(lexer: Lexer) -> Verb:
    return commands.Namespace()


def _status(lexer: Lexer) -> Verb:
    target = argument(lexer)
    lexer.space()
    return commands.Status(target, _status_items(lexer))


def _status_items(lexer: Lexer) -> tuple[str, ...]:
    return words(lexer, STATUS_ITEMS) or lexer.fail("Nothing asked")


# --- RFC 4314 --------------------------------------------------------------------------------------------------------


def _text(lexer: Lexer) -> str:
    """An astring that is not a mailbox: SP, then UTF-8."""
    lexer.space()
    try:
        return lexer.astring().decode("utf-8")
    except UnicodeDecodeError:
        lexer.fail("Argument is not UTF-8")


def _set_acl(lexer: Lexer) -> Verb:
    """setacl = "SETACL" SP mailbox SP identifier SP mod-rights; an unknown right is BAD (section 3.1)."""
    target, identifier, rights = argument(lexer), _text(lexer), _text(lexer)
    op = _OPS.get(rights[:1], FlagOp.REPLACE)
    if op is not FlagOp.REPLACE:
        rights = rights[1:]
    if not set(rights) <= ALL | MEMBERS.keys():
        lexer.fail("There is no such right")
    return commands.SetAcl(target, identifier, op, rights)


def _delete_acl(lexer: Lexer) -> Verb:
    return commands.DeleteAcl(argument(lexer), _text(lexer))


def _list_rights(lexer: Lexer) -> Verb:
    return commands.ListRights(argument(lexer), _text(lexer))


# --- RFC 5464 --------------------------------------------------------------------------------------------------------


def _entry(lexer: Lexer) -> str:
    """entry = astring: "/private" or "/shared", and what is below (section 3.2)"""
    text = lexer.astring().decode("latin-1")
    if len(text) > ENTRY_LIMIT or not _ENTRY.fullmatch(text):
        lexer.fail("That is no name of an entry")
    return text


def _entries(lexer: Lexer) -> tuple[str, ...]:
    """entries = entry / "(" entry *(SP entry) ")" """
    if not lexer.skip(b"("):
        return (_entry(lexer),)
    found = [_entry(lexer)]
    while lexer.skip(b" "):
        found.append(_entry(lexer))
        if len(found) > MAX_ENTRIES:
            lexer.fail("Too many entries")
    lexer.expect(b")")
    return tuple(dict.fromkeys(found))


def _get_metadata(lexer: Lexer) -> Verb:
    """getmetadata = "GETMETADATA" [SP options] SP mailbox SP entries; the RFC's own examples have the options behind the
    mailbox, and clients follow those."""
    lexer.space()
    options: tuple[int | None, int | None] = None, 0
    if lexer.peek() == 0x28:
        options = _metadata_options(lexer)
        lexer.space()
    target = mailbox(lexer)
    lexer.space()
    if _begins_options(lexer):
        options = _metadata_options(lexer)
        lexer.space()
    return commands.GetMetadata(target, _entries(lexer), *options)


def _begins_options(lexer: Lexer) -> bool:
    return lexer.rest()[:2].upper() in (b"(M", b"(D")


def _metadata_options(lexer: Lexer) -> tuple[int | None, int | None]:
    """ "(" option *(SP option) ")": MAXSIZE number, DEPTH 0 / 1 / infinity"""
    lexer.expect(b"(")
    maxsize: int | None = None
    depth: int | None = 0
    while True:
        word = lexer.keyword()
        lexer.space()
        if word == "MAXSIZE":
            maxsize = lexer.number()
        elif word == "DEPTH":
            level = lexer.keyword()
            if level not in ("0", "1", "INFINITY"):
                lexer.fail("DEPTH is 0, 1 or infinity")
            depth = None if level == "INFINITY" else int(level)
        else:
            lexer.fail("Unknown option")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return maxsize, depth


def _set_metadata(lexer: Lexer) -> Verb:
    """setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"; value = nstring / literal8"""
    target = argument(lexer)
    lexer.space()
    lexer.expect(b"(")
    values: dict[str, tuple[str, bytes | None]] = {}
    while True:
        entry = _entry(lexer)
        if entry.count("/") < 2:
            lexer.fail("That entry has no value")
        lexer.space()
        values[entry.lower()] = entry, lexer.literal8() if lexer.peek() == LITERAL else lexer.nstring()
        if len(values) > MAX_ENTRIES:
            lexer.fail("Too many entries")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return commands.SetMetadata(target, tuple(values.values()))


# --- RFC 9208 --------------------------------------------------------------------------------------------------------


def _get_quota(lexer: Lexer) -> Verb:
    return commands.GetQuota(_text(lexer))


def _set_quota(lexer: Lexer) -> Verb:
    """setquota = "SETQUOTA" SP quota-root SP "(" [resource SP limit *(SP resource SP limit)] ")" """
    root = _text(lexer)
    lexer.space()
    lexer.expect(b"(")
    limits: list[tuple[str, int]] = []
    while lexer.peek() != 0x29:
        resource = lexer.keyword()
        lexer.space()
        limits.append((resource, lexer.number(QUOTA_MAX)))
        if len(limits) > MAX_RESOURCES:
            lexer.fail("Too many resources")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return commands.SetQuota(root, tuple(limits))


FOLDER_SYNTAX: dict[str, Callable[[Lexer], Verb]] = {
    "SELECT": _selects(commands.Select),
    "EXAMINE": _selects(commands.Examine),
    "CREATE": _create,
    "DELETE": _on_mailbox(commands.Delete),
    "RENAME": _rename,
    "SUBSCRIBE": _on_mailbox(commands.Subscribe),
    "UNSUBSCRIBE": _on_mailbox(commands.Unsubscribe),
    "LIST": _list,
    "XLIST": _xlist,
    "LSUB": _lsub,
    "NAMESPACE": _namespace,
    "STATUS": _status,
    "SETACL": _set_acl,
    "DELETEACL": _delete_acl,
    "GETACL": _on_mailbox(commands.GetAcl),
    "LISTRIGHTS": _list_rights,
    "MYRIGHTS": _on_mailbox(commands.MyRights),
    "GETMETADATA": _get_metadata,
    "SETMETADATA": _set_metadata,
    "GETQUOTA": _get_quota,
    "GETQUOTAROOT": _on_mailbox(commands.GetQuotaRoot),
    "SETQUOTA": _set_quota,
}
