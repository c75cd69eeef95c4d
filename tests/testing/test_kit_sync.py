"""The kit as a plain test uses it: real clients against the fixture `mailhub`."""

import imaplib
import poplib
import smtplib
import socket
import threading
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from mailhub.testing import Internet, MailHub

pytest_plugins = ["mailhub.testing.plugin"]


def post(hub: MailHub, to: str, text: str, sender: str = "app@example.test") -> None:
    with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
        client.sendmail(sender, [to], text.encode())


def test_signup_sends_a_code(mailhub: MailHub) -> None:
    with smtplib.SMTP("127.0.0.1", mailhub.port("smtp")) as s:
        s.sendmail("app@example.test", ["bob@example.test"], "Subject: your code\r\n\r\n123456\r\n")
    message = mailhub.expect(to="bob@example.test", subject="your code")
    assert "123456" in message.text
    assert message.code == "123456"
    mailhub.settled()
    assert len(mailhub.inbox("eve@example.test")) == 0


def test_each_test_has_an_empty_server(mailhub: MailHub) -> None:
    mailhub.settled()
    assert mailhub.messages() == []


def test_a_message_is_handed_out_once(mailhub: MailHub) -> None:
    for n in (1, 2):
        post(mailhub, "bob@example.test", f"Subject: code\r\n\r\nnumber {n}\r\n")
    assert mailhub.expect(subject="code").text == "number 1\n"
    assert mailhub.expect(subject="code").text == "number 2\n"
    assert mailhub.inbox("bob@example.test").subjects == ("code", "code")


def test_a_missing_message_is_explained(mailhub: MailHub) -> None:
    post(mailhub, "bob@example.test", "Subject: Your code\r\n\r\n1\r\n")
    post(mailhub, "eve@example.test", "Subject: hello\r\n\r\n1\r\n")
    mailhub.settled()
    with pytest.raises(AssertionError) as caught:
        mailhub.expect(to="bob@example.test", subject="your kode", timeout=0.01)
    told = str(caught.value).splitlines()
    assert told[0] == (
        "no message to bob@example.test, with the subject 'your kode' within 0.01 s; 2 arrived, the nearest first:"
    )
    assert told[1].endswith("subject 'Your code': its subject is 'Your code'")
    assert told[2].endswith("it is to eve@example.test and its subject is 'hello'")


def test_nothing_arrived_is_said_so(mailhub: MailHub) -> None:
    with pytest.raises(AssertionError, match="no message has arrived anywhere"):
        mailhub.expect(timeout=0.01)
    with pytest.raises(AssertionError, match=r"no message 0: <the inbox of bob@example.test is empty>"):
        _ = mailhub.inbox("bob@example.test")[0]


def test_expect_waits_for_what_comes_later(mailhub: MailHub) -> None:
    late = threading.Timer(0.05, post, (mailhub, "bob@example.test", "Subject: late\r\n\r\n"))
    late.start()
    assert mailhub.expect(subject="late").mailbox == "bob@example.test"
    late.join()


def test_settled_waits_for_a_message_that_is_being_sent(mailhub: MailHub) -> None:
    """A client in another thread has said MAIL; when `settled` returns its message is there."""
    client = smtplib.SMTP(mailhub.host, mailhub.port("smtp"))
    client.ehlo("app.test")
    client.mail("app@example.test")
    rest = threading.Timer(0.05, lambda: (client.rcpt("bob@example.test"), client.data(b"Subject: x\r\n\r\n")))
    rest.start()
    mailhub.settled()
    assert len(mailhub.inbox("bob@example.test")) == 1
    rest.join()
    client.quit()


def test_what_does_not_settle_is_named(mailhub: MailHub) -> None:
    with smtplib.SMTP(mailhub.host, mailhub.port("smtp")) as client:
        client.ehlo("app.test")
        client.mail("app@example.test")
        with pytest.raises(AssertionError, match=r"not settled within 0.05 s of real time: smtp\[.*after MAIL"):
            mailhub.settled(timeout=0.05)


def test_imap_and_pop3_serve_what_came(mailhub: MailHub) -> None:
    post(mailhub, "bob@example.test", "Subject: both\r\n\r\nx\r\n")
    mailhub.settled()
    with imaplib.IMAP4(mailhub.host, mailhub.port("imap")) as imap:
        imap.login("bob@example.test", "any password")
        assert imap.select("INBOX") == ("OK", [b"1"])
        imap.store("1", "+FLAGS", "(\\Seen urgent)")
    assert set(mailhub.inbox("bob@example.test").only.flags) == {"\\Seen", "urgent"}
    pop = poplib.POP3(mailhub.host, mailhub.port("pop3"))
    pop.user("bob@example.test")
    pop.pass_("another")
    assert pop.stat()[0] == 1
    pop.quit()


