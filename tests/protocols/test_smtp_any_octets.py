"""Any octets at all, cut anywhere: the session never raises, never hangs, and never holds more than its bound."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.signin import authenticator, from_table
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.policy import Policy
from mailhub.protocols.session import Session, SessionContext
from mailhub.protocols.smtp import SmtpSession
from mailhub.protocols.smtp.channel import INPUT_LIMIT
from mailhub.protocols.smtp.commands import COMMANDS

SEEDS = Path(__file__).parent / "smtp_seeds"
LINES = [
    b"EHLO c\r\n", b"LHLO c\r\n", b"HELO c\r\n", b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<> BODY=BINARYMIME\r\n",
    b"RCPT TO:<alice@mailhub.test>\r\n", b"RCPT TO:<bob@mailhub.test> NOTIFY=NEVER\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n",
    b"BDAT 3\r\n", b"BDAT 3 LAST\r\n", b"BDAT 99999999999 LAST\r\n", b"abc", b"RSET\r\n", b"NOOP\r\n", b"AUTH PLAIN\r\n",
    b"AUTH LOGIN\r\n", b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n", b"AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=\r\n", b"*\r\n", b"=\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n", b"ETRN x.example\r\n", b"VRFY alice@mailhub.test\r\n", b"STARTTLS\r\n", b"Subject: x\r\n\r\n",
    b"\n", b"\r", b"\0", b"GET / HTTP/1.0\r\n", b"x" * 3_000 + b"\r\n",
]  # fmt: skip
# QUIT is left out of most: what comes after it is not looked at.
PIECES = st.sampled_from(LINES) | st.binary(max_size=40) | st.sampled_from([verb.encode() + b" " for verb in COMMANDS])


class Wire(asyncio.Transport):
    """A connection in memory: what is written is kept, nothing is sent."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5000)})
        self.said = bytearray()
        self.closed = self.paused = self.ended = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.said += data

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


async def talk(octets: bytes, step: int, service: str, newlines: str) -> bytes:
    """What the server said to all that, until the client ended."""
    clock = VirtualClock()
    config = schema.Smtp(
        mynetworks=("127.0.0.0/8",), error_limit=1_000_000, soft_error_limit=1_000_000, message_size_limit=5_000, vrfy=True,
        etrn=True, xclient_hosts=("127.0.0.1",), bare_newlines=newlines, greet_pause=0.0,  # type: ignore[arg-type]
    )  # fmt: skip
    router: Any = SmallRouter(("alice@mailhub.test", "bob@mailhub.test"))
    spool: Any = MemorySpool()
    policy = Policy(config, "mx.test", router, spool, clock)
    auth = schema.Auth(allow_plaintext=True, failure_delay=0.0, failure_limit=1_000_000, scheme="PLAIN", scram=())
    login = authenticator(from_table({"alice@mailhub.test": "secret"}), clock, auth)
    context = SessionContext(
        service=service,
        hostname="mx.test",
        clock=clock,
        settings=config,
        auth=auth,
        session=Session(service, "", "127.0.0.1"),  # type: ignore[arg-type]
    )
    session, wire = SmtpSession(context, policy, login), Wire()
    session.connection_made(wire)
    task = session.record.task
    assert task is not None
    for start in range(0, len(octets), step):
        for _ in range(100):
            if not wire.paused:
                break
            await asyncio.sleep(0)
        if wire.closed:
            break
        session.data_received(octets[start : start + step])
        assert len(session._input) <= INPUT_LIMIT + step
        await asyncio.sleep(0)
    if not wire.closed:
        session.eof_received()
    session.connection_lost(None) if wire.closed else None
    async with asyncio.timeout(20):
        for _ in range(10_000):
            if task.done() or wire.closed:
                break
            await asyncio.sleep(0)
        session.connection_lost(None)
        await asyncio.wait([task])
    await policy.settled()
    if not task.cancelled():
        assert task.exception() is None
    for put in spool.messages:
        if put.envelope.parameters.body != "BINARYMIME":
            assert put.data.count(b"\r\n") == put.data.count(b"\r") == put.data.count(b"\n")
            assert b"\0" not in put.data
    return bytes(wire.said)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(PIECES, max_size=25).map(b"".join),
    st.sampled_from([1, 2, 7, 64, 100_000]),
    st.sampled_from(["smtp", "submission", "lmtp"]),
    st.sampled_from(["reject", "normalize"]),
)
def test_any_octets(octets: bytes, step: int, service: str, newlines: str) -> None:
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    handler.setLevel(logging.ERROR)
    logger = logging.getLogger("mailhub")
    logger.addHandler(handler)
    try:
        said = asyncio.run(talk(octets, step, service, newlines))
    finally:
        logger.removeHandler(handler)
    assert records == []
    for line in said.split(b"\r\n")[:-1]:
        assert line[:3].isdigit(), line
        assert line[3:4] in (b" ", b"-"), line
        assert len(line) <= 510
    assert said == b"" or said.endswith(b"\r\n")


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*")), ids=lambda path: path.name)
def test_what_once_failed(seed: Path) -> None:
    for service in ("smtp", "submission", "lmtp"):
        asyncio.run(talk(seed.read_bytes(), 1, service, "reject"))


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_test_hears_what_is_said(step: int) -> None:
    dialogue = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@mailhub.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nNOOP\r\nQUIT\r\n"
    said = asyncio.run(talk(dialogue, step, "smtp", "reject")).split(b"\r\n")
    assert [line[:4] for line in said if line[3:4] == b" "] == [
        b"220 ",
        b"250 ",
        b"250 ",
        b"250 ",
        b"354 ",
        b"250 ",
        b"250 ",
        b"221 ",
    ]
