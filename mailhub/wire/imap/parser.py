"""A frame to a command (RFC 3501 section 9): one table of keywords, one function per syntax."""

import re
from collections.abc import Callable, Sequence

from mailhub.model.mailbox import SEPARATOR, FlagOp

from . import commands, fetch_items, names, search_keys, sequences, sync_options
from .commands import Command, Messages, Verb
from .dates import read_date_time
from .framing import Frame
from .lexer import BadSyntax, Lexer

MAX_FLAGS = 200  # in one command
MAX_PATTERNS = 100  # in one LIST
PATTERN_LIMIT = 1_000  # characters of a LIST pattern
ID_FIELDS = 30  # RFC 2971 section 3.3
STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "MAILBOXID", "HIGHESTMODSEQ")
SELECTION = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})

_STORE_ITEM = re.compile(rb"([+-]?)FLAGS(\.SILENT)?(?=[ ])", re.IGNORECASE)
_INITIAL = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_OPS = {b"": FlagOp.REPLACE, b"+": FlagOp.ADD, b"-": FlagOp.REMOVE}


class BadCommand(Exception):
    """The answer is "tag BAD text"; `tag` is None where not even that could be read ("* BAD")."""

    def __init__(self, tag: bytes | None, text: str) -> None:
        super().__init__(text)
        self.tag, self.text = tag, text


class UnknownCharset(Exception):
    """The answer is "tag NO [BADCHARSET (...)]" (RFC 3501 section 6.4.4)."""

    def __init__(self, tag: bytes) -> None:
        super().__init__("unknown charset")
        self.tag = tag


def tag_of(frame: Frame) -> bytes | None:
    """The tag of a command that is not read further."""
    try:
        return Lexer(frame).tag()
    except BadSyntax:
        return None


def parse(frame: Frame, *, utf8: bool = False) -> Command:
    """command = tag SP (command-any / command-auth / command-nonauth / command-select)

    Raises BadCommand and UnknownCharset. APPEND is read by `append`, whose last argument is not in the frame.
    """
    tag: bytes | None = None
    try:
        lexer = Lexer(frame, utf8=utf8)
        tag = lexer.tag()
        lexer.space()
        name = lexer.keyword()
        if name == "UID":
            lexer.space()
            name += " " + lexer.keyword()
        read = _SYNTAX.get(name)
        if read is None:
            lexer.fail("Unknown command")
        verb = read(lexer)
        lexer.finish()
        return Command(tag, name, verb)
    except BadSyntax as error:
        raise BadCommand(tag, error.text) from error
    except search_keys.BadCharset as error:
        raise UnknownCharset(tag or b"*") from error


def append(frame: Frame, *, utf8: bool = False) -> Command | None:
    """The APPEND whose message literal comes next; None where it is another literal, of this or of another command.

    append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
    """
    tag: bytes | None = None
    try:
        lexer = Lexer(frame, utf8=utf8)
        tag = lexer.tag()
        lexer.space()
        if lexer.keyword() != "APPEND":
            return None
        lexer.space()
        if lexer.peek() == -1:
            return None
        mailbox = _mailbox(lexer)
        lexer.space()
        flags: tuple[str, ...] = ()
        if lexer.peek() == 0x28:
            flags = _flag_list(lexer)
            lexer.space()
        date = None
        if lexer.peek() == 0x22:
            date = read_date_time(lexer)
            lexer.space()
        if lexer.peek() != -1:
            lexer.fail("Expected the literal of a message")
        return Command(tag, "APPEND", commands.Append(mailbox, flags, date))
    except BadSyntax as error:
        raise BadCommand(tag, error.text) from error


# --- arguments -------------------------------------------------------------------------------------------------------


def _name(lexer: Lexer, raw: bytes) -> str:
    try:
        return names.canonical(raw.decode("utf-8") if lexer.utf8 else names.decode(raw), SEPARATOR)
    except ValueError:
        lexer.fail("Mailbox name is not UTF-8" if lexer.utf8 else "Mailbox name is not modified UTF-7")


def _mailbox(lexer: Lexer) -> str:
    """mailbox = "INBOX" / astring"""
    return _name(lexer, lexer.astring())


