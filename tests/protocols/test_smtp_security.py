"""STARTTLS and AUTH: what is offered when, who gets in, and nothing from before a handshake that counts after it."""

import asyncio
import base64
import smtplib
import ssl

import aiosmtplib
import pytest
from support.smtp_peer import Server, until

from mailhub.config import schema
from mailhub.model.clock import VirtualClock

PLAIN = base64.b64encode(b"\0alice@mailhub.test\0secret").decode()
CLEAR = schema.Auth(allow_plaintext=True)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("service", ["smtp", "submission"])
async def test_auth_is_offered_under_tls_only(service: str) -> None:
    async with Server(service=service, tls="starttls") as server:
        talk = await server.connect()
        clear = await talk.ask("EHLO c")
        assert "STARTTLS" in clear
        assert "AUTH" not in clear
        assert (await talk.ask("AUTH PLAIN " + PLAIN)).startswith("538 5.7.11 ")
        if service == "submission":
            assert await talk.ask("MAIL FROM:<alice@mailhub.test>") == "530 5.7.0 Send STARTTLS first"
        await talk.start_tls(server.client_context())
        assert (await talk.ask("MAIL FROM:<a@b.c>")).startswith("503 5.5.1 ")  # the greeting is forgotten
        secret = await talk.ask("EHLO c")
        assert "STARTTLS" not in secret
        assert "250-AUTH SCRAM-SHA-256 PLAIN LOGIN" in secret or "tls-exporter" in ssl.CHANNEL_BINDING_TYPES
        assert (await talk.ask("STARTTLS")).startswith("502 ")
        assert (await talk.ask("AUTH PLAIN " + PLAIN)).startswith("235 2.7.0 ")
        assert "AUTH" not in await talk.ask("EHLO c")
        await talk.asks("MAIL FROM:<alice@mailhub.test>", "RCPT TO:<bob@mailhub.test>", "DATA", ".")
        (put,) = server.spool.messages
        assert put.origin.protocol == "ESMTPSA"
        assert put.origin.login == "alice@mailhub.test"
        assert put.origin.tls.startswith("TLSv1.3 with ")
        assert b"TLSv1.3" in put.prefix
        talk.close()


async def test_implicit_tls() -> None:
    async with Server(service="submission", tls="implicit") as server:
        talk = await server.hello()
        assert (await talk.ask("STARTTLS")).startswith("502 ")
        assert (await talk.ask("AUTH PLAIN " + PLAIN)).startswith("235 2.7.0 ")
        await talk.asks("MAIL FROM:<alice@mailhub.test>", "RCPT TO:<u@other.example>", "DATA", ".")
        assert server.spool.messages[0].origin.protocol == "ESMTPSA"
        talk.close()


async def test_what_came_with_starttls_is_not_a_command_later() -> None:
    """CVE-2011-0411."""
    async with Server(tls="starttls") as server:
        talk = await server.hello()
        talk.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@y.example>\r\n")
        assert (await talk.end()).startswith(b"501 5.5.1 ")
        talk.close()
        await server.sessions.empty()


async def test_a_transaction_does_not_survive_starttls() -> None:
    async with Server(tls="starttls") as server:
        talk = await server.hello()
        await talk.asks("MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>")
        await talk.start_tls(server.client_context())
        await talk.ask("EHLO c")
        assert (await talk.ask("DATA")).startswith("503 5.5.1 ")
        talk.close()


async def test_a_handshake_that_fails_or_stalls_ends_the_session() -> None:
    clock = VirtualClock()
    async with Server(clock, tls="starttls") as server:
        rubbish, silent, gone = [await server.hello() for _ in range(3)]
        for talk in (rubbish, silent, gone):
            assert (await talk.ask("STARTTLS")).startswith("220 ")
        rubbish.send(b"this is no TLS\r\n")
        await rubbish.end()
        gone.vanish()
        await until(lambda: len(server.sessions) <= 1)
        await clock.advance(31)
        await server.sessions.empty()
        for talk in (rubbish, silent, gone):
            talk.close()


