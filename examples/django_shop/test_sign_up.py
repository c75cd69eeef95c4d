"""The shop's own tests."""

import smtplib

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailhub.testing import MailHub


def test_a_link_comes_and_opens_the_account(mailhub: MailHub) -> None:
    Client().post("/sign-up/", {"email": "bob@example.org"})
    message = mailhub.expect(to="bob@example.org", subject="welcome")
    assert message.from_ == "shop@shop.example"
    (link,) = message.links
    assert link in message.text
    assert Client().get(link).content == b"Your address is confirmed."
    assert User.objects.filter(username="bob@example.org").exists()


def test_who_is_known_gets_no_second_mail(mailhub: MailHub) -> None:
    User.objects.get_or_create(username="eve@example.org")
    Client().post("/sign-up/", {"email": "eve@example.org"})
    mailhub.settled()
    assert len(mailhub.inbox("eve@example.org")) == 0


def test_a_mail_server_that_is_busy_is_no_success(mailhub: MailHub) -> None:
    mailhub.faults.smtp.after("DATA").reply(451)
    with pytest.raises(smtplib.SMTPDataError):
        Client().post("/sign-up/", {"email": "joe@example.org"})
    assert mailhub.messages() == []
