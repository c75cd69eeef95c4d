"""A session over a connection in memory, and what clients of every kind may say to it: right, nearly right, and anything."""

import asyncio
import base64
from typing import Any

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

# --- what is said ---

LINES = [
    b"EHLO c\r\n", b"LHLO c\r\n", b"HELO c\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"BDAT 3\r\n", b"BDAT 3 LAST\r\n",
    b"BDAT 99999999999 LAST\r\n", b"abc", b"RSET\r\n", b"NOOP\r\n", b"*\r\n", b"=\r\n", b"XCLIENT ADDR=192.0.2.1\r\n",
    b"XCLIENT LOGIN=alice@mailhub.test NAME=[UNAVAILABLE]\r\n", b"XFORWARD NAME=x\r\n", b"ETRN x.example\r\n",
    b"VRFY alice@mailhub.test\r\n", b"EXPN alice@mailhub.test\r\n", b"STARTTLS\r\n", b"Subject: x\r\n\r\n", b"HELP\r\n",
    b"\n", b"\r", b"\0", b"GET / HTTP/1.0\r\n", b"x" * 3_000 + b"\r\n",
]  # fmt: skip
# QUIT is left out of most: what comes after it is not looked at.
PIECES = st.sampled_from(LINES) | st.binary(max_size=40) | st.sampled_from([verb.encode() + b" " for verb in COMMANDS])
PARAMETERS = st.sampled_from(
    [
        "SIZE=5", "SIZE=99999", "SIZE", "BODY=8BITMIME", "BODY=BINARYMIME", "SMTPUTF8", "RET=HDRS", "RET=x", "ENVID=a+20b", "ENVID=+",
        "BY=60;R", "BY=-1;N", "MT-PRIORITY=9", "REQUIRETLS", "HOLDFOR=60", "HOLDUNTIL=2030-01-01T00:00:00Z", "AUTH=<>", "FOO=1", "=",
    ]
)  # fmt: skip
ASKED = st.sampled_from(
    ["NOTIFY=NEVER", "NOTIFY=SUCCESS,DELAY", "NOTIFY=x", "ORCPT=rfc822;a+C3+BC", "ORCPT=utf-8;ü", "ORCPT="]
)
PATHS = st.sampled_from(
    ["alice@mailhub.test", "bob@mailhub.test", "alice@mailhub.test", "no@mailhub.test", "x@far.example", "down@mailhub.test",
     "ü@mailhub.test", "", "@a:b@c", '"a b"@c.example', "postmaster"]
)  # fmt: skip
TEXT = st.lists(
    st.sampled_from(
        [b"Subject: x\r\n", b"\r\n", b".\r\n", b"..\r\n", b"a\nb", b"\r", b"\0", b"\xff", b"text\r\n", b"y" * 900]
    ),
    max_size=8,
).map(b"".join)


def _envelope(sender: str, words: list[str], recipients: list[tuple[str, list[str]]]) -> bytes:
    lines = [" ".join([f"MAIL FROM:<{sender}>", *words])]
    lines += [" ".join([f"RCPT TO:<{path}>", *asked]) for path, asked in recipients]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _chunks(parts: list[bytes], off: int) -> bytes:
    """As BDAT; `off`: by how much the last size is wrong."""
    last = len(parts) - 1
    return b"".join(
        b"BDAT %d%s\r\n%b" % (max(0, len(part) + off * (n == last)), b" LAST" * (n == last), part)
        for n, part in enumerate(parts)
    )


def _sasl(mechanism: str, initial: str | None, answers: list[str]) -> bytes:
    first = f"AUTH {mechanism}" + ("" if initial is None else " " + initial)
    return "".join(f"{line}\r\n" for line in (first, *answers)).encode()


ENVELOPES = st.builds(
    _envelope,
    PATHS,
    st.lists(PARAMETERS, max_size=2),
    st.lists(st.tuples(PATHS, st.lists(ASKED, max_size=1)), max_size=4),
)
BODIES = st.builds(lambda text: b"DATA\r\n" + text + b"\r\n.\r\n", TEXT) | st.builds(
    _chunks, st.lists(TEXT, min_size=1, max_size=4), st.sampled_from([0, 0, 0, 0, 1, -1, 7])
)
WORDS = st.sampled_from(
    ["", "=", "*", "no base64", "YQ=="]
    + [
        base64.b64encode(text).decode()
        for text in (
            b"\0alice@mailhub.test\0secret", b"\0alice@mailhub.test\0wrong", b"alice@mailhub.test", b"secret", b"n,,n=alice@mailhub.test,r=abc",
            b"c=biws,r=abc,p=AAAA", b"n,a=alice@mailhub.test,\x01auth=Bearer x\x01\x01", b"user=a\x01auth=Bearer x\x01\x01", b"\xff\0\0",
        )
    ]
)  # fmt: skip
MECHANISMS = st.sampled_from(
    ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "NONE"]
)
LOGINS = st.builds(_sasl, MECHANISMS, st.none() | WORDS, st.lists(WORDS, max_size=3))
PARTS = PIECES | ENVELOPES | BODIES | LOGINS


@st.composite
def dialogues(draw: Any) -> bytes:
    """A client's side of a session: a greeting mostly, then anything; some octets of it lost, doubled or changed."""
    octets: bytes = draw(st.sampled_from([b"EHLO c\r\n", b"LHLO c\r\n", b"HELO c\r\n", b""]))
    octets += b"".join(draw(st.lists(PARTS, max_size=12)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = draw(st.integers(0, len(octets)))
        octets = octets[:at] + draw(st.binary(max_size=3)) + octets[at + draw(st.integers(0, 3)) :]
    return octets


# --- who listens ---


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


async def converse(octets: bytes, step: int, service: str, newlines: str) -> bytes:
    """What the server said to all that, until the client ended. AssertionError where it raised, hung or held too much."""
    clock = VirtualClock()
    config = schema.Smtp(
        mynetworks=("127.0.0.0/8",), error_limit=1_000_000, soft_error_limit=1_000_000, message_size_limit=5_000, vrfy=True, expn=True,
        etrn=True, xclient_hosts=("127.0.0.1",), xforward_hosts=("127.0.0.1",), bare_newlines=newlines, greet_pause=0.0,  # type: ignore[arg-type]
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
    kept_well(spool)
    return bytes(wire.said)


def kept_well(spool: MemorySpool) -> None:
    """No message of text holds a bare CR or LF, or NUL."""
    for put in spool.messages:
        if put.envelope.parameters.body != "BINARYMIME":
            assert put.data.count(b"\r\n") == put.data.count(b"\r") == put.data.count(b"\n")
            assert b"\0" not in put.data


def spoken_well(said: bytes) -> None:
    """Replies and nothing else, each with its enhanced code where one belongs (RFC 2034 section 4)."""
    assert said == b"" or said.endswith(b"\r\n")
    for line in said.split(b"\r\n")[:-1]:
        assert line[:3].isdigit(), line
        assert line[3:4] in (b" ", b"-"), line
        assert len(line) <= 510
        assert line[:3] in (b"220", b"250", b"334", b"354") or line[4:6] in (b"2.", b"4.", b"5."), line
