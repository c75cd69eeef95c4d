"""Commands: what each means, what is no command, and that nothing else comes out."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.model import search
from mailhub.model.mailbox import FLAGGED, SEEN, FlagOp
from mailhub.wire.imap import commands as c
from mailhub.wire.imap import parser
from mailhub.wire.imap.appending import Begin, Stretch, Whole
from mailhub.wire.imap.fetch_items import Attribute, Section, What
from mailhub.wire.imap.framing import Frame
from mailhub.wire.imap.notify import Event, Group, Which
from mailhub.wire.imap.search_commands import Program


def parse(*pieces: str | bytes) -> c.Verb:
    """Texts and literals in turn."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    command = parser.parse(Frame(tuple(raw[::2]), tuple(raw[1::2])))
    assert command.tag == b"a"
    return command.verb


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("a capability", c.Capability()),
        ("a NOOP ", c.Noop()),
        ('a LOGIN alice@mailhub.test "se\\"cr\\\\et"', c.Login(b"alice@mailhub.test", b'se"cr\\et')),
        ("a AUTHENTICATE plain", c.Authenticate("PLAIN", None)),
        ("a AUTHENTICATE PLAIN =", c.Authenticate("PLAIN", b"=")),
        ("a AUTHENTICATE PLAIN AGEAYg==", c.Authenticate("PLAIN", b"AGEAYg==")),
        ("a ENABLE CONDSTORE utf8=accept", c.Enable(("CONDSTORE", "UTF8=ACCEPT"))),
        ("a ID NIL", c.Id(())),
        ('a ID ("name" "Outlook" "os" NIL)', c.Id(((b"name", b"Outlook"), (b"os", None)))),
        ("a SELECT inbox", c.Select("INBOX")),
        ("a SELECT x (CONDSTORE)", c.Select("x", True)),
        ("a EXAMINE x (QRESYNC (7 9))", c.Examine("x", False, c.Resync(7, 9))),
        ("a SELECT x (CONDSTORE QRESYNC (7 9 1:3,5 (1,3 1,5)))",
         c.Select("x", True, c.Resync(7, 9, ((1, 3), (5, 5)), (((1, 1), (3, 3)), ((1, 1), (5, 5)))))),
        ("a SELECT x (QRESYNC (7 9 (1 2)))", c.Select("x", False, c.Resync(7, 9, None, (((1, 1),), ((2, 2),))))),
        ("a UID FETCH 1:* FLAGS (CHANGEDSINCE 12 VANISHED)",
         c.Fetch(c.Messages(((1, 0),), True), (Attribute.FLAGS,), 12, True)),
        ("a STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ()",
         c.Store(c.Messages(((1, 1),), False), FlagOp.ADD, True, (), 0)),
        ("a NOTIFY NONE", c.Notify()),
        ("a NOTIFY SET STATUS (selected (MessageNew (UID BODY[]) MessageExpunge)) (subtree (A inbox.B) NONE)",
         c.Notify((Group(Which.SELECTED, frozenset({Event.NEW, Event.EXPUNGE}), (),
                         (Attribute.UID, Section(What.ALL, peek=True, label=b"BODY[]"))),
                   Group(Which.SUBTREE, frozenset(), ("A", "INBOX.B"))), status=True)),
        ("a NOTIFY SET (personal (AnnotationChange MailboxName))",
         c.Notify((Group(Which.PERSONAL, frozenset({Event.NAME})),), unknown=True)),
        ("a EXAMINE Entw&APw-rfe", c.Examine("Entwürfe")),
        ("a RENAME a b", c.Rename("a", "b")),
        ('a LIST "" *', c.List("", ("*",))),
        ('a LIST "" "%"', c.List("", ("%",))),
        (
            'a LIST (SUBSCRIBED) "" (INBOX "Sent%") RETURN (CHILDREN SPECIAL-USE)',
            c.List(
                "", ("INBOX", "Sent%"), frozenset({"SUBSCRIBED"}), frozenset({"CHILDREN", "SPECIAL-USE"}), extended=True
            ),
        ),
        ('a LSUB "" INBOX.*', c.Lsub("", "INBOX.*")),
        ("a STATUS INBOX (MESSAGES unseen)", c.Status("INBOX", ("MESSAGES", "UNSEEN"))),
        ("a EXPUNGE", c.Expunge(None)),
        ("a UID EXPUNGE 3:5", c.Expunge(((3, 5),))),
        ("a STORE 1:* +FLAGS.SILENT (\\Deleted $Junk)", c.Store(c.Messages(((1, 0),), False), FlagOp.ADD, True, ("\\Deleted", "$Junk"))),
        ("a UID STORE 4 FLAGS \\Seen \\Flagged", c.Store(c.Messages(((4, 4),), True), FlagOp.REPLACE, False, ("\\Seen", "\\Flagged"))),
        ("a STORE 4 -flags ()", c.Store(c.Messages(((4, 4),), False), FlagOp.REMOVE, False, ())),
        ("a UID COPY 1,2 Sent", c.Copy(c.Messages(((1, 1), (2, 2)), True), "Sent")),
        ("a MOVE 2 Trash", c.Move(c.Messages(((2, 2),), False), "Trash")),
    ],
)  # fmt: skip
def test_commands(text: str, verb: c.Verb) -> None:
    assert parse(text) == verb


