"""The form of filters and the Sieve that it becomes: what it says, what can be read back, and values that try to be more than values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.web.settings.form import Absence, Action, Condition, Form, Rule, is_address, read_back, written
from mailhub.wire.sieve import check, parse

EVIL = (
    '"; discard; #',
    "\\",
    '\\"; stop; "',
    "*/ discard; /*",
    "${from}",
    "${unicode:22} discard",
    "text:\u00a0x",
    "# comment",
    "'; -- ",
    "安全　",
    "👨‍👩",
    "a" * 500,
)


def rule(
    *actions: Action, what: str = "subject", how: str = "contains", value: str = "x", name: str = "r", **more: object
) -> Rule:
    return Rule(name, actions, (Condition(what, how, value, **more),))  # type: ignore[arg-type]


def body(form: Form, **options: object) -> str:
    script = written(form, **options)  # type: ignore[arg-type]
    check(parse(script.encode()))
    assert read_back(script) == form
    return script.partition("\r\n")[2]


def test_what_it_says() -> None:
    conditions = (
        Condition("from", "contains", "shop"),
        Condition("to", "is", "a@b.test", negated=True),
        Condition("header", "matches", "*x*", header="X-Mark"),
        Condition("size", "over", "10m"),
        Condition("body", "contains", "win"),
    )
    actions = (
        Action("stop"),
        Action("move", "Lists.Shop"),
        Action("read"),
        Action("label", "Shop"),
        Action("forward", "c@d.test"),
    )
    form = Form(
        (Rule("Shops", actions, conditions, all=False), rule(Action("discard"))),
        Absence(True, "Away", "Back\nsoon", 3, "2026-01-01", "2026-01-31", "+0800"),
    )
    assert body(form, addresses=["a@b.test", "i@b.test"]).split("\r\n") == [
        'require ["body", "copy", "date", "fileinto", "imap4flags", "mailbox", "relational", "vacation"];',
        "# Shops",
        'if anyof(header :contains "from" "shop", not address :all :is ["to", "cc", "resent-to"] "a@b.test", '
        'header :matches "X-Mark" "*x*", size :over 10M, body :text :contains "win") {',
        '  addflag "\\\\Seen";',
        '  addflag "Shop";',
        '  fileinto :create "Lists.Shop";',
        '  redirect :copy "c@d.test";',
        "  stop;",
        "}",
        "# r",
        'if header :contains "subject" "x" {',
        "  discard;",
        "  stop;",
        "}",
        'if allof(currentdate :zone "+0800" :value "ge" "date" "2026-01-01", currentdate :zone "+0800" :value "le" "date" "2026-01-31") {',
        '  vacation :days 3 :subject "Away" :addresses ["a@b.test", "i@b.test"] "Back',
        'soon";',
        "}",
        "",
    ]  # fmt: skip


def test_what_is_off_stays_in_the_form() -> None:
    form = Form((Rule("later", (Action("discard"),), enabled=False),), Absence(text="kept"))
    assert body(form) == "# off: later\r\n"


@pytest.mark.parametrize("evil", EVIL)
def test_a_value_is_a_value(evil: str) -> None:
    plain = body(Form((rule(Action("move", "x"), Action("reject", "x"), name="n"),), Absence(True, "s", "x")))
    short = evil[:100]
    actions = (Action("move", evil), Action("reject", evil))
    form = Form((rule(*actions, value=evil, name=short),), Absence(True, short, evil))
    told = parse(written(form).encode())
    assert _shape(told) == _shape(parse(plain.encode()))
    body(form)


def _shape(commands: object) -> object:
    """The tree without what its strings say."""
    import re

    return re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "S", re.sub(r"Place\([^)]*\)", "", repr(commands)))


@pytest.mark.parametrize("evil", ["two\nlines", "two\rlines", "\0", "\x1b[2J", "\u2028", "\u202e", "\x85", ""])
def test_what_is_no_line_is_refused(evil: str) -> None:
    with pytest.raises(ValueError, match=r"line|value"):
        written(Form((rule(Action("stop"), value=evil),)))
    if evil:
        for form in (
            Form((rule(Action("stop"), name=evil),)),
            Form((rule(Action("move", evil)),)),
            Form((rule(Action("label", evil)),)),
            Form((rule(Action("forward", f"a{evil}@b.test")),)),
            Form((rule(Action("stop"), what="header", header=evil),)),
            Form((), Absence(True, evil, "x")),
            Form((Rule(evil, (Action("stop"),), enabled=False),)),
        ):
            with pytest.raises(ValueError, match=r"line|label|address|field"):
                written(form)


@pytest.mark.parametrize(
    "form",
    [
        Form((rule(Action("stop"), what="size"),)),
        Form((rule(Action("stop"), what="subject", how="over", value="1"),)),
        Form((rule(Action("stop"), what="size", how="over", value="1 } discard;"),)),
        Form((rule(Action("stop"), what="size", how="over", value="9999999"),)),
        Form((rule(Action("stop"), what="header", header="A B"),)),
        Form((rule(Action("move", "")),)),
        Form((rule(Action("label", "\\Deleted")),)),
        Form((rule(*[Action("forward", f"a{n}@b.test") for n in range(5)]),)),
        Form((), Absence(True, "", " \n")),
        Form((), Absence(True, "", "bell \a")),
        Form((), Absence(True, "", "x", since="2026-13-01")),
        Form((), Absence(True, "", "x", until='2026-01-"')),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_value_is_refused(form: Form) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        written(form)


@pytest.mark.parametrize("text", ["|/bin/sh@x.test", "/var/mail/x@y.test", ":include:/etc/x@y.test", "a b@c.test", "a@b@c.test", "a@", "@b.test", '"a"@b.test', "a@b.test,c@d.test", "a@b.test\n", "~x@y.test"])  # fmt: skip
def test_no_address(text: str) -> None:
    assert not is_address(text)


def test_addresses() -> None:
    assert all(map(is_address, ("a@b.test", "a.b+c/d@b.test", "安@例子.测试", "o'neil@b.test")))


def test_what_was_changed_by_hand_is_not_read_back() -> None:
    script = written(Form((rule(Action("stop")),)))
    assert read_back(script) is not None
    for changed in (
        script + "keep;\r\n",
        script.replace('"x"', '"y"'),
        "keep;",
        "",
        script.replace("\r\n", "\n"),
        script[:60],
    ):
        assert read_back(changed) is None


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_any_value(value: str, name: str, text: str) -> None:
    form = Form((rule(Action("move", value), name=name, value=value),), Absence(True, name, text))
    try:
        script = written(form)
    except ValueError:
        return
    check(parse(script.encode()))
    assert read_back(script) == form
    shape = _shape(parse(written(Form((rule(Action("move", "x")),), Absence(True, "s" if name else "", "x"))).encode()))
    assert _shape(parse(script.encode())) == shape
