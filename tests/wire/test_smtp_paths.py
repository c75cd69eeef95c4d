import pytest

from mailhub.model.envelope import MailParameters
from mailhub.wire.smtp import (
    Path,
    SyntaxRefused,
    mail_parameters,
    parse_command,
    parse_path,
    recipient_parameters,
)


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("<>", "", ""),
        ("<a@b>", "a@b", ""),
        (" <a@b> SIZE=1", "a@b", " SIZE=1"),
        ("<First.Last+tag@Example.ORG>", "First.Last+tag@Example.ORG", ""),
        ("<!#$%&'*+-/=?^_`{|}~@x.example>", "!#$%&'*+-/=?^_`{|}~@x.example", ""),
        ('<"a b"@c>', '"a b"@c', ""),
        ('<"a\\"@b"@c>', '"a\\"@b"@c', ""),
        ("<postmaster>", "postmaster", ""),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
        ("<用户@例え.example>", "用户@例え.example", ""),
        ("<a@b_c.example>", "a@b_c.example", ""),
        ("<a@b>x", "a@b", "x"),
        ("<" + "v" * 200 + "@example.org>", "v" * 200 + "@example.org", ""),
    ],
)
def test_paths(text: str, address: str, rest: str) -> None:
    assert parse_path(text) == (Path(address), rest)


def test_source_routes_are_told_apart() -> None:
    assert parse_path("<@a.example,@b.example:u@c.example>") == (
        Path("u@c.example", "@a.example,@b.example"),
        "",
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "a@b", "<a@b", "a@b>", "<<a@b>>", "<a@@b>", "<@b>", "<a@>", "<.a@b>", "<a.@b>", "<a..c@b>", "<a b@c>",
        '<"a@b>', '<"a"b@c>', "<a@b c>", "<a@b,c@d>", "<a@-b>", "<a@b->", "<a@b.>", "<a@.b>", "<a@b..c>",
        "<a@[192.0.2.1>", "<a@[192.0.2.256]>", "<a@[IPv6:zz]>", "<a@[tag:x]>", "<a@[]>", "<a@[IPv6:fe80::1%eth0]>",
        "<a\u2003b@c>", "<a@b\u2028c>", "<a@b\u202ec>", "<a\x7f@b>", "<a\x85@b>", "<@a:>", "<@a,b:u@c>", "<(x)a@b>",
        "<" + "a" * 300 + "@b>", "<a@" + "b" * 300 + ">", "<" + "ü" * 200 + "@b>",
    ],
)  # fmt: skip
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(SyntaxRefused) as refused:
        parse_path(text)
    assert refused.value.reply.code == 501


def test_hostile_paths_take_no_time() -> None:
    for text in (
        "<" + "a." * 1_000,
        "<@" + "a,@" * 600,
        "<a@" + "b-" * 1_000,
        '<"' + '\\"' * 1_000,
        "<a@" + "b." * 1_000,
    ):
        with pytest.raises(SyntaxRefused):
            parse_path(text)


def test_mail_parameters() -> None:
    assert mail_parameters("") == MailParameters()
    assert mail_parameters(" size=12  body=8bitmime SMTPUTF8 AUTH=<>") == MailParameters(12, "8BITMIME", True)
    assert mail_parameters(" AUTH=a+40b") == MailParameters()


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("SIZE=1", 501), (" SIZE", 501), (" SIZE=", 501), (" SIZE=x", 501), (" SIZE=-1", 501), (" SIZE=²", 501),
        (" SIZE=1 SIZE=2", 501), (" SIZE=" + "9" * 21, 501), (" BODY=BINARYMIME", 501), (" BODY", 501), (" SMTPUTF8=1", 501),
        (" AUTH", 501), (" AUTH=a+4", 501), (" =x", 501), (" -A=x", 501), (" A=b=c", 501), (" XYZ=1", 555), (" RET=FULL", 555),
    ],
)  # fmt: skip
def test_mail_parameters_refused(rest: str, code: int) -> None:
    with pytest.raises(SyntaxRefused) as refused:
        mail_parameters(rest)
    assert refused.value.reply.code == code


def test_recipient_parameters() -> None:
    recipient_parameters("")
    with pytest.raises(SyntaxRefused):
        recipient_parameters(" NOTIFY=NEVER")


def test_commands() -> None:
    assert parse_command(b"mail FROM:<a@b> ") == ("MAIL", "FROM:<a@b>")
    assert parse_command(b"NOOP") == ("NOOP", "")
    for line in (
        b"",
        b" EHLO x",
        b"EH\rLO",
        b"NOOP a\nb",
        b"NOOP \0",
        b"NOOP \xff",
        b"MA-IL x",
        b"\x16\x03\x01",
        b"NOOP\tx",
    ):
        with pytest.raises(SyntaxRefused):
            parse_command(line)