@pytest.fixture
def mailhub_options() -> dict[str, Any]:
    return {"domains": ("strict.test",)}


def test_a_domain_of_ours_is_strict_and_its_senders_get_reports(mailhub: MailHub) -> None:
    mailhub.add_account("alice@strict.test", "secret")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        post(mailhub, "nobody@strict.test", "Subject: x\r\n\r\n")
    with imaplib.IMAP4(mailhub.host, mailhub.port("imap")) as imap:
        imap.login("alice@strict.test", "secret")


def test_an_alias_goes_to_all(mailhub: MailHub) -> None:
    mailhub.add_alias("team@strict.test", "a@example.test", "b@example.test")
    post(mailhub, "team@strict.test", "Subject: all\r\n\r\n")
    mailhub.settled()
    assert [len(mailhub.inbox(name)) for name in ("a@example.test", "b@example.test")] == [1, 1]
    assert any("became <a@example.test>, <b@example.test>" in step for step in mailhub.trace("team@strict.test"))


def test_the_message_as_a_person_sees_it(mailhub: MailHub) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "App <app@example.test>",
        "Bob <bob@example.test>",
        "Grüße 邮件",
    )
    message["X-Tag"] = "one"
    message.set_content("Your code is 482-113, see https://app.test/a?b=1.\n")
    message.add_alternative(
        '<html><head><title>no</title></head><body><p>Click <a href="https://app.test/go?x=1&amp;y=2">here</a>'
        "<script>var a = 'no'</script></p><p>or not</p></body></html>",
        subtype="html",
    )
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="Rechnung für Bob.pdf")
    post(mailhub, "bob@example.test", message.as_bytes(policy=message.policy.clone(linesep="\r\n")).decode("ascii"))
    got = mailhub.expect(to="bob@example.test")
    assert got.subject == "Grüße 邮件"
    assert (got.from_, got.sender, got.to) == ("app@example.test", "app@example.test", ("bob@example.test",))
    assert got.headers["x-tag"] == "one"
    assert got.text == "Your code is 482-113, see https://app.test/a?b=1.\n"
    assert got.code == "482-113"
    assert "<p>or not</p>" in got.html
    assert got.links == ("https://app.test/go?x=1&y=2", "https://app.test/a?b=1")
    (pdf,) = got.attachments
    assert (pdf.name, pdf.type, pdf.content) == ("Rechnung für Bob.pdf", "application/pdf", b"%PDF-1")


def test_html_alone_is_read_as_text(mailhub: MailHub) -> None:
    post(
        mailhub,
        "bob@example.test",
        "Subject: x\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "<style>p { }</style><h1>Gr=FC=DFe</h1><p>Hello<br>Bob &amp; Eve</p>\r\n",
    )
    assert mailhub.expect(to="bob@example.test").text == "Grüße\n\nHello\nBob & Eve"


def test_nothing_is_left_behind(mailhub: MailHub) -> None:
    before = threading.active_count()
    with MailHub() as hub:
        folder = hub._server.hub.data.parent
        assert folder.is_dir()
        post(hub, "bob@example.test", "Subject: x\r\n\r\n")
        hub.settled()
    assert threading.active_count() == before
    assert not folder.exists()


def test_an_internet_of_plain_calls() -> None:
    with Internet() as net:
        hub, away = net.hub("a.test"), net.remote("b.test", script={"MAIL": ["421 4.3.2 Later", "250 2.1.0 Ok"]})
        hub.add_account("ann@a.test")
        with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
            client.sendmail("ann@a.test", ["bob@b.test"], "Subject: x\r\n\r\n")
        hub.settled()
        assert [str(one).split(": ")[1] for one in hub.waiting()] == [
            "deferred after 1 attempt, next in 300 s; 421 4.3.2 Later"
        ]
        net.clock.advance(minutes=6)
        assert len(away.taken) == 1


def test_doors_on_unix_sockets() -> None:
    with MailHub(unix=True) as hub:
        assert all(door.port == 0 for door in hub._server.hub.listeners)
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(hub.path("smtp"))
            client = smtplib.SMTP()
            client.sock, client.file = line, None
            assert client.getreply()[0] == 220
            client.sendmail("a@example.test", ["b@example.test"], "Subject: hi\r\n\r\n")
        assert hub.expect(to="b@example.test").subject == "hi"
        with _ImapBySocket(hub.path("imap")) as mail:
            mail.login("b@example.test", "any")
            assert mail.select()[1] == [b"1"]
        path = Path(hub.path("imap"))
    assert not path.exists()


class _ImapBySocket(imaplib.IMAP4):
    def _create_socket(self, timeout: float | None) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.connect(self.host)
        return line
