"""A frame to a command (RFC 3501 section 9): one table of keywords, one function per syntax; folders: `folder_syntax`."""

import re
from collections.abc import Callable

from mailhub.model.mailbox import FlagOp

from . import appending, commands, fetch_items, notify_syntax, search_syntax, sequences, sync_options
from .appending import Expected
from .arguments import argument, flag_list, flags, mailbox, messages
from .commands import Command, Messages, Verb
from .folder_syntax import FOLDER_SYNTAX
from .framing import Frame
from .lexer import END, BadSyntax, Lexer

MAX_URLS = 100  # in one GENURLAUTH or URLFETCH
ID_FIELDS = 30  # RFC 2971 section 3.3

_STORE_ITEM = re.compile(rb"([+-]?)FLAGS(\.SILENT)?(?=[ ])", re.IGNORECASE)
_INITIAL = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_OPS = {b"": FlagOp.REPLACE, b"+": FlagOp.ADD, b"-": FlagOp.REMOVE}


class BadCommand(Exception):
    """The answer is "tag BAD text"; `tag` is None where not even that could be read ("* BAD")."""

    def __init__(self, tag: bytes | None, text: str) -> None:
        super().__init__(text)
        self.tag, self.text = tag, text


def tag_of(frame: Frame) -> bytes | None:
    """The tag of a command that is not read further."""
    try:
        return Lexer(frame).tag()
    except BadSyntax:
        return None


def parse(frame: Frame, *, utf8: bool = False) -> Command:
    """command = tag SP (command-any / command-auth / command-nonauth / command-select)

    Raises BadCommand. APPEND and REPLACE with literals are read by `streamed`.
    """
    tag: bytes | None = None
    try:
        lexer = Lexer(frame, utf8=utf8)
        tag = lexer.tag()
        lexer.space()
        name = _name(lexer)
        read = _SYNTAX.get(name)
        if read is None:
            lexer.fail("Unknown command")
        verb = read(lexer)
        lexer.finish()
        return Command(tag, name, verb)
    except BadSyntax as error:
        raise BadCommand(tag, error.text) from error


def streamed(frame: Frame, *, utf8: bool = False) -> Command | None:
    """The APPEND or REPLACE whose messages begin with the literal that comes next, or have begun; None where it is another
    literal, of this or of another command.

    append = "APPEND" SP mailbox 1*append-message; replace = "REPLACE" SP seq-number SP mailbox append-message
    """
    tag: bytes | None = None
    try:
        lexer = Lexer(frame, utf8=utf8)
        tag = lexer.tag()
        lexer.space()
        name = _name(lexer)
        if name not in ("APPEND", "REPLACE", "UID REPLACE"):
            return None
        place = None if name == "APPEND" else messages(lexer, by_uid=name != "REPLACE")
        lexer.space()
        if lexer.peek() == END:
            return None
        target = mailbox(lexer)
        stretch = appending.read(lexer, Expected.MESSAGE, literal=True)
        return Command(tag, name, _appends(lexer, place, target, stretch))
    except BadSyntax as error:
        raise BadCommand(tag, error.text) from error


def _name(lexer: Lexer) -> str:
    """The word of a command; two where it works on UIDs."""
    name = lexer.keyword()
    if name == "UID":
        lexer.space()
        name += " " + lexer.keyword()
    return name


def _appends(lexer: Lexer, place: Messages | None, target: str, stretch: appending.Stretch) -> Verb:
    if place is None:
        return commands.Append(target, stretch)
    if len(place.ranges) != 1 or place.ranges[0][0] != place.ranges[0][1]:
        lexer.fail("REPLACE takes one message")
    return commands.Replace(place, target, stretch)


# --- commands --------------------------------------------------------------------------------------------------------


def _plain(verb: Callable[[], Verb]) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb()


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


def _append(lexer: Lexer) -> Verb:
    """APPEND that came to its end: all its messages are made of URLs (RFC 4469)."""
    return _all_there(lexer, None)


