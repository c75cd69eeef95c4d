"""The right sides of aliases(5), and the lines of .forward and :include: files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.alias_list import Kind, Target, targets


def address(text: str) -> Target:
    return Target(Kind.ADDRESS, text)


def command(text: str) -> Target:
    return Target(Kind.COMMAND, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice", [address("alice")]),
        ("alice, bob@far.test,,carol ,", [address("alice"), address("bob@far.test"), address("carol")]),
        ("alice\nbob\r\n\n# nobody\ncarol # her note, too\n", [address("alice"), address("bob"), address("carol")]),
        ("alice, # a comment, to the end\nbob", [address("alice"), address("bob")]),
        ("\\alice, bob", [address("\\alice"), address("bob")]),
        ("Bob the First <bob@far.test>, <carol>", [address("bob@far.test"), address("carol")]),
        ('"Bob, the First" <bob@far.test>', [address("bob@far.test")]),
        ("bob (of (the) house, too) @far.test", [address("bob"), address("@far.test")]),
        ('"a, b"@far.test', [address('"a, b"@far.test')]),
        ('"alice"', [address("alice")]),
        ('alice bob@far.test\t"c d"@far.test, One <e@far.test> # nobody', [address("alice"), address("bob@far.test"), address('"c d"@far.test'), address("e@far.test")]),
        ("|/bin/prog #1 , x#y", [command("/bin/prog #1"), address("x#y")]),
        ("|/usr/bin/procmail", [command("/usr/bin/procmail")]),
        ("|/usr/bin/procmail -a x, bob", [command("/usr/bin/procmail -a x"), address("bob")]),
        ('"|/usr/bin/vacation -a \\"x y\\", alice", bob', [command('/usr/bin/vacation -a "x y", alice'), address("bob")]),
        ('|"/usr/bin/procmail -f-"', [command("/usr/bin/procmail -f-")]),
        ("\"|IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #me\"", [command("IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #me")]),
        ("/var/mail/archive, /srv/archive/", [Target(Kind.FILE, "/var/mail/archive"), Target(Kind.FILE, "/srv/archive/")]),
        ('"/srv/a b, c"', [Target(Kind.FILE, "/srv/a b, c")]),
        (":include:/etc/lists/all", [Target(Kind.INCLUDE, "/etc/lists/all")]),
        ('":Include: /etc/lists/a b", x', [Target(Kind.INCLUDE, "/etc/lists/a b"), address("x")]),
        ("", []),
        (" ,, \n,", []),
        ('"|never closed, alice', [command("never closed, alice")]),
    ],
)  # fmt: skip
def test_what_a_list_says(text: str, expected: list[Target]) -> None:
    assert targets(text) == expected


@given(st.text(alphabet='ab,|/:\\"(<>)#@ \n', max_size=60) | st.text(max_size=60))
def test_nothing_raises_and_nothing_is_made_up(text: str) -> None:
    found = targets(text)
    assert len(found) <= 1 + len(text)
    assert all("\n" not in target.text for target in found)