LOGINS = [
    (["AUTH PLAIN " + PLAIN], "235 2.7.0 "),
    (["auth plain " + PLAIN], "235 2.7.0 "),
    (["AUTH PLAIN", PLAIN], "235 2.7.0 "),
    (["AUTH LOGIN", b64("alice@mailhub.test"), b64("secret")], "235 2.7.0 "),
    (["AUTH LOGIN " + b64("alice@mailhub.test"), b64("secret")], "235 2.7.0 "),
    (["AUTH PLAIN " + b64("\0alice@mailhub.test\0wrong")], "535 5.7.8 "),
    (["AUTH PLAIN " + b64("\0nobody@mailhub.test\0secret")], "535 5.7.8 "),
    (["AUTH PLAIN " + b64("bob@mailhub.test\0alice@mailhub.test\0secret")], "535 5.7.8 "),
    (["AUTH PLAIN " + b64("\0away@mailhub.test\0secret")], "454 4.7.0 "),
    (["AUTH LOGIN", "*"], "501 5.7.0 "),
    (["AUTH LOGIN", b64("alice"), "*"], "501 5.7.0 "),
    (["AUTH PLAIN", "no base64!"], "501 5.5.2 "),
    (["AUTH PLAIN ="], "501 5.5.2 "),
    (["AUTH PLAIN", "A" * 13_000], "501 5.5.2 "),
    (["AUTH CRAM-MD5"], "504 5.5.4 "),
    (["AUTH"], "501 5.5.4 "),
]


@pytest.mark.parametrize(("lines", "answer"), LOGINS)
async def test_logins(lines: list[str], answer: str) -> None:
    async with Server(auth=CLEAR) as server:
        talk = await server.hello()
        answers = await talk.asks(*lines)
        assert all(line.startswith("334 ") for line in answers[:-1])
        assert answers[-1].startswith(answer)
        again = await talk.ask("AUTH PLAIN " + PLAIN)
        assert again.startswith("503 5.5.1 " if answer.startswith("235") else "235 ")
        talk.close()


async def test_no_login_inside_a_transaction() -> None:
    async with Server(auth=CLEAR) as server:
        talk = await server.hello()
        assert (await talk.asks("MAIL FROM:<a@b.c>", "AUTH PLAIN " + PLAIN))[1].startswith("503 5.5.1 ")
        talk.close()


async def test_guessing_ends_the_session() -> None:
    async with Server(auth=schema.Auth(allow_plaintext=True, failure_limit=2)) as server:
        talk = await server.hello()
        wrong = "AUTH PLAIN " + b64("\0alice@mailhub.test\0guess")
        assert [a[:4] for a in await talk.asks(wrong, wrong)] == ["535 ", "535 "]
        assert (await talk.end()).startswith(b"421 4.7.0 ")


async def test_passwords_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with Server(auth=CLEAR) as server:
        talk = await server.hello()
        await talk.asks("AUTH LOGIN", b64("alice@mailhub.test"), b64("guess"), "AUTH PLAIN " + PLAIN)
        talk.close()
        await server.sessions.empty()
    for secret in ("secret", "guess", PLAIN, b64("guess")):
        assert secret not in caplog.text


# --- other people's clients ---

HEADER = "Subject: hello\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <a@b>\r\nFrom: <alice@mailhub.test>\r\n"
MESSAGE = HEADER + "\r\n.a line with a dot\r\n" + "x" * 70 + "\r\n"


async def test_smtplib_sends_over_starttls_with_a_login() -> None:
    async with Server(service="submission", tls="starttls") as server:

        def send(port: int, context: ssl.SSLContext) -> None:
            with smtplib.SMTP("localhost", port) as client:
                client.starttls(context=context)
                client.login("alice@mailhub.test", "secret")
                client.sendmail("alice@mailhub.test", ["bob@mailhub.test", "u@other.example"], MESSAGE)

        await asyncio.to_thread(send, server.listener.port, server.client_context())
        assert server.spool.messages[0].data == MESSAGE.encode()


async def test_aiosmtplib_sends_over_implicit_tls() -> None:
    async with Server(service="submission", tls="implicit") as server:
        await aiosmtplib.send(
            MESSAGE,
            sender="alice@mailhub.test",
            recipients=["bob@mailhub.test"],
            hostname="localhost",
            port=server.listener.port,
            use_tls=True,
            tls_context=server.client_context(),
            username="alice@mailhub.test",
            password="secret",
        )
        assert server.spool.messages[0].data == MESSAGE.encode()
