"""smtplib: plain, and with STARTTLS and a login."""

import smtplib

from mailhub.testing import MailHub

LETTER = "From: app@example.test\r\nTo: bob@example.test\r\nSubject: hello\r\n\r\nHi Bob\r\n"


def test_plain(mailhub: MailHub) -> None:
    with smtplib.SMTP(mailhub.host, mailhub.port("smtp")) as client:
        client.sendmail("app@example.test", ["bob@example.test"], LETTER)
    assert mailhub.expect(to="bob@example.test").text == "Hi Bob\n"


def test_submission(mailhub: MailHub) -> None:
    mailhub.add_account("app@example.test", "secret")
    with smtplib.SMTP(mailhub.host, mailhub.port("submission")) as client:
        client.starttls(context=mailhub.client_tls())
        client.login("app@example.test", "secret")
        client.sendmail("app@example.test", ["bob@example.test"], LETTER)
    assert mailhub.expect(to="bob@example.test").sender == "app@example.test"