def test_arguments_may_be_literals() -> None:
    assert parse("a LOGIN ", b"al\xc3\xa9", " ", b'"', "") == c.Login("alé".encode(), b'"')


def items(text: str) -> tuple[object, ...]:
    verb = parse(f"a FETCH 1 {text}")
    assert isinstance(verb, c.Fetch)
    return verb.items


def test_fetch_macros() -> None:
    everything = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE)
    assert items("ALL") == everything
    assert items("fast") == everything[:3]
    assert items("FULL") == (*everything, Attribute.BODY)


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("BODY[]", Section(What.ALL, label=b"BODY[]")),
        ("BODY.PEEK[]<0.100>", Section(What.ALL, partial=(0, 100), peek=True, label=b"BODY[]<0>")),
        ("body[1.2.mime]", Section(What.MIME, (1, 2), label=b"BODY[1.2.MIME]")),
        ("BODY[2.TEXT]", Section(What.TEXT, (2,), label=b"BODY[2.TEXT]")),
        (
            'BODY.PEEK[HEADER.FIELDS (From "To")]',
            Section(What.FIELDS, (), (b"From", b"To"), None, True, b"BODY[HEADER.FIELDS (From To)]"),
        ),
        (
            "BODY[3.HEADER.FIELDS.NOT (DATE)]",
            Section(What.FIELDS_NOT, (3,), (b"DATE",), label=b"BODY[3.HEADER.FIELDS.NOT (DATE)]"),
        ),
        ("RFC822", Section(What.ALL, label=b"RFC822")),
        ("RFC822.HEADER", Section(What.HEADER, peek=True, label=b"RFC822.HEADER")),
    ],
)
def test_fetch_sections(text: str, section: Section) -> None:
    assert items(text) == (section,)
    assert items(f"({text} UID {text})") == (section, Attribute.UID)


def key(text: str) -> search.Key:
    verb = parse(f"a SEARCH {text}")
    assert isinstance(verb, c.Search)
    assert verb.program.key is not None
    return verb.program.key


def test_search_keys() -> None:
    assert key("ALL") == search.All()
    assert key("UNSEEN FLAGGED") == search.And((search.Not(search.Flag(SEEN)), search.Flag(FLAGGED)))
    assert key("OR (SEEN 2:4) NOT UID 7:*") == search.Or(
        search.And((search.Flag(SEEN), search.Numbers(((2, 4),)))), search.Not(search.Uids(((7, 0),)))
    )
    assert key("SENTSINCE 1-Feb-1994") == search.Sent(search.When.SINCE, datetime.date(1994, 2, 1))
    assert key('BEFORE "28-FEB-2026"') == search.Internal(search.When.BEFORE, datetime.date(2026, 2, 28))
    assert key("SUBJECT hello") == search.Envelope("SUBJECT", "hello")
    assert key('HEADER X-Spam ""') == search.Header("X-Spam", "")
    assert key("LARGER 5000000000") == search.Larger(5_000_000_000)
    assert key("UNKEYWORD $Junk") == search.Not(search.Keyword("$Junk"))
    assert key("NEW") == search.And((search.Recent(), search.Not(search.Flag(SEEN))))


def test_search_text_is_in_its_charset() -> None:
    def text(charset: str, raw: bytes) -> c.Verb:
        return parse(f"a UID SEARCH CHARSET {charset} TEXT ", raw, "")

    for charset, codec in (("UTF-8", "utf-8"), ("gb2312", "gb2312"), ("GB18030", "gb18030")):
        assert text(charset, "邮件".encode(codec)) == c.Search(Program(search.Text("邮件")), True)
    assert text("X-KLINGON", b"x") == c.Search(Program(None), True)
    with pytest.raises(parser.BadCommand):
        text("UTF-8", b"\xff")


def test_append_is_known_before_its_message_is_read() -> None:
    def append(*texts: bytes, literals: tuple[bytes, ...] = ()) -> c.Command | None:
        return parser.streamed(Frame(texts, literals))

    assert append(b"a APPEND ") is None
    assert append(b"a LOGIN x ") is None
    bare = append(b"a APPEND ", b" ", literals=(b"inbox",))
    assert bare is not None
    assert bare.verb == c.Append("INBOX", Stretch((Begin((), None), Whole())))
    full = append(b'a append Sent (\\Seen $Forwarded) "17-Jul-1996 02:44:25 -0700" ')
    assert full is not None
    assert full.verb == c.Append("Sent", Stretch((Begin(("\\Seen", "$Forwarded"), 837_596_665), Whole())))
    for bad in (b'a APPEND Sent "32-Jul-1996 02:44:25 -0700" ', b"a APPEND Sent (\\Seen ", b"a APPEND Sent x "):
        with pytest.raises(parser.BadCommand) as refused:
            append(bad)
        assert refused.value.tag == b"a"


