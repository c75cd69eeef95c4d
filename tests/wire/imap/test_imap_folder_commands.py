"""The commands about folders: what each means, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.model.mailbox import FlagOp
from mailhub.wire.imap import commands as c
from mailhub.wire.imap import parser
from mailhub.wire.imap.framing import Frame


def parse(*pieces: str | bytes) -> c.Verb:
    """Texts and literals in turn."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    return parser.parse(Frame(tuple(raw[::2]), tuple(raw[1::2]))).verb


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("a GETQUOTA x", c.GetQuota("x")),
        ('a GETQUOTA ""', c.GetQuota("")),
        ("a GETQUOTAROOT inbox", c.GetQuotaRoot("INBOX")),
        ("a SETQUOTA x (storage 9 MESSAGE 0)", c.SetQuota("x", (("STORAGE", 9), ("MESSAGE", 0)))),
        ("a SETQUOTA x ()", c.SetQuota("x", ())),
        ("a CREATE x (USE (\\Drafts \\sent))", c.Create("x", ("\\Drafts", "\\sent"))),
        ("a CREATE x (use ())", c.Create("x")),
        ('a XLIST "" *', c.Xlist("", "*")),
        (
            'a LIST (RECURSIVEMATCH SPECIAL-USE) "" % RETURN (STATUS (SIZE deleted) MYRIGHTS METADATA (/shared/a "/private/b"))',
            c.List("", ("%",), frozenset({"RECURSIVEMATCH", "SPECIAL-USE"}), frozenset({"MYRIGHTS"}), ("SIZE", "DELETED"),
                   ("/shared/a", "/private/b"), True),
        ),
        ("a SETACL x Bob lrs", c.SetAcl("x", "Bob", FlagOp.REPLACE, "lrs")),
        ("a SETACL x -bob +cd", c.SetAcl("x", "-bob", FlagOp.ADD, "cd")),
        ('a SETACL x bob "-"', c.SetAcl("x", "bob", FlagOp.REMOVE, "")),
        ('a SETACL x "b b" ""', c.SetAcl("x", "b b", FlagOp.REPLACE, "")),
        ("a DELETEACL x bob", c.DeleteAcl("x", "bob")),
        ("a GETACL inbox", c.GetAcl("INBOX")),
        ("a LISTRIGHTS x bob", c.ListRights("x", "bob")),
        ("a MYRIGHTS x", c.MyRights("x")),
        ('a GETMETADATA "" /shared/comment', c.GetMetadata("", ("/shared/comment",))),
        ("a GETMETADATA (MAXSIZE 9 DEPTH infinity) x (/shared)", c.GetMetadata("x", ("/shared",), 9, None)),
        ("a GETMETADATA x (depth 1) /private/a", c.GetMetadata("x", ("/private/a",), None, 1)),
        ('a SETMETADATA x (/private/a "1" /PRIVATE/A NIL)', c.SetMetadata("x", (("/PRIVATE/A", None),))),
    ],
)  # fmt: skip
def test_commands(text: str, verb: c.Verb) -> None:
    assert parse(text) == verb


def test_a_value_may_be_any_octets() -> None:
    assert parse("a SETMETADATA x (/private/a ", b"\0\xff\r\n", ")") == c.SetMetadata(
        "x", (("/private/a", b"\0\xff\r\n"),)
    )


@pytest.mark.parametrize(
    "text",
    [
        "a GETQUOTA", "a GETQUOTAROOT", "a SETQUOTA x", "a SETQUOTA x (STORAGE)", "a SETQUOTA x (STORAGE -1)",
        "a SETQUOTA x (STORAGE 9223372036854775808)", "a CREATE x (USE \\Drafts)", "a CREATE x (USE (Drafts))", "a CREATE x (USE (\\Drafts)", "a CREATE x ()", "a XLIST *",
        'a LIST "" * RETURN', 'a LIST "" * RETURN (STATUS)', 'a LIST "" * RETURN (STATUS ())', 'a LIST "" * RETURN (METADATA)',
        'a LIST "" * RETURN (METADATA (x))', 'a LIST "" (* ', 'a LIST "" ()', "a SETACL x bob", "a SETACL x bob lQ", "a SETACL x bob l+",
        "a SETACL x bob lé", "a DELETEACL x", "a GETACL", "a LISTRIGHTS x", "a MYRIGHTS", "a GETMETADATA x", "a GETMETADATA x ()",
        "a GETMETADATA x (DEPTH 2) /private/a", "a GETMETADATA x (MAXSIZE) /private/a", "a GETMETADATA (DEPTH) x /private/a",
        "a GETMETADATA x /privates/a", "a GETMETADATA x /private/", "a SETMETADATA x ()", "a SETMETADATA x (/private/a)",
        "a SETMETADATA x (/private/a 1)", "a SETMETADATA x /private/a 1", 'a SETMETADATA x (/shared "1")',
    ],
)  # fmt: skip
def test_what_is_no_command(text: str) -> None:
    with pytest.raises(parser.BadCommand):
        parse(text)


WORDS = st.sampled_from(
    [b"CREATE ", b"LIST ", b'"" ', b"x ", b"(", b")", b"USE ", b"\\Drafts ", b"RETURN ", b"STATUS ", b"SIZE ", b"METADATA ",
     b"/private/a ", b"/shared", b"SETACL ", b"+lr", b"GETMETADATA ", b"SETMETADATA ", b"DEPTH ", b"1 ", b"infinity", b"NIL", b"* ",
     b"\xff", b"\0", b" "]
)  # fmt: skip


@given(st.lists(st.one_of(WORDS, st.binary(max_size=4)), max_size=14), st.lists(st.binary(max_size=4), max_size=2))
def test_any_octets_give_a_command_or_a_refusal(words: list[bytes], literals: list[bytes]) -> None:
    texts = (b"a " + b"".join(words), *(b" )" for _ in literals))
    try:
        parser.parse(Frame(texts, tuple(literals)))
    except parser.BadCommand:
        return