def _argument(lexer: Lexer) -> str:
    lexer.space()
    return _mailbox(lexer)


def _messages(lexer: Lexer, *, by_uid: bool) -> Messages:
    lexer.space()
    return Messages(sequences.read(lexer), by_uid)


def _flag_list(lexer: Lexer) -> tuple[str, ...]:
    """flag-list = "(" [flag *(SP flag)] ")" """
    lexer.expect(b"(")
    flags = () if lexer.peek() == 0x29 else _flags(lexer)
    lexer.expect(b")")
    return flags


def _flags(lexer: Lexer) -> tuple[str, ...]:
    """flag *(SP flag); flag = ["\\"] atom"""
    flags: list[str] = []
    while True:
        system = "\\" if lexer.skip(b"\\") else ""
        flags.append(system + lexer.atom().decode("ascii"))
        if len(flags) > MAX_FLAGS:
            lexer.fail("Too many flags")
        if not lexer.skip(b" ") or lexer.peek() in (-1, 0x29):
            return tuple(flags)


def _words(lexer: Lexer, known: Sequence[str] | frozenset[str]) -> tuple[str, ...]:
    """ "(" [atom *(SP atom)] ")", each of `known`"""
    lexer.expect(b"(")
    words: list[str] = []
    while lexer.peek() != 0x29:
        word = lexer.keyword()
        if word not in known:
            lexer.fail("Unknown option")
        words.append(word)
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return tuple(dict.fromkeys(words))


# --- commands --------------------------------------------------------------------------------------------------------


