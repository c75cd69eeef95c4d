"""A real client's session is saved, its secrets are not, and it can be played again."""

import imaplib
import poplib
import smtplib
from pathlib import Path

import pytest

from mailhub.testing import MailHub

pytest_plugins = ["mailhub.testing.plugin"]
BOB, PASSWORD = "bob@example.test", "a very secret word"


def submit(hub: MailHub, mechanism: str) -> None:
    with smtplib.SMTP_SSL(hub.host, hub.port("submissions"), context=hub.client_tls()) as client:
        client.ehlo("app.test")
        client.user, client.password = BOB, PASSWORD
        client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"), initial_response_ok=mechanism == "PLAIN")
        client.sendmail(BOB, ["eve@example.test"], "Subject: x\r\n\r\n.dots\r\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtp_session_is_saved_without_its_password_and_played_again(
    mailhub: MailHub, tmp_path: Path, mechanism: str
) -> None:
    with mailhub.record() as recording:
        submit(mailhub, mechanism)
    recording.save(tmp_path / "submit.txt")
    text = (tmp_path / "submit.txt").read_text()
    assert text.startswith("# submissions\nS: 220 mailhub.test ESMTP\nC: ehlo app.test\n")
    assert "S: 250 2.0.0 Ok: queued as <*>\n" in text
    assert PASSWORD not in text
    assert "YSB2ZXJ5IHNlY3JldCB3b3Jk" not in text, "nor in base64"
    assert "QGV4YW1wbGUudGVzdABhIHZlcnkgc2VjcmV0" not in text


def test_an_imap_session_plays_again_and_tells_where_it_differs(mailhub: MailHub) -> None:
    with mailhub.record() as recording:
        client = imaplib.IMAP4(mailhub.host, mailhub.port("imap"))
        client.login(BOB, PASSWORD)
        client.append("INBOX", None, None, b"Subject: x\r\n\r\nhello\r\n")
        client.select("INBOX")
        client.fetch("1", "(BODY[HEADER])")
        client.logout()
    text = recording.talks[0].text
    assert PASSWORD not in text
    with MailHub() as fresh:
        fresh.replay(text)
    with MailHub() as fresh, pytest.raises(AssertionError, match=r"line \d+: the server said .* the transcript has"):
        fresh.replay(text.replace("Subject: x", "Subject: y", 1))


def test_a_pop3_session_plays_again(mailhub: MailHub, tmp_path: Path) -> None:
    with mailhub.record() as recording:
        client = poplib.POP3(mailhub.host, mailhub.port("pop3"))
        client.user(BOB)
        client.pass_(PASSWORD)
        client.stat()
        client.quit()
    recording.save(tmp_path / "stat.txt")
    assert "C: PASS scrubbed\n" in (tmp_path / "stat.txt").read_text()
    mailhub.replay(tmp_path / "stat.txt")
