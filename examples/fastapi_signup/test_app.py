"""The service's own tests."""

import pytest
from app import app
from fastapi.testclient import TestClient

from mailhub.testing import MailHub


@pytest.fixture
def client(mailhub: MailHub, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("SMTP_HOST", mailhub.host)
    monkeypatch.setenv("SMTP_PORT", str(mailhub.port("smtp")))
    return TestClient(app)


def test_the_code_lets_you_in(client: TestClient, mailhub: MailHub) -> None:
    client.post("/sign-up", params={"address": "bob@example.org"})
    code = mailhub.expect(to="bob@example.org", subject="your code").code
    assert client.post("/confirm", params={"address": "bob@example.org", "code": code}).json() == "Welcome."


def test_another_code_does_not(client: TestClient, mailhub: MailHub) -> None:
    client.post("/sign-up", params={"address": "bob@example.org"})
    assert client.post("/confirm", params={"address": "bob@example.org", "code": "no"}).status_code == 403


def test_it_tries_again(client: TestClient, mailhub: MailHub) -> None:
    mailhub.faults.smtp.after("DATA").reply(451).times(2)
    client.post("/sign-up", params={"address": "bob@example.org"})
    mailhub.settled()
    assert len(mailhub.inbox("bob@example.org")) == 1
