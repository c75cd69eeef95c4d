"""Each fault, met by a real client library."""

import imaplib
import poplib
import smtplib
import ssl

import pytest

from mailhub.testing import MailHub

pytest_plugins = ["mailhub.testing.plugin"]
LETTER = "Subject: x\r\n\r\nhello\r\n"
BOB = "bob@example.test"


def smtp(hub: MailHub, timeout: float = 20.0) -> smtplib.SMTP:
    return smtplib.SMTP(hub.host, hub.port("smtp"), timeout=timeout)


def imap(hub: MailHub, timeout: float = 20.0) -> imaplib.IMAP4:
    client = imaplib.IMAP4(hub.host, hub.port("imap"), timeout=timeout)
    client.login(BOB, "x")
    client.select("INBOX")
    return client


def posted(hub: MailHub, text: str = LETTER) -> MailHub:
    with smtp(hub) as client:
        client.sendmail("app@example.test", [BOB], text)
    hub.settled()
    return hub


def sends(hub: MailHub) -> int:
    """The code that a client gets for one message; 0 where the connection breaks."""
    try:
        with smtp(hub) as client:
            client.sendmail("app@example.test", [BOB], LETTER)
    except smtplib.SMTPServerDisconnected:
        return 0
    except smtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[BOB][0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    return 250


def test_twice_not_now_after_the_final_dot(mailhub: MailHub) -> None:
    mailhub.faults.smtp.after("DATA").reply(451).times(2)
    assert [sends(mailhub) for _ in range(3)] == [451, 451, 250]
    mailhub.settled()
    assert len(mailhub.inbox(BOB)) == 1


def test_the_third_recipient_is_refused(mailhub: MailHub) -> None:
    mailhub.faults.smtp.on("RCPT", nth=3).reply(550, "5.1.1", "Nobody")
    with smtp(mailhub) as client:
        refused = client.sendmail("app@example.test", [f"{n}@example.test" for n in range(4)], LETTER)
    assert refused == {"2@example.test": (550, b"5.1.1 Nobody")}


def test_421_where_the_rate_is_passed_until_time_goes_on(mailhub: MailHub) -> None:
    mailhub.faults.smtp.rate(2, seconds=60)
    assert [sends(mailhub) for _ in range(3)] == [250, 250, 421]
    mailhub.clock.advance(61)
    assert sends(mailhub) == 250


def test_a_greeting_that_never_comes(mailhub: MailHub) -> None:
    mailhub.faults.smtp.connect().stall()
    with pytest.raises(OSError, match="timed out"):
        smtp(mailhub, timeout=0.05)


def test_a_cut_in_the_middle_of_a_message(mailhub: MailHub) -> None:
    mailhub.faults.smtp.during("DATA", octets=5).cut()
    assert sends(mailhub) == 0
    mailhub.settled()
    assert mailhub.messages() == []


def test_a_stall_in_the_middle_of_a_message(mailhub: MailHub) -> None:
    mailhub.faults.smtp.during("DATA", octets=5).stall()
    with pytest.raises(OSError, match="timed out"), smtp(mailhub, timeout=0.05) as client:
        client.sendmail("app@example.test", [BOB], LETTER)


def test_a_lost_answer_to_a_message_that_was_taken(mailhub: MailHub) -> None:
    mailhub.faults.smtp.after("DATA").cut()
    assert sends(mailhub) == 0
    mailhub.settled()
    assert len(mailhub.inbox(BOB)) == 1


def test_starttls_is_stripped(mailhub: MailHub) -> None:
    mailhub.faults.submission.hide("STARTTLS")
    with smtplib.SMTP(mailhub.host, mailhub.port("submission")) as client, pytest.raises(smtplib.SMTPNotSupportedError):
        client.starttls()


def test_a_certificate_that_has_expired_and_one_that_nobody_vouches_for(mailhub: MailHub) -> None:
    def connect() -> None:
        smtplib.SMTP_SSL(mailhub.host, mailhub.port("submissions"), context=mailhub.client_tls()).quit()

    connect()
    mailhub.faults.tls.expired()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect()
    mailhub.faults.tls.untrusted()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect()
    mailhub.faults.clear()
    connect()


def test_bye_in_the_middle_of_a_fetch(mailhub: MailHub) -> None:
    posted(mailhub).faults.imap.during("FETCH", octets=20).bye("Restarting")
    client = imap(mailhub)
    with pytest.raises(imaplib.IMAP4.abort):
        client.fetch("1", "(BODY[])")


def test_a_fetch_that_is_cut(mailhub: MailHub) -> None:
    posted(mailhub).faults.imap.during("FETCH", octets=20).cut()
    client = imap(mailhub)
    with pytest.raises(imaplib.IMAP4.abort, match=r"EOF|unterminated"):
        client.fetch("1", "(BODY[])")


def test_no_to_a_command_of_imap(mailhub: MailHub) -> None:
    mailhub.faults.imap.on("NOOP").reply("NO [UNAVAILABLE] Later")
    client = imap(mailhub)
    assert client.noop() == ("NO", [b"[UNAVAILABLE] Later"])
    assert client.noop()[0] == "OK"


def test_uidvalidity_is_another(mailhub: MailHub) -> None:
    client = imap(posted(mailhub))
    before = client.response("UIDVALIDITY")[1]
    mailhub.break_mailbox(BOB).renumber()
    client.select("INBOX")
    assert client.response("UIDVALIDITY")[1] != before


def test_a_folder_is_gone(mailhub: MailHub) -> None:
    client = imap(mailhub)
    client.create("Work")
    mailhub.break_mailbox(BOB).vanish("Work")
    assert client.select("Work")[0] == "NO"


def test_a_mailbox_is_full(mailhub: MailHub) -> None:
    posted(mailhub).break_mailbox(BOB).full()
    assert sends(mailhub) == 452
    client = imap(mailhub)
    assert client.append("INBOX", None, None, LETTER.encode())[1][0].startswith(b"[OVERQUOTA]")


def test_pop3_finds_the_mailbox_locked(mailhub: MailHub) -> None:
    mailhub.faults.pop3.on("PASS").reply("-ERR [IN-USE] Another session has it")
    client = poplib.POP3(mailhub.host, mailhub.port("pop3"))
    client.user(BOB)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        client.pass_("x")


def test_a_full_disk_refuses_mail_and_goes_on_reading(mailhub: MailHub) -> None:
    posted(mailhub).faults.disk.full()
    assert sends(mailhub) == 452
    assert imap(mailhub).fetch("1", "(BODY[])")[0] == "OK"
    mailhub.faults.clear()
    assert sends(mailhub) == 250


def test_a_slow_disk_delays_the_answer(mailhub: MailHub) -> None:
    posted(mailhub).faults.disk.slow(0.1)
    with pytest.raises(OSError, match="timed out"), smtp(mailhub, timeout=0.03) as client:
        client.sendmail("app@example.test", [BOB], LETTER)
    mailhub.settled()
    assert len(mailhub.inbox(BOB)) == 2


def test_the_database_is_gone(mailhub: MailHub) -> None:
    posted(mailhub).faults.database.gone()
    assert sends(mailhub) == 250, "who is known is known"
    with smtp(mailhub) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail("app@example.test", ["new@example.test"], LETTER)
    assert refused.value.recipients["new@example.test"][0] == 451


def test_a_delay_is_no_fault(mailhub: MailHub) -> None:
    mailhub.faults.smtp.on("MAIL").delay(0.01)
    assert sends(mailhub) == 250