@pytest.mark.parametrize(
    "text",
    [
        "a", "a ", "a XYZZY", "a UID NOOP", "a NOOP x", "a LOGIN", "a LOGIN x", 'a LOGIN "x y', "a SELECT", "a SELECT &", "a SELECT x (", "a SELECT x ()", "a SELECT x (QRESYNC)",
        "a SELECT x (QRESYNC (0 1))", "a SELECT x (QRESYNC (1 1 3:1))", "a SELECT x (QRESYNC (1 1 (1:* 1:*)))", "a FETCH 1 FLAGS (VANISHED)",
        "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", "a STORE 1 (UNCHANGEDSINCE) FLAGS ()", "a STORE 1 (X 1) FLAGS ()",
        "a NOTIFY", "a NOTIFY SET", "a NOTIFY SET (personal)", "a NOTIFY SET (nobody NONE)", "a NOTIFY SET (mailboxes NONE)",
        "a NOTIFY SET (personal (FlagChange))", "a NOTIFY SET (selected NONE) (selected NONE)",
        "a FETCH 1", "a FETCH 1 (", "a FETCH 1 BODY[", "a FETCH 1 BODY[0]", "a FETCH 1 BODY[MIME]", "a FETCH 0 UID",
        "a FETCH 1 BODY[]<0.0>", "a FETCH 1 BODY[HEADER.FIELDS ()]", "a FETCH 1 BODY[HEADER.FIELDS (a:b)]", "a FETCH 1 NONSENSE",
        "a STORE 1 FLAG x", "a STORE 1 FLAGS", "a SEARCH", "a SEARCH OR SEEN", "a SEARCH (", "a SEARCH SINCE 31-Feb-2026",
        "a STATUS INBOX ()", "a STATUS INBOX (X)", 'a LIST "" * RETURN (X)', 'a LIST (RECURSIVEMATCH) "" *', "a APPEND INBOX",
        "a SEARCH " + "(" * 10_000, "a SEARCH " + "NOT " * 10_000 + "SEEN", "a SEARCH " + "SEEN " * 11_000,
    ],
)  # fmt: skip
def test_what_is_no_command(text: str) -> None:
    with pytest.raises(parser.BadCommand) as refused:
        parse(text)
    assert refused.value.tag == b"a"


@pytest.mark.parametrize("text", ["", " NOOP", "* OK", "+ x", "\xe9 NOOP", "(", '"a" NOOP'])
def test_no_tag_no_tagged_answer(text: str) -> None:
    with pytest.raises(parser.BadCommand) as refused:
        parse(text)
    assert refused.value.tag is None


WORDS = st.sampled_from(
    [b"a ", b"UID ", b"FETCH ", b"SEARCH ", b"STORE ", b"LIST ", b"APPEND ", b"1:* ", b"(", b")", b"BODY[", b"]", b'"', b"\\",
     b"CATENATE (", b"URL ", b"TEXT ", b"UTF8 (", b"REPLACE 1 INBOX ", b"BINARY[", b"PREVIEW (LAZY)", b"GENURLAUTH ", b"OR ", b"NOT ", b"FLAGS ", b"HEADER.FIELDS ", b"<0.1>", b"CHARSET ", b"&", b"\xff", b"\0", b"RETURN ", b"*", b" "]
)  # fmt: skip

SEARCHES = st.sampled_from(
    [b"(REVERSE DATE SUBJECT) ", b"(DISPLAYFROM) ", b"UTF-8 ", b"REFERENCES ", b"ORDEREDSUBJECT ", b"REFS ", b"ALL", b"IN (", b"personal",
     b"subtree-one ", b"mailboxes (", b"selected", b") ", b"RETURN (", b"UPDATE (UID)", b"PARTIAL 1:2", b"SAVE", b"COUNT ", b"MODSEQ 1", b"$",
     b"SUBJECT ", b"{3+}", b"UID 1:2", b"KEYWORD $x", b"OLDER 1", b"SINCE 1-Feb-1994", b"SET ", b"(selected (MessageNew (UID) MessageExpunge))"]
)  # fmt: skip


@fuzz(400)
@given(
    st.sampled_from(["", *sorted(parser.NAMES)]).map(lambda name: name.encode() + b" " * bool(name)),
    st.lists(st.one_of(WORDS, SEARCHES, st.binary(max_size=5)), min_size=1, max_size=12),
    st.lists(st.binary(max_size=5), max_size=2),
)
def test_any_octets_give_a_command_or_a_refusal(name: bytes, words: list[bytes], literals: list[bytes]) -> None:
    texts = (b"a " + name + b"".join(words), *(b" " for _ in literals))
    for read in (parser.parse, parser.streamed):
        tag: bytes | None = b"a"
        try:
            read(Frame(texts, tuple(literals)))
        except parser.BadCommand as refused:
            tag = refused.tag
        assert tag == b"a"


@pytest.mark.parametrize(
    "text",
    [
        "a LOGIN " + '"' + "\\" * 65_000,
        "a FETCH " + "1," * 32_000 + " UID",
        "a STORE 1 FLAGS (" + "(" * 60_000,
        "a" * 65_000,
    ],
)
def test_long_nonsense_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(parser.BadCommand):  # quadratic time would be minutes, and the suite's timeout
        parse(text)
