from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.model.envelope import DeliverBy, MailParameters, Notify
from mailhub.wire.smtp import (
    Path,
    SyntaxRefused,
    mail_parameters,
    parse_command,
    parse_path,
    recipient_parameters,
    xtext,
)
from mailhub.wire.smtp.parameters import MAIL, RECIPIENT


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


NOW = 1_800_000_000.0
ALL = frozenset(row.extension for row in (*MAIL.values(), *RECIPIENT.values())) | {"BINARYMIME"}


def mail(rest: str, offered: Collection[str] = ALL) -> MailParameters:
    return mail_parameters(rest, NOW, offered)


def test_mail_parameters() -> None:
    assert mail("") == MailParameters()
    assert mail(" size=12  body=8bitmime SMTPUTF8 AUTH=<>") == MailParameters(12, "8BITMIME", True)
    assert mail(" AUTH=a+40b") == MailParameters()
    assert mail(" RET=hdrs ENVID=QQ+2B314+3D") == MailParameters(ret="HDRS", envid="QQ+314=")
    assert mail(" BODY=BINARYMIME REQUIRETLS MT-PRIORITY=-9") == MailParameters(
        body="BINARYMIME", requiretls=True, priority=-9
    )
    assert mail(" BY=120;r") == MailParameters(deliver_by=DeliverBy(NOW + 120, "R"))
    assert mail(" BY=-20;NT") == MailParameters(deliver_by=DeliverBy(NOW - 20, "N", True))
    assert mail(" HOLDFOR=60") == MailParameters(release=NOW + 60)
    assert mail(" HOLDUNTIL=2027-01-15T08:00:01Z") == MailParameters(release=NOW + 1)
    assert mail(" HOLDUNTIL=2027-01-15T09:00:01+01:00") == MailParameters(release=NOW + 1)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("SIZE=1", 501), (" SIZE", 501), (" SIZE=", 501), (" SIZE=x", 501), (" SIZE=-1", 501), (" SIZE=²", 501),
        (" SIZE=1 SIZE=2", 501), (" SIZE=" + "9" * 21, 501), (" BODY=9BIT", 501), (" BODY", 501), (" SMTPUTF8=1", 501),
        (" AUTH", 501), (" AUTH=a+4", 501), (" =x", 501), (" -A=x", 501), (" A=b=c", 501), (" XYZ=1", 555),
        (" RET", 501), (" RET=SOME", 501), (" ENVID", 501), (" ENVID=a+0Ab", 501), (" ENVID=" + "a" * 101, 501),
        (" BY=1", 501), (" BY=0;R", 501), (" BY=-1;R", 501), (" BY=1;X", 501), (" BY=" + "1" * 10 + ";N", 501),
        (" MT-PRIORITY=10", 501), (" MT-PRIORITY=-0", 501), (" MT-PRIORITY", 501), (" REQUIRETLS=1", 501),
        (" HOLDFOR=-1", 501), (" HOLDFOR=" + "1" * 10, 501), (" HOLDUNTIL=soon", 501), (" HOLDUNTIL=2027-01-15", 501), (" HOLDUNTIL=2027-01-15T08:00:01", 501),
        (" HOLDUNTIL=20270115T080001Z", 501), (" HOLDUNTIL=2027-W03-5", 501), (" HOLDUNTIL=2027-13-15T08:00:01Z", 501), (" HOLDUNTIL", 501),
        (" HOLDFOR=1 HOLDUNTIL=2027-01-15T08:00:01Z", 501),
    ],
)  # fmt: skip
def test_mail_parameters_refused(rest: str, code: int) -> None:
    with pytest.raises(SyntaxRefused) as refused:
        mail(rest)
    assert refused.value.reply.code == code


@pytest.mark.parametrize(
    "rest",
    [
        " RET=FULL",
        " ENVID=x",
        " BY=1;N",
        " MT-PRIORITY=1",
        " REQUIRETLS",
        " HOLDFOR=1",
        " SIZE=1",
        " SMTPUTF8",
        " AUTH=<>",
    ],
)
def test_a_parameter_of_an_extension_that_is_not_offered_is_not_known(rest: str) -> None:
    with pytest.raises(SyntaxRefused) as refused:
        mail(rest, ())
    assert refused.value.reply.code == 555


def test_binarymime_needs_its_own_offer() -> None:
    assert mail(" BODY=8BITMIME", {"8BITMIME"}).body == "8BITMIME"
    with pytest.raises(SyntaxRefused):
        mail(" BODY=BINARYMIME", {"8BITMIME"})


def test_recipient_parameters() -> None:
    def read(rest: str) -> tuple[Notify, str | None]:
        found = recipient_parameters(rest, {"DSN"})
        return found.notify, found.orcpt

    assert read("") == (Notify.DEFAULT, None)
    assert read(" NOTIFY=never") == (Notify.NEVER, None)
    assert read(" NOTIFY=success,DELAY ORCPT=rfc822;bob+2Bx@a.test") == (
        Notify.SUCCESS | Notify.DELAY,
        "rfc822;bob+x@a.test",
    )
    assert read(r" ORCPT=utf-8;z\x{EB}@a.test") == (Notify.DEFAULT, "utf-8;zë@a.test")
    assert read(" ORCPT=UTF-8;zoë@a.test") == (Notify.DEFAULT, "UTF-8;zoë@a.test")


@pytest.mark.parametrize(
    "rest",
    [" NOTIFY", " NOTIFY=", " NOTIFY=NEVER,DELAY", " NOTIFY=DELAY,DELAY", " NOTIFY=ALWAYS", " NOTIFY=DELAY,", " ORCPT=x",
     " ORCPT=rfc822;", " ORCPT=;x", " ORCPT=rfc822;a+b", " ORCPT=rfc822;a+0D+0Ab", " ORCPT=rfc822;" + "a" * 500,
     r" ORCPT=utf-8;z\x{0A}@a", r" ORCPT=utf-8;z\x{D800}", " ORCPT=rfc822;zoë"],
)  # fmt: skip
def test_recipient_parameters_refused(rest: str) -> None:
    with pytest.raises(SyntaxRefused) as refused:
        recipient_parameters(rest, {"DSN"})
    assert refused.value.reply.code == 501
    with pytest.raises(SyntaxRefused) as refused:
        recipient_parameters(" NOTIFY=NEVER", ())
    assert refused.value.reply.code == 555


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50))
def test_xtext_there_and_back(text: str) -> None:
    assert xtext.decode(xtext.encode(text)) == text


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=50))
def test_addresses_of_other_scripts_there_and_back(text: str) -> None:
    written = xtext.encode_address(text)
    assert written.isascii()
    assert xtext.decode_address(written) == text


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
