"""Sieve scripts: what they parse to, what is wrong with them and where, and that nothing else comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.wire.sieve import Limits, Problem, ScriptError, check, parse
from mailhub.wire.sieve.signatures import EXTENSIONS, SIGNATURES
from mailhub.wire.sieve.tree import Argument, Command, Number, Strings, Tag, Test, encode


def test_the_grammar() -> None:
    script = b"""# a comment
        require ["fileinto", "copy"];  /* another */
        if anyof (size :over 1M, not header :is ["a", "b"] "x\\"y") { fileinto :copy "Junk"; stop; }
    """
    assert parse(script) == (
        Command("require", (Strings(("fileinto", "copy")),)),
        Command(
            "if",
            (),
            (
                Test(
                    "anyof",
                    (),
                    (
                        Test("size", (Tag("over"), Number(1 << 20))),
                        Test("not", (), (Test("header", (Tag("is"), Strings(("a", "b")), Strings(('x"y',), False))),)),
                    ),
                    True,
                ),
            ),
            (Command("fileinto", (Tag("copy"), Strings(("Junk",), False))), Command("stop")),
        ),
    )


@pytest.mark.parametrize(
    ("script", "value"),
    [
        (b'x "a\\\\b\\c";', "a\\bc"),
        (b'x "a\nb";', "a\r\nb"),
        (b"x text: # why\r\nline\r\n..dot\r\n.\r\n;", "line\r\n.dot\r\n"),
        (b"x text:\n.\n;", ""),
        (b"x Text:\n.a\n.\n;", ".a\r\n"),
        ('x "é";'.encode(), "é"),
    ],
)
def test_strings(script: bytes, value: str) -> None:
    assert parse(script) == (Command("x", (Strings((value,), False),)),)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (b"keep", "line 1, column 5: expected ';' or a block for 'keep' after 'keep', found the end of the script"),
        (b"if true { keep; ", "line 1, column 17: expected a command or '}' after ';', found the end of the script"),
        (b"if anyof (true,) {}", "line 1, column 16: expected a test after ',', found ')'"),
        (b'x ["a" "b"];', "line 1, column 8: expected ',' or ']' after a string, found a string"),
        (b'x "a', "line 1, column 3: expected '\"' at the end of the string that begins here"),
        (b"x text:\na\n", "line 1, column 3: expected a line with '.' alone at the end of the text that begins here"),
        (b"/* x", "line 1, column 1: expected '*/' at the end of the comment that begins here"),
        (b"x 18446744073709551616;", "line 1, column 3: the number is too large"),
        (b"x $;", "line 1, column 3: unexpected character '$'"),
        (b'keep;\n"\xff";', "line 2, column 2: not UTF-8"),
        (b'"\0"', "line 1, column 1: a string holds a NUL"),
        (b"}", "line 1, column 1: expected a command after the beginning, found '}'"),
        (b"if not not not not true {}", "line 1, column 16: nested deeper than 3 levels"),
        (b"x" * 65, "line 1, column 1: a name of more than 64 characters"),
        (b"stop; " * 50, "line 1, column 240: the script has more than 80 tokens"),
        (b" " * 1001, "line 1, column 1: the script has more than 1000 octets"),
    ],
)
def test_what_is_no_script(script: bytes, problem: str) -> None:
    with pytest.raises(ScriptError) as caught:
        check(parse(script, Limits(1000, 80, 3)))
    assert str(caught.value).startswith(problem) or problem in str(caught.value)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ('fileinto "a";', "column 1: 'fileinto' needs: require 'fileinto'"),
        ('redirect :copy "a@b";', "takes no tag ':copy' without: require 'copy'"),
        ('require "fileinto";\nfileinto "a"\nkeep;', "line 2, column 1: 'fileinto' has no tests: is a ';' missing?"),
        ("if keep { }", "'keep' is a command, not a test"),
        ("keep :nonsense;", "column 6: 'keep' takes no tag ':nonsense'"),
        ('require "frop";', "the extension 'frop' is not supported"),
        ('keep; require "fileinto";', "'require' has to stand before all other commands"),
        ("else { }", "'else' without an 'if' before it"),
        ("if true;", "'if' wants a block"),
        ("keep { }", "'keep' has no block"),
        ("if { }", "'if' wants one test"),
        ("if (true) { }", "'if' wants one test"),
        ("if anyof true { }", "'anyof' wants a list of tests in parentheses"),
        ("redirect 3;", "'redirect' wants a string as argument 1, not the number 3"),
        ('redirect ["a@b"];', "'redirect' wants a string as argument 1, not a string list"),
        ("redirect;", "'redirect' wants 1 arguments, and has 0"),
        ('if header :is "a" { }', "'header' wants 2 arguments, and has 1"),
        ('if header :is :contains "a" "b" { }', "more than one match type for 'header'"),
        ('if header "a" :is "b" { }', "':is' stands behind the arguments of 'header'"),
        ('if header :comparator 1 "a" "b" { }', "':comparator' wants a string, not the number 1"),
        ('if header :comparator "i;x" "a" "b" { }', "the comparator 'i;x' is not known"),
        ('if header :comparator "i;ascii-numeric" "a" "b" { }', "needs: require 'comparator-i;ascii-numeric'"),
        ('require "editheader"; addheader "a b" "b";', "'a b' is no name of a field"),
        ('if address "subject" "b" { }', "'subject' is no field with addresses"),
        ('redirect "a@";', "'a@' is no mail address"),
        ('redirect "a@b,c@d";', "is no mail address"),
        ('redirect "a@b\r\nBcc: c@d";', "is no mail address"),
        ("if size 3 { }", "'size' wants ':over' or ':under'"),
        ("header;", "'header' is a test, not a command"),
        ('require "relational"; if header :count "xx" "a" "b" { }', "':count' wants one of gt, ge"),
        ('require "encoded-character"; redirect "${unicode:D800}";', "is no character of Unicode"),
        ('require "encoded-character"; redirect "${hex: ff}";', "encoded character"),
        ('require "regex"; if header :regex "a" "(" { }', "the regular expression '(': '(' without ')'"),
        (
            'require "regex"; ' + 'if header :regex "a" "((a{40}){40})" { }' * 50,
            "the regular expressions of the script are too large",
        ),
        ('require "foreverypart"; break;', "'break' outside of the 'foreverypart'"),
        ('require "date"; if date "a" "aeon" "b" { }', "'aeon' is no part of a date"),
        ('require "variables"; set "a b" "c";', "'a b' is no name of a variable"),
    ],
)
def test_what_makes_no_sense(script: str, problem: str) -> None:
    with pytest.raises(ScriptError) as caught:
        check(parse(script.encode()))
    assert problem in str(caught.value)


def test_all_problems_are_told() -> None:
    with pytest.raises(ScriptError) as caught:
        check(parse(b'fileinto "a";\nfrop;\nredirect "x";'))
    assert [problem.place.line for problem in caught.value.problems] == [1, 2, 3]


def test_encoded_characters() -> None:
    script = check(parse(b'require "encoded-character"; redirect "a${hex:40}${unicode: 62 2e}${HEX:63 2e 64}";'))
    assert script.commands[0].arguments == ("a@b.c.d",)


def test_what_ihave_guards_is_no_mistake() -> None:
    script = check(parse(b'require "ihave"; if ihave "frop" { frop "x"; } elsif ihave "fileinto" { fileinto "a"; }'))
    assert [node.block[0].name for node in script.commands] == ["error", "fileinto"]


def test_every_extension_is_good_for_something() -> None:
    used = {need for one in SIGNATURES.values() for need in one.needs}
    used |= {tag.needs for one in SIGNATURES.values() for tag in one.tags}
    assert {name for name in EXTENSIONS if not name.startswith("comparator-")} - used == {"encoded-character"}


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "text")
STRINGS = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=8)
ARGUMENTS: st.SearchStrategy[Argument] = st.one_of(
    st.builds(Number, st.integers(0, (1 << 64) - 1)),
    st.builds(Tag, NAMES),
    st.builds(lambda text: Strings((text,), False), STRINGS),
    st.builds(lambda texts: Strings(tuple(texts)), st.lists(STRINGS, max_size=3)),
)
TUPLES = st.lists(ARGUMENTS, max_size=3).map(tuple)
TESTS: st.SearchStrategy[Test] = st.recursive(
    st.builds(Test, NAMES, TUPLES),
    lambda inner: st.one_of(
        st.builds(lambda n, a, t: Test(n, a, (t,)), NAMES, TUPLES, inner),
        st.builds(lambda n, a, t: Test(n, a, tuple(t), True), NAMES, TUPLES, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=4,
)
NO_TESTS: st.SearchStrategy[tuple[Test, ...]] = st.just(())
ONE_TEST = st.one_of(NO_TESTS, st.tuples(TESTS))
COMMANDS: st.SearchStrategy[Command] = st.recursive(
    st.builds(Command, NAMES, TUPLES, ONE_TEST),
    lambda inner: st.builds(Command, NAMES, TUPLES, ONE_TEST, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=4,
)


@fuzz(100)
@given(st.lists(COMMANDS, max_size=3).map(tuple))
def test_what_is_written_is_read_again(script: tuple[Command, ...]) -> None:
    assert parse(encode(script).encode()) == script


WORDS = [
    *(word for one in SIGNATURES.values() for word in (one.name, *(f":{tag.name}" for tag in one.tags))),
    *(f'"{name}"' for name in EXTENSIONS), "require", "[", "]", "(", ")", "{", "}", ";", ",", "/*", "*/", "#", "text:\n",
    ".\n", '"', '"${hex:40}"', '"a@b"', '"eq"', "3", "1G", "\n", "\0", "\\", ":",
]  # fmt: skip


@fuzz(200)
@given(st.one_of(st.binary(), st.lists(st.sampled_from(WORDS)).map(lambda words: " ".join(words).encode())))
def test_any_octets_raise_nothing_but_the_error_of_scripts(octets: bytes) -> None:
    found = problems(octets)
    assert found is None or found
    assert all(1 <= problem.place.line <= octets.count(b"\n") + 1 for problem in found or ())


def problems(octets: bytes) -> tuple[Problem, ...] | None:
    """None where there are none."""
    try:
        check(parse(octets))
    except ScriptError as error:
        return error.problems
    return None
