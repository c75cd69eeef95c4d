"""IMAPClient reads what arrived, and is told at once of what comes."""

import smtplib

from imapclient import IMAPClient

from mailhub.testing import MailHub


def send(hub: MailHub, subject: str) -> None:
    with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
        client.sendmail("app@example.test", ["bob@example.test"], f"Subject: {subject}\r\n\r\n")
    hub.settled()


def test_fetch_and_idle(mailhub: MailHub) -> None:
    send(mailhub, "first")
    with IMAPClient(mailhub.host, mailhub.port("imap"), ssl=False) as imap:
        imap.login("bob@example.test", "any password")
        imap.select_folder("INBOX")
        (uid,) = imap.search("UNSEEN")
        assert imap.fetch([uid], ["ENVELOPE"])[uid][b"ENVELOPE"].subject == b"first"
        imap.idle()
        send(mailhub, "second")
        assert (2, b"EXISTS") in imap.idle_check(timeout=10)
        imap.idle_done()
