"""Signing in to relayhosts: our own submission service, and servers that do not let us in."""

import logging
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.daemons import LOGIN, dovecot_auth
from support.daemons import PASSWORD as PENCIL
from support.far_hosts import world
from support.hubs import PASSWORD, messages, running, send
from support.postfix import postfix

from mailhub.config import schema
from mailhub.config.lookup import Lookup
from mailhub.delivery.relay.tls_policy import TlsServices
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Fate, QueuedRecipient, QueueFilter
from mailhub.tables import Tables

ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"
OPEN = schema.Smtp(check_sender_login=False)


async def relayed(folder: Path, provider: Hub, passwords: dict[str, str], **relay: Any) -> list[QueuedRecipient]:
    """One message to bob@ through the provider's submission port: what is left in the queue."""
    host = f"[127.0.0.1]:{provider.port('submission')}"
    named = Lookup((tuple((key.replace("HOST", host), value) for key, value in passwords.items()),))
    settings = schema.Relay(passwords=named, **relay)
    delivery = schema.Delivery(relayhost=host)
    async with running(
        folder, hostname="mx.here.test", domains=("here.test",), relay=settings, delivery=delivery
    ) as hub:
        await send(hub, "sender@here.test", BOB)
        await hub.queue.idle()
        return [recipient for item in await hub.store.queue.page(QueueFilter()) for recipient in item.recipients]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])
async def test_our_own_submission_lets_us_in(tmp_path: Path, mechanism: str) -> None:
    auth = schema.Auth(scheme="PLAIN", scram=())
    async with running(tmp_path / "there", ANN, BOB, smtp=OPEN, auth=auth) as provider:
        left = await relayed(tmp_path / "here", provider, {"HOST": f"{ANN}:{PASSWORD}"}, auth_mechanisms=(mechanism,))
        assert left == []
        (text,) = await messages(provider, BOB)
        assert b"ESMTPSA" in text


@pytest.mark.parametrize("key", ["sender@here.test", "@here.test", "[127.0.0.1]", "HOST"])
async def test_the_password_of_sender_host_or_nexthop(tmp_path: Path, key: str) -> None:
    async with running(tmp_path / "there", ANN, BOB, smtp=OPEN) as provider:
        assert await relayed(tmp_path / "here", provider, {key: f"{ANN}:{PASSWORD}"}) == []
        assert len(await messages(provider, BOB)) == 1


@pytest.mark.parametrize(
    ("passwords", "relay", "words"),
    [
        ({"HOST": f"{ANN}:mistyped"}, {}, "SCRAM-SHA-256: server 127.0.0.1[127.0.0.1] said: 535 5.7.8"),
        (
            {"HOST": f"{ANN}:mistyped"},
            {"auth_mechanisms": ("PLAIN",)},
            "PLAIN: server 127.0.0.1[127.0.0.1] said: 535 5.7.8",
        ),
        ({"HOST": f"{ANN}:{PASSWORD}"}, {"auth_mechanisms": ("CRAM-MD5",)}, "the host offers none of CRAM-MD5"),
        ({"HOST": f"{ANN}:{PASSWORD}"}, {"tls": "none"}, "passwords go over TLS alone"),
        ({"HOST": f"{ANN}:{PASSWORD}"}, {"tls": "none", "auth_in_clear": True}, "the host offers none of"),
    ],
)
async def test_who_is_not_let_in_waits_and_the_operator_is_told(
    tmp_path: Path, passwords: dict[str, str], relay: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path / "there", ANN, BOB, smtp=OPEN, auth=schema.Auth(failure_delay=0)) as provider:
        (left,) = await relayed(tmp_path / "here", provider, passwords, **relay)
    assert left.last is not None
    assert (left.last.code, left.last.enhanced) == (451, "4.7.8")
    assert left.last.text.startswith("SASL authentication failed at 127.0.0.1[127.0.0.1]: ")
    assert words in left.last.text
    assert any("SASL authentication failed" in r.getMessage() and r.levelno == logging.ERROR for r in caplog.records)
    assert PASSWORD not in caplog.text
    assert "mistyped" not in caplog.text


