"""Days in milliseconds, and a world of one's own."""

import smtplib

from mailhub.testing import Internet, MailHub


def send(hub: MailHub, sender: str, to: str) -> None:
    with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
        client.sendmail(sender, [to], "Subject: hello\r\n\r\n")
    hub.settled()


def test_five_days_of_retries_then_a_bounce() -> None:
    with Internet() as net:
        hub, away = net.hub("a.test"), net.remote("b.test", script={"RCPT": ["451 4.7.1 Come back later"]})
        hub.add_account("ann@a.test")
        send(hub, "ann@a.test", "bob@b.test")
        net.clock.advance(days=6)
        assert hub.expect(to="ann@a.test", text="Come back later").sender == ""
        assert (hub.waiting(), away.taken) == ([], [])


def test_greylisting() -> None:
    with Internet() as net:
        hub, grey = net.hub("a.test"), net.remote("b.test", script={"RCPT": ["450 4.7.1 Greylisted", "250 2.1.5 Ok"]})
        send(hub, "ann@a.test", "bob@b.test")
        assert (len(grey.taken), "Greylisted" in hub.waiting()[0].reason) == (0, True)
        net.clock.advance(minutes=6)
        assert len(grey.taken) == 1


def test_the_second_mx() -> None:
    with Internet() as net:
        hub, first, second = net.hub("a.test"), net.remote("b.test"), net.remote("b.test", name="mx2.b.test")
        first.script("CONNECT", "421 4.3.2 Down for today")
        send(hub, "ann@a.test", "bob@b.test")
        assert (len(first.taken), len(second.taken)) == (0, 1)


def test_a_policy_of_tls_expires() -> None:
    with Internet() as net:
        hub, away = net.hub("a.test"), net.remote("b.test")
        net.publish_mta_sts("b.test", max_age=86_400)
        send(hub, "ann@a.test", "bob@b.test")
        assert "TLS is required" in hub.waiting()[0].reason
        net.withdraw_mta_sts("b.test")
        net.clock.advance(hours=20)
        assert away.taken == []
        net.clock.advance(hours=8)
        assert len(away.taken) == 1
