"""Sieve scripts run over messages: what they decide, and that whatever they do they end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.delivery.sieve import Environment, Limits, Mail, Verdict, run
from mailhub.delivery.sieve.actions import Discard, FileInto, Mark, Notify, Redirect, Reject, Vacation, remembered
from mailhub.delivery.sieve.letters import Letter, Stamp, answer, notice
from mailhub.delivery.sieve.mail import untagged
from mailhub.delivery.sieve.variables import shortened
from mailhub.wire.sieve import ScriptError, check, parse
from mailhub.wire.sieve.regex import Regex, RegexError
from mailhub.wire.sieve.signatures import EXTENSIONS

MESSAGE = b"""Received: from a (b [192.0.2.1]) by c; Mon, 20 Jul 2009 21:44:43 +0300\r
From: Alice =?utf-8?q?M=C3=BCller?= <alice+news@example.org>\r
To: bob@mailhub.test, "C. Carol" <carol@example.net>\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Ulm\r
Date: Mon, 20 Jul 2009 21:44:43 +0300\r
Message-ID: <1@example.org>\r
X-Score: 7\r
X-Score: 12\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
Sch=C3=B6ne Gr=C3=BC=C3=9Fe\r
--b\r
Content-Type: application/pdf; name=invoice.pdf\r
Content-Disposition: attachment; filename=invoice.pdf\r
\r
%PDF\r
--b\r
Content-Type: text/html\r
\r
<p>Hello <b>world</b></p>\r
--b--\r
"""
ENVIRONMENT = Environment(
    sender="alice@example.org",
    recipient="bob+lists@mailhub.test",
    original="info@mailhub.test",
    now=1_248_115_483.0,
    folders={"INBOX": "", "Junk": "\\Junk", "lists.dev": ""},
    metadata={("INBOX", "/private/color"): "blue", ("", "/shared/motd"): "hello"},
    seen=frozenset({remembered("duplicate", "", "<1@example.org>")}),
    items={"domain": "mailhub.test", "name": "mailhub"},
)
ALL = ", ".join(f'"{name}"' for name in EXTENSIONS)


def ran(text: str, environment: Environment = ENVIRONMENT, message: bytes = MESSAGE) -> Verdict:
    return run([check(parse(f"require [{ALL}];\n{text}".encode()))], Mail(message), environment)


def actions(text: str, environment: Environment = ENVIRONMENT) -> tuple[object, ...]:
    verdict = ran(text, environment)
    assert verdict.error is None, verdict.error
    return verdict.actions


KEEP, IMPLICIT = FileInto(), FileInto(implicit=True)


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("", (IMPLICIT,)),
        ("stop; discard;", (IMPLICIT,)),
        ("discard;", (Discard(),)),
        ("keep; discard;", (KEEP, Discard())),
        ('fileinto "Junk"; fileinto "Junk";', (FileInto("Junk"),)),
        ('fileinto :copy "Junk";', (FileInto("Junk"), IMPLICIT)),
        ('fileinto :create "new";', (FileInto("new", create=True),)),
        ('fileinto :specialuse "\\\\Junk" "Spam";', (FileInto("Spam", special_use="\\Junk"),)),
        ('fileinto "inbox";', (KEEP,)),
        ('redirect "c@example.net";', (Redirect("c@example.net"),)),
        ('redirect :copy "C <c@example.net>";', (Redirect("c@example.net"), IMPLICIT)),
        ('reject "no";', (Reject("no"),)),
        ('ereject "no";', (Reject("no", "ereject"),)),
        ('setflag ["\\\\seen a", "b"]; removeflag "A"; keep;', (FileInto("INBOX", ("\\Seen", "b")),)),
        ('addflag "\\\\Flagged"; fileinto :flags "x" "Junk"; ', (FileInto("Junk", ("x",)),)),
        ('if true { keep; } elsif true { discard; } else { discard; }', (KEEP,)),
        ('if false { discard; } elsif false { discard; } else { redirect "a@b.c"; }', (Redirect("a@b.c"),)),
    ],
)  # fmt: skip
def test_actions(script: str, wanted: tuple[object, ...]) -> None:
    assert actions(script) == wanted


@pytest.mark.parametrize(
    "test",
    [
        'header :is "subject" "Grüße aus Ulm"',
        'header :contains "subject" "AUS"',
        'not header :comparator "i;octet" :contains "subject" "AUS"',
        'header :comparator "i;unicode-casemap" :contains "subject" "GRÜ"',
        'header :matches "subject" "*ü?e *"',
        'header :regex "subject" "^gr.{2}e (aus|in) [[:alpha:]]+$"',
        'header :value "gt" :comparator "i;ascii-numeric" "x-score" "10"',
        'not header :value "gt" :comparator "i;ascii-numeric" "x-score" "12"',
        'header :count "eq" :comparator "i;ascii-numeric" "x-score" "2"',
        'header :index 1 "x-score" "7"',
        'header :index 1 :last "x-score" "12"',
        'not header "x-none" ""',
        'address :domain "from" "example.org"',
        'address :localpart "to" "carol"',
        'address :user "from" "alice"',
        'address :detail "from" "news"',
        'address :all "to" "bob@mailhub.test"',
        'envelope "from" "alice@example.org"',
        'envelope :detail "to" "lists"',
        'envelope "orig_to" "info@mailhub.test"',
        'exists ["from", "subject"]',
        'not exists ["from", "x-none"]',
        "size :over 100",
        "size :under 1M",
        'allof (true, not false, anyof (false, true))',
        'body :contains "Schöne Grüße"',
        'body :text :contains "Hello world"',
        'body :raw :contains "=C3=B6"',
        'body :content "application" :contains "%PDF"',
        'not body :contains "%PDF"',
        'environment "domain" "mailhub.test"',
        'not environment "frop" ""',
        'date :originalzone "date" "hour" "21"',
        'date :zone "+0000" "date" "iso8601" "2009-07-20T18:44:43+00:00"',
        'date :zone "+0000" "received" "weekday" "1"',
        'currentdate :value "ge" "date" "2009-07-20"',
        'currentdate "julian" "55032"',
        'ihave ["fileinto", "regex"]',
        'not ihave "frop"',
        'mailboxexists ["INBOX", "Junk"]',
        'not mailboxexists "none"',
        'specialuse_exists "\\\\Junk"',
        'specialuse_exists "Junk" "\\\\Junk"',
        'not specialuse_exists "INBOX" "\\\\Junk"',
        'metadata "INBOX" "/private/color" "blue"',
        'not metadataexists "Junk" "/private/color"',
        'servermetadata :contains "/shared/motd" "hell"',
        'servermetadataexists "/shared/motd"',
        'valid_notify_method "mailto:a@b.c"',
        'not valid_notify_method ["mailto:a@b.c", "tel:1"]',
        'notify_method_capability "mailto:a@b.c" "online" "maybe"',
        "duplicate",
        'not duplicate :handle "x"',
        'header :mime :anychild :param "filename" "content-disposition" "invoice.pdf"',
        'header :mime :subtype "content-type" "mixed"',
        'header :mime :anychild :contenttype "content-type" "text/html"',
        'exists :mime :anychild "content-type"',
    ],
)  # fmt: skip
def test_tests(test: str) -> None:
    assert actions(f"if {test} {{ discard; }}") == (Discard(),)


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ('set "a" "x${b}y"; fileinto "${a}";', "xy"),
        ('set :upper :length "a" "abc"; fileinto "${A}";', "3"),
        ('set :quotewildcard "a" "*"; fileinto "${a}";', "\\*"),
        ('set :encodeurl "a" "ä/b"; fileinto "${a}";', "%C3%A4%2Fb"),
        ('if header :matches "subject" "* aus *" { fileinto "${2}.${1}"; }', "Ulm.Grüße"),
        ('if header :regex "subject" "(u)(l)(.)$" { fileinto "${0}-${3}"; }', "Ulm-m"),
        ('if header :matches "x-score" "?*" { fileinto "s${1}"; }', "s7"),
        ('fileinto "a${nothing here}${1}";', "a${nothing here}"),
        ('foreverypart { if header :mime :type "content-type" "application" { fileinto "app"; break; } }', "app"),
        ('foreverypart :name "x" { foreverypart { break :name "x"; } } fileinto "after";', "after"),
        ('foreverypart { if header :mime :subtype "content-type" "html" { extracttext :first 5 "t"; } } fileinto "${t}";', "Hello"),
        ('set "f" ""; addflag "f" ["a", "b"]; if hasflag "f" "b" { fileinto "${f}"; }', "a b"),
    ],
)  # fmt: skip
def test_strings(script: str, folder: str) -> None:
    assert actions(script) == (FileInto(folder),)


def test_the_header_is_changed_for_what_follows() -> None:
    first, second = ran(
        'addheader "X-New" "ä b"; fileinto "Junk"; deleteheader :index 2 "x-score"; deleteheader "received"; keep;'
    ).actions
    assert isinstance(first, FileInto)
    assert isinstance(second, FileInto)
    assert first.header is not None
    assert first.header.startswith("X-New: ä b\r\nReceived: ".encode())
    assert second.header is not None
    assert b"X-Score: 7\r\n" in second.header
    assert b"X-Score: 12" not in second.header
    assert b"Received" in second.header  # protected


def test_a_header_can_not_be_broken_out_of() -> None:
    (kept,) = ran('addheader "X-New" "a\r\n\r\nBcc: b@example.net";').actions
    assert isinstance(kept, FileInto)
    assert (kept.header or b"").startswith(b"X-New: a Bcc: b@example.net\r\n")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ('redirect "a${x}@"; ', "is no mail address"),
        ('keep; reject "no";', "can not go together"),
        ('vacation "a"; vacation "b";', "can not go together"),
        ('redirect "a@b.c"; redirect "b@b.c"; redirect "c@b.c"; redirect "d@b.c"; redirect "e@b.c";', "sieve.redirect_limit"),
        ("".join(f'fileinto "{n}";' for n in range(33)), "sieve.action_limit"),
        ('error "enough";', "line 2: enough"),
        ('include "none";', "there is no personal script 'none'"),
        ('include "loop";', "includes itself"),
        ('set "a" "("; if header :regex "subject" "${a}" { }', "regular expression"),
        ('notify "tel:1";', "is no way to notify"),
        ('if header :regex "x-long" "((a*)*)*b" { }', "sieve.step_limit"),
        ('extracttext "x";', "outside of 'foreverypart'"),
    ],
)  # fmt: skip
def test_a_script_that_breaks_keeps_the_mail(script: str, error: str) -> None:
    loop = check(parse(b'require "include"; include "loop";'))
    environment = Environment(scripts={("personal", "loop"): loop}, limits=Limits(steps=20_000))
    message = b"X-Long: " + b"a" * 60_000 + b"\r\n" + MESSAGE
    verdict = ran(f'fileinto "before" {";"} {script}' if "reject" not in script else script, environment, message)
    assert verdict.actions == (KEEP,)
    assert verdict.error is not None
    assert error in verdict.error


def test_scripts_in_a_row() -> None:
    first = check(parse(b'require ["fileinto", "copy"]; fileinto :copy "all";'))
    second = check(parse(b'require "fileinto"; fileinto "mine";'))
    third = check(parse(b'require "fileinto"; fileinto "after";'))
    verdict = run([first, second, third], Mail(MESSAGE), ENVIRONMENT)
    assert verdict.actions == (FileInto("all"), FileInto("mine"))


def test_included_scripts_share_what_is_global() -> None:
    part = check(
        parse(b'require ["include", "variables"]; global "g"; set "g" "shared"; set "l" "own"; return; discard;')
    )
    environment = Environment(scripts={("global", "part"): part})
    text = 'global "g"; include :global "part"; include :once :global "part"; include :optional "no"; fileinto "${g}${l}${global.g}";'
    assert actions(text, environment) == (FileInto("sharedshared"),)


def test_what_duplicate_remembers() -> None:
    verdict = ran('if duplicate :handle "h" :seconds 60 { discard; }')
    assert verdict.marks == (Mark(remembered("duplicate", "h", "<1@example.org>"), 60),)


STAMP = Stamp("<q@mailhub.test>", 1_248_115_483.0)


def answered(script: str, message: bytes = MESSAGE, environment: Environment = ENVIRONMENT) -> Letter | str:
    (vacation, _) = ran(script, environment, message).actions
    assert isinstance(vacation, Vacation)
    return answer(Mail(message), environment, vacation, STAMP)


def test_an_answer() -> None:
    letter = answered('vacation :days 3 :addresses "bob@mailhub.test" "Grüße,\r\nBob";')
    assert isinstance(letter, Letter)
    assert (letter.sender, letter.recipients) == ("", ("alice@example.org",))
    mail = Mail(letter.data)
    assert [field.text for field in mail.header("subject")] == ["Auto: Grüße aus Ulm"]
    assert [field.text for field in mail.header("in-reply-to")] == ["<1@example.org>"]
    assert [field.text for field in mail.header("auto-submitted")] == ["auto-replied (vacation)"]
    assert [field.text for field in mail.header("from")] == ["bob@mailhub.test"]
    assert mail.text(mail.root) == "Grüße,\r\nBob\r\n"


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"List-Id: x", "mailing list"),
        (b"Precedence: bulk", "sent to many"),
        (b"Auto-Submitted: auto-replied", "by a machine"),
        (b"X-Auto-Response-Suppress: OOF, DR", "asks for no answer"),
    ],
)
def test_machines_and_lists_are_not_answered(field: bytes, reason: str) -> None:
    assert reason in str(answered('vacation :addresses "bob@mailhub.test" "x";', field + b"\r\n" + MESSAGE))


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("", "no sender"),
        ("bob@mailhub.test", "itself"),
        ("owner-x@example.org", "machine"),
        ("MAILER-DAEMON@x", "machine"),
    ],
)
def test_some_senders_are_not_answered(sender: str, reason: str) -> None:
    environment = Environment(sender=sender, recipient="bob@mailhub.test")
    assert reason in str(answered('vacation "x";', MESSAGE, environment))


def test_who_is_not_named_does_not_answer() -> None:
    assert "among its recipients" in str(answered('vacation "x";'))


def test_a_notice() -> None:
    (asked, _) = ran(
        'notify :message "New\r\nBcc: x@y" :importance "1" "mailto:c@example.net?bcc=d@example.net";'
    ).actions
    assert isinstance(asked, Notify)
    letter = notice(Mail(MESSAGE), ENVIRONMENT, asked, STAMP, "bob@mailhub.test")
    assert isinstance(letter, Letter)
    assert letter.recipients == ("c@example.net",)
    mail = Mail(letter.data)
    assert not mail.header("bcc")
    assert [field.text for field in mail.header("importance")] == ["High"]
    assert "machine" in str(notice(Mail(letter.data), ENVIRONMENT, asked, STAMP, "bob@mailhub.test"))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a|b*", "bbb", (0, 3)), ("(a)(b)?", "ac", (0, 1)), ("x{2,3}", "xxxx", (0, 3)), ("[]a]+", "]a", (0, 2)),
        ("[^[:digit:]]", "1a", (1, 2)), ("^$", "", (0, 0)), ("a.c", "xabc", (1, 4)), (r"\w+\.\d", "x.1", (0, 3)),
        ("(a*)*b", "aaab", (0, 4)), ("a{0}b", "ab", (1, 2)), ("(a|ab)(c|bcd)", "abcd", (0, 4)),
    ],
)  # fmt: skip
def test_expressions(pattern: str, text: str, found: tuple[int, int]) -> None:
    spans = Regex(pattern).search(text, lambda steps: None)
    assert spans is not None
    assert spans[0] == found


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "*a", "a{2", "a{3,2}", "[a", "[[:frop:]]", "[b-a]", "\\", "(+a)", "a{256}", "((a{200}){200}){200}"],
)
def test_what_is_no_expression(pattern: str) -> None:
    with pytest.raises(RegexError):
        Regex(pattern)


WORDS = ["if", "header", ":matches", ":regex", '"subject"', '"*"', "{", "}", "keep", ";", "fileinto", "set", '"a"', '"${a}"',
         "foreverypart", "not", "body", "true", "addheader", "vacation", "notify", '"mailto:a@b.c"', "duplicate", "stop"]  # fmt: skip


@fuzz(100)
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.binary(max_size=200))
def test_any_script_ends_over_any_message(words: list[str], message: bytes) -> None:
    try:
        script = check(parse(f"require [{ALL}];\n{' '.join(words)};".encode()))
    except ScriptError:
        return
    assert run([script], Mail(message), ENVIRONMENT).actions


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<p>a<b>b</b></p>", "ab"), ("a<!-- <b> -->b", "ab"), ("<SCRIPT x>no</script >yes", "yes"), ("<style>no", ""),
        ("1 < 2", "1 "), ("<script>" * 100_000, ""), ("<!--" * 100_000, ""), ("<" * 100_000, ""),
    ],
)  # fmt: skip
def test_tags_are_taken_off_in_linear_time(text: str, left: str) -> None:
    assert untagged(text) == left


@pytest.mark.parametrize(
    ("message", "found"), [(b"Subject: x\r\n", False), (b"Subject: x\r\n\r\n", True), (b"\r\n", True), (b"", False)]
)
def test_a_header_without_its_blank_line_has_no_body(message: bytes, found: bool) -> None:
    """RFC 5173 section 4."""
    (action,) = ran('if body :raw :contains "" { discard; } else { redirect "a@b.c"; }', ENVIRONMENT, message).actions
    assert isinstance(action, Discard) is found


def test_what_is_text_of_a_part() -> None:
    """RFC 5173 section 5.2, RFC 2045 section 6.4."""
    parts = (
        b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: multipart/odd\r\n\r\n<p>hidden</p>\r\n"
        b"--b\r\nContent-Type: application/xhtml+xml\r\n\r\n<p>shown</p>\r\n"
    )
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\nbefore\r\n" + parts + b"--b--\r\nbehind\r\n"

    def has(test: str) -> bool:
        return any(
            isinstance(one, Discard) for one in ran(f"if body {test} {{ discard; }}", ENVIRONMENT, message).actions
        )

    assert has(':text :matches "shown*"')
    assert not has(':text :contains "hidden"')
    assert not has(':text :contains "<p>"')
    assert has(':content "multipart" :contains "before"')
    assert has(':content "multipart" :contains "behind"')
    assert not has(':content "multipart" :contains "--b"')


def test_a_notice_with_copies() -> None:
    (asked, _) = ran('notify "mailto:c@example.net?cc=d@example.net,c@example.net&subject=New";').actions
    assert isinstance(asked, Notify)
    letter = notice(Mail(MESSAGE), ENVIRONMENT, asked, STAMP, "bob@mailhub.test")
    assert isinstance(letter, Letter)
    assert letter.recipients == ("c@example.net", "d@example.net")
    assert [[field.text for field in Mail(letter.data).header(name)] for name in ("to", "cc")] == [
        ["c@example.net"],
        ["d@example.net"],
    ]
    assert ran('notify "mailto:c@example.net?x%20y=z";').error is not None


@pytest.mark.parametrize(
    ("modifier", "text", "limit", "kept"),
    [
        ("encodeurl", "aä", 6, "a"), ("encodeurl", "a/ä", 6, "a%2F"), ("encodeurl", "äää", 7, "%C3%A4"), ("encodeurl", "a/", 3, "a"),
        ("quotewildcard", "aaaaaa?", 7, "aaaaaa"), ("quotewildcard", "aaaaa?", 7, "aaaaa\\?"), ("upper", "äääääää", 7, "ÄÄÄ"),
    ],
)  # fmt: skip
def test_what_is_too_long_is_cut_between_characters(modifier: str, text: str, limit: int, kept: str) -> None:
    assert shortened(text, {modifier}, limit) == kept