async def test_a_sender_s_password_is_for_relayhosts_not_for_whoever_gets_his_mail() -> None:
    """Any domain's mail hosts may offer AUTH, and have a certificate that is good for their name."""
    named = Lookup(((("a@here.test", f"{ANN}:{PASSWORD}"),),))
    clock = VirtualClock()
    async with world(
        passwords=named, auth_in_clear=True, keep_seconds=0, services=lambda far: TlsServices(tables=Tables(clock))
    ) as far:
        (host,) = far.hosts
        host.extensions.append("AUTH PLAIN")
        host.script["AUTH"] = "235 2.7.0 thank you"
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, host.commands("AUTH")) == (Fate.RELAYED, [])
        (result,) = await far.deliver("b@elsewhere.test", nexthop="[mx1.far.test]")
        assert (result.fate, len(host.commands("AUTH"))) == (Fate.RELAYED, 1)
        results = await far.deliver("b@far.test", "c@elsewhere.test")  # far.test is a relayhost here
        assert [result.fate for result in results] == [Fate.RELAYED] * 2
        assert len(host.commands("AUTH")) == 2


async def test_each_sender_has_a_connection_of_his_own(tmp_path: Path) -> None:
    async with running(tmp_path / "there", ANN, BOB, smtp=OPEN) as provider:
        host = f"[127.0.0.1]:{provider.port('submission')}"
        passwords = {"one@here.test": f"{ANN}:{PASSWORD}", "two@here.test": f"{BOB}:{PASSWORD}"}
        settings = schema.Relay(passwords=Lookup((tuple(passwords.items()),)))
        delivery = schema.Delivery(relayhost=host)
        logins = []
        async with running(
            tmp_path / "here", hostname="mx.here.test", domains=("here.test",), relay=settings, delivery=delivery
        ) as hub:
            for sender in ("one", "two", "one", "two"):
                await send(hub, f"{sender}@here.test", BOB)
                await hub.queue.idle()
                logins.append(sorted(session.login for session in provider.sessions if session.login))
        assert logins[0] == [ANN]
        assert logins[1] == logins[2] == logins[3] == [ANN, BOB]
        assert len(await messages(provider, BOB)) == 4


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])
async def test_a_postfix_that_asks_dovecot_lets_us_in(tmp_path: Path, mechanism: str) -> None:
    authority, files = trustme.CA().issue_cert("postfix.test"), tmp_path / "tls"
    files.mkdir()
    authority.private_key_and_cert_chain_pem.write_to_path(files / "both.pem")
    with (
        dovecot_auth() as asked,
        postfix(
            smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path=str(asked),
            smtpd_tls_security_level="may", smtpd_tls_auth_only="yes", smtpd_tls_chain_files=str(files / "both.pem"),
            smtpd_relay_restrictions="permit_sasl_authenticated,reject",
        ) as port,
    ):  # fmt: skip
        host = f"[127.0.0.1]:{port}"
        delivery = schema.Delivery(relayhost=host)
        outcomes = []
        for password in (PENCIL, "mistyped"):
            settings = schema.Relay(
                passwords=Lookup((((host, f"{LOGIN}:{password}"),),)), auth_mechanisms=(mechanism,)
            )  # fmt: skip
            folder = tmp_path / f"here{len(outcomes)}"
            async with running(folder, hostname="mx.here.test", relay=settings, delivery=delivery) as hub:
                await send(hub, "sender@far.test", "x@there.test")
                await hub.queue.idle()
                left = await hub.store.queue.page(QueueFilter())
                outcomes.append([str(recipient.last) for item in left for recipient in item.recipients])
    assert outcomes[0] == []
    assert len(outcomes[1]) == 1
    assert outcomes[1][0].startswith(
        f"451 4.7.8 SASL authentication failed at 127.0.0.1[127.0.0.1]: {mechanism}: server"
    )