def _replace(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    return lambda lexer: _all_there(lexer, messages(lexer, by_uid=by_uid))


def _all_there(lexer: Lexer, place: Messages | None) -> Verb:
    target = argument(lexer)
    stretch = appending.read(lexer, Expected.MESSAGE, literal=False)
    if stretch.expected is not Expected.MESSAGE or not stretch.pieces:
        lexer.fail("A message is missing")
    return _appends(lexer, place, target, stretch)


def _compress(lexer: Lexer) -> Verb:
    lexer.space()
    if lexer.keyword() != "DEFLATE":
        lexer.fail("Only DEFLATE is known")
    return commands.Compress()


def _gen_url_auth(lexer: Lexer) -> Verb:
    """genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)"""
    urls: list[bytes] = []
    while lexer.skip(b" ") and lexer.peek() != END and len(urls) < MAX_URLS:
        urls.append(lexer.astring())
        lexer.space()
        if lexer.keyword() != "INTERNAL":
            lexer.fail("Only INTERNAL is known")
    return commands.GenUrlAuth(tuple(urls) or lexer.fail("Missing argument"))


def _url_fetch(lexer: Lexer) -> Verb:
    """urlfetch = "URLFETCH" 1*(SP url-full)"""
    urls: list[bytes] = []
    while lexer.skip(b" ") and lexer.peek() != END and len(urls) < MAX_URLS:
        urls.append(lexer.astring())
    return commands.UrlFetch(tuple(urls) or lexer.fail("Missing argument"))


def _reset_key(lexer: Lexer) -> Verb:
    """resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]"""
    if not lexer.skip(b" ") or lexer.peek() == END:
        return commands.ResetKey(None)
    target = mailbox(lexer)
    while lexer.skip(b" ") and lexer.peek() != END:
        if lexer.keyword() != "INTERNAL":
            lexer.fail("Only INTERNAL is known")
    return commands.ResetKey(target)


def _uid_expunge(lexer: Lexer) -> Verb:
    lexer.space()
    return commands.Expunge(sequences.read(lexer))


def _fetch(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    def read(lexer: Lexer) -> Verb:
        chosen = messages(lexer, by_uid=by_uid)
        lexer.space()
        return commands.Fetch(chosen, fetch_items.read(lexer), *sync_options.fetch_modifiers(lexer))

    return read


def _store(*, by_uid: bool) -> Callable[[Lexer], Verb]:
    def read(lexer: Lexer) -> Verb:
        """store = "STORE" SP sequence-set SP [store-modifier SP] ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))"""
        chosen = messages(lexer, by_uid=by_uid)
        lexer.space()
        since = sync_options.store_modifier(lexer)
        item = lexer.match(_STORE_ITEM, "FLAGS, +FLAGS or -FLAGS")
        lexer.space()
        named = flag_list(lexer) if lexer.peek() == 0x28 else flags(lexer)
        return commands.Store(chosen, _OPS[item[1]], item[2] is not None, named, since)

    return read


def _to(verb: Callable[[Messages, str], Verb], *, by_uid: bool) -> Callable[[Lexer], Verb]:
    return lambda lexer: verb(messages(lexer, by_uid=by_uid), argument(lexer))


_SYNTAX: dict[str, Callable[[Lexer], Verb]] = {
    **FOLDER_SYNTAX,
    "CAPABILITY": _plain(commands.Capability),
    "NOOP": _plain(commands.Noop),
    "LOGOUT": _plain(commands.Logout),
    "ID": _id,
    "STARTTLS": _plain(commands.StartTls),
    "AUTHENTICATE": _authenticate,
    "LOGIN": _login,
    "ENABLE": _enable,
    "APPEND": _append,
    "REPLACE": _replace(by_uid=False),
    "UID REPLACE": _replace(by_uid=True),
    "COMPRESS": _compress,
    "UNAUTHENTICATE": _plain(commands.Unauthenticate),
    "GENURLAUTH": _gen_url_auth,
    "URLFETCH": _url_fetch,
    "RESETKEY": _reset_key,
    "IDLE": _plain(commands.Idle),
    "NOTIFY": notify_syntax.read,
    "CHECK": _plain(commands.Check),
    "CLOSE": _plain(commands.Close),
    "UNSELECT": _plain(commands.Unselect),
    "EXPUNGE": _plain(commands.Expunge),
    "UID EXPUNGE": _uid_expunge,
    **search_syntax.SYNTAX,
    "FETCH": _fetch(by_uid=False),
    "UID FETCH": _fetch(by_uid=True),
    "STORE": _store(by_uid=False),
    "UID STORE": _store(by_uid=True),
    "COPY": _to(commands.Copy, by_uid=False),
    "UID COPY": _to(commands.Copy, by_uid=True),
    "MOVE": _to(commands.Move, by_uid=False),
    "UID MOVE": _to(commands.Move, by_uid=True),
}
NAMES = frozenset(_SYNTAX)  # of all commands