def _plain(verb: Callable[[], Verb]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb()


def _on_mailbox(verb: Callable[[str], Verb]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(_argument(lexer))


def _selects(verb: type[commands.Select] | type[commands.Examine]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(_argument(lexer), *sync_options.select_parameters(lexer))


def _id(lexer: Lexer) -> Verb:
    """id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)"""
    lexer.space()
    if not lexer.skip(b"("):
        if lexer.nstring() is not None:
            lexer.fail("Expected a list or NIL")
        return commands.Id(())
    fields: list[tuple[bytes, bytes | None]] = []
    while lexer.peek() != 0x29:
        key = lexer.string()
        lexer.space()
        fields.append((key, lexer.nstring()))
        if len(fields) > ID_FIELDS:
            lexer.fail("Too many fields")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return commands.Id(tuple(fields))


def _authenticate(lexer: Lexer) -> Verb:
    """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]"""
    lexer.space()
    mechanism = lexer.keyword()
    initial = None
    if lexer.skip(b" ") and lexer.peek() != -1:
        initial = lexer.match(_INITIAL, "base 64")[0]
    return commands.Authenticate(mechanism, initial)


def _login(lexer: Lexer) -> Verb:
    lexer.space()
    user = lexer.astring()
    lexer.space()
    return commands.Login(user, lexer.astring())


def _enable(lexer: Lexer) -> Verb:
    wanted: list[str] = []
    lexer.space()
    while True:
        wanted.append(lexer.keyword())
        if not lexer.skip(b" ") or lexer.peek() == -1:
            return commands.Enable(tuple(wanted))


def _rename(lexer: Lexer) -> Verb:
    return commands.Rename(_argument(lexer), _argument(lexer))


def _pattern(lexer: Lexer) -> str:
    pattern = _name(lexer, lexer.pattern())
    if len(pattern) > PATTERN_LIMIT:
        lexer.fail("Mailbox pattern too long")
    return pattern


def _list(lexer: Lexer) -> Verb:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP "RETURN" SP list-return-opts]  (RFC 5258)"""
    lexer.space()
    selection: tuple[str, ...] = ()
    extended = lexer.peek() == 0x28
    if extended:
        selection = _words(lexer, SELECTION)
        if set(selection) == {"RECURSIVEMATCH"}:
            lexer.fail("RECURSIVEMATCH needs another option")
        lexer.space()
    reference = _name(lexer, lexer.astring())
    lexer.space()
    patterns: list[str] = []
    if lexer.skip(b"("):
        extended = True
        patterns.append(_pattern(lexer))
        while lexer.skip(b" ") and len(patterns) < MAX_PATTERNS:
            patterns.append(_pattern(lexer))
        lexer.expect(b")")
    else:
        patterns.append(_pattern(lexer))
    returns: tuple[str, ...] = ()
    if lexer.skip(b" ") and lexer.peek() != -1:
        extended = True
        if lexer.keyword() != "RETURN":
            lexer.fail("Expected RETURN")
        lexer.space()
        returns = _words(lexer, RETURNS)
    return commands.List(reference, tuple(patterns), frozenset(selection), frozenset(returns), extended)


def _lsub(lexer: Lexer) -> Verb:
    reference = _argument(lexer)
    lexer.space()
    return commands.Lsub(reference, _pattern(lexer))


def _status(lexer: Lexer) -> Verb:
    mailbox = _argument(lexer)
    lexer.space()
    return commands.Status(mailbox, _words(lexer, STATUS_ITEMS) or lexer.fail("Nothing asked"))


def _append(lexer: Lexer) -> Verb:
    lexer.fail("APPEND needs a literal")


def _uid_expunge(lexer: Lexer) -> Verb:
    lexer.space()
    return commands.Expunge(sequences.read(lexer))


def _search(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    def read(lexer: Lexer) -> Verb:
        lexer.space()
        return commands.Search(search_keys.read(lexer), by_uid)

    return read


def _fetch(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    def read(lexer: Lexer) -> Verb:
        messages = _messages(lexer, by_uid=by_uid)
        lexer.space()
        return commands.Fetch(messages, fetch_items.read(lexer), *sync_options.fetch_modifiers(lexer))

    return read


def _store(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    def read(lexer: Lexer) -> Verb:
        """store = "STORE" SP sequence-set SP [store-modifier SP] ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))"""
        messages = _messages(lexer, by_uid=by_uid)
        lexer.space()
        since = sync_options.store_modifier(lexer)
        item = lexer.match(_STORE_ITEM, "FLAGS, +FLAGS or -FLAGS")
        lexer.space()
        flags = _flag_list(lexer) if lexer.peek() == 0x28 else _flags(lexer)
        return commands.Store(messages, _OPS[item[1]], item[2] is not None, flags, since)

    return read


def _to(verb: Callable[[Messages, str], Verb], *, by_uid: bool) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(_messages(lexer, by_uid=by_uid), _argument(lexer))


_SYNTAX: dict[str, Callable[[Lexer], Verb]] = {
    "CAPABILITY": _plain(commands.Capability),
    "NOOP": _plain(commands.Noop),
    "LOGOUT": _plain(commands.Logout),
    "ID": _id,
    "STARTTLS": _plain(commands.StartTls),
    "AUTHENTICATE": _authenticate,
    "LOGIN": _login,
    "ENABLE": _enable,
    "SELECT": _selects(commands.Select),
    "EXAMINE": _selects(commands.Examine),
    "CREATE": _on_mailbox(commands.Create),
    "DELETE": _on_mailbox(commands.Delete),
    "RENAME": _rename,
    "SUBSCRIBE": _on_mailbox(commands.Subscribe),
    "UNSUBSCRIBE": _on_mailbox(commands.Unsubscribe),
    "LIST": _list,
    "LSUB": _lsub,
    "NAMESPACE": _plain(commands.Namespace),
    "STATUS": _status,
    "APPEND": _append,
    "IDLE": _plain(commands.Idle),
    "CHECK": _plain(commands.Check),
    "CLOSE": _plain(commands.Close),
    "UNSELECT": _plain(commands.Unselect),
    "EXPUNGE": _plain(commands.Expunge),
    "UID EXPUNGE": _uid_expunge,
    "SEARCH": _search(by_uid=False),
    "UID SEARCH": _search(by_uid=True),
    "FETCH": _fetch(by_uid=False),
    "UID FETCH": _fetch(by_uid=True),
    "STORE": _store(by_uid=False),
    "UID STORE": _store(by_uid=True),
    "COPY": _to(commands.Copy, by_uid=False),
    "UID COPY": _to(commands.Copy, by_uid=True),
    "MOVE": _to(commands.Move, by_uid=False),
    "UID MOVE": _to(commands.Move, by_uid=True),
}
