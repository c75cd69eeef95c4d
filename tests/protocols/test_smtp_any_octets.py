"""Any octets at all, cut anywhere: the session never raises, never hangs, and never holds more than its bound."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz, fuzzed, no_errors
from support.smtp_fuzz import converse, dialogues, kept_well, spoken_well
from support.smtp_peer import Server

from mailhub.config import schema

SEEDS = Path(__file__).parent / "smtp_seeds"
SERVICES = ["smtp", "submission", "lmtp"]
STEPS = st.sampled_from([1, 2, 7, 64, 100_000])
PLAIN = b"AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=\r\n"


@fuzz(300)
@given(dialogues(), STEPS, st.sampled_from(SERVICES), st.sampled_from(["reject", "normalize"]))
def test_any_octets(octets: bytes, step: int, service: str, newlines: str) -> None:
    with no_errors():
        said = asyncio.run(converse(octets, step, service, newlines))
    spoken_well(said)


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*")), ids=lambda path: path.name)
@pytest.mark.parametrize("step", [1, 100_000])
def test_what_once_failed(seed: Path, step: int) -> None:
    for service in SERVICES:
        with no_errors():
            spoken_well(asyncio.run(converse(seed.read_bytes(), step, service, "reject")))


@fuzzed
@pytest.mark.slow
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("service", SERVICES)
def test_any_octets_around_a_handshake(tls: str, service: str) -> None:
    """Before STARTTLS, after it, and after a login; over real TLS on loopback."""
    auth = schema.Auth(failure_delay=0.0, failure_limit=1_000_000, scheme="PLAIN", scram=())
    server: Server

    async def one(before: bytes, after: bytes, login: bool, step: int) -> None:
        talk = await server.connect()
        hello = b"LHLO c\r\n" if service == "lmtp" else b"EHLO c\r\n"
        if tls == "starttls":
            talk.send(before)
            talk.send(b"\r\n.\r\nRSET\r\nSTARTTLS\r\n")
            said = b""
            while not said.endswith(b"Ready to start TLS\r\n"):
                block = await talk.reader.read(65_536)
                if not block:
                    return spoken_well(said)
                said += block
            spoken_well(said)
            try:
                await talk.writer.start_tls(server.client_context(), server_hostname="localhost")
            except (OSError, ssl.SSLError):  # the server is out of step with who sends so
                return None
        octets = hello + PLAIN * login + after + b"\r\n"
        for start in range(0, len(octets), step):
            talk.send(octets[start : start + step])
            await asyncio.sleep(0)
        said = b""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(0.02):  # what is still awaited then is part of a message
                while block := await talk.reader.read(65_536):
                    said += block
        talk.vanish()
        async with asyncio.timeout(20):
            await server.sessions.empty()
        kept_well(server.spool)
        server.spool.messages.clear()
        return spoken_well(said[: said.rfind(b"\r\n") + 2])

    with asyncio.Runner() as runner:
        server = Server(
            service=service,
            tls=tls,
            auth=auth,
            error_limit=1_000_000,
            soft_error_limit=1_000_000,
            message_size_limit=5_000,
        )
        runner.run(server.__aenter__())

        @fuzz(15)
        @given(dialogues(), dialogues(), st.booleans(), st.sampled_from([7, 64, 100_000]))
        def attempt(before: bytes, after: bytes, login: bool, step: int) -> None:
            with no_errors():
                runner.run(one(before, after, login, step))

        attempt()
        runner.run(server.__aexit__())


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_test_hears_what_is_said(step: int) -> None:
    dialogue = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@mailhub.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nNOOP\r\nQUIT\r\n"
    said = asyncio.run(converse(dialogue, step, "smtp", "reject")).split(b"\r\n")
    final = [line[:4] for line in said if line[3:4] == b" "]
    assert final == [b"220 ", b"250 ", b"250 ", b"250 ", b"354 ", b"250 ", b"250 ", b"221 "]
