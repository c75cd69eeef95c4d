"""Who may open the maildrop: APOP, every mechanism with and without an initial response, and lines as long as a token."""

import asyncio
import base64
import hashlib
import poplib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running, trusting

from mailhub.config import schema
from mailhub.hub import Hub
from mailhub.wire.sasl.client import CLIENT_MECHANISMS, Derive, Login

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
NO_DELAY = schema.Auth(failure_delay=0, scheme="PLAIN", scram=())


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path, ALICE, auth=NO_DELAY) as hub:
        yield hub


async def test_apop_by_poplib(hub: Hub) -> None:
    def session(password: str, *, user: str = ALICE) -> bytes:
        client = poplib.POP3("127.0.0.1", hub.port("pop3"), timeout=20)
        with pytest.raises(poplib.error_proto, match="under TLS only"):  # who listens could try passwords at home
            client.apop(user, password)
        client.stls(trusting())
        answer = client.apop(user, password)
        client.quit()
        return answer

    assert await asyncio.to_thread(session, PASSWORD) == b"+OK 0 messages (0 octets)"
    for password, user in (("wrong", ALICE), (PASSWORD, BOB), ("\0", BOB), ("", BOB)):
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\] Wrong login or password"):
            await asyncio.to_thread(session, password, user=user)


async def test_each_greeting_has_a_timestamp_of_its_own(hub: Hub) -> None:
    seen = set()
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))
        greeting = await reader.readline()
        found = re.search(rb"<[^@<> ]{16,}@mailhub\.test>\r\n$", greeting)
        assert found, greeting
        seen.add(found[0])
        writer.close()
    assert len(seen) == 3


@pytest.mark.parametrize("auth", [schema.Auth(), schema.Auth(scheme="PLAIN", mechanisms=("PLAIN",))])
async def test_no_timestamp_where_apop_could_not_work(tmp_path: Path, auth: schema.Auth) -> None:
    async with running(tmp_path, auth=auth) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))
        assert await reader.readline() == b"+OK mailhub.test POP3 ready\r\n"
        writer.close()


async def proved(hub: Hub, name: str, password: str, *, at_once: bool) -> bytes:
    """The server's last answer to AUTH by that mechanism, over POP3 under TLS; `at_once`: with an initial response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3s"), ssl=trusting())
    await reader.readline()
    machine = CLIENT_MECHANISMS[name](Login(ALICE, password), "clientnonce")
    first = machine.begin()
    words = [b"AUTH", name.encode()]
    if at_once and first is not None:
        words.append(base64.b64encode(first) or b"=")
        first = None
    writer.write(b" ".join(words) + b"\r\n")
    while (line := await reader.readline()).startswith(b"+ "):
        if first is not None:
            assert line == b"+ \r\n"
            response, first = first, None
        else:
            step = machine.answer(base64.b64decode(line[2:]))
            if isinstance(step, Derive):
                step = machine.keyed(hashlib.pbkdf2_hmac(step.hash, step.password, step.salt, step.iterations))
            response = step
        writer.write(base64.b64encode(response) + b"\r\n")
    assert line[:3] != b"+OK" or machine.proved
    writer.close()
    return line


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", list(CLIENT_MECHANISMS))
async def test_every_mechanism(hub: Hub, name: str, at_once: bool) -> None:
    assert await proved(hub, name, PASSWORD, at_once=at_once) == b"+OK 0 messages (0 octets)\r\n"
    assert await proved(hub, name, "wrong", at_once=at_once) == b"-ERR [AUTH] Wrong login or password\r\n"


async def test_lines_as_long_as_a_token(hub: Hub) -> None:
    """RFC 5034 section 4 wants responses of any length that a mechanism has; what is longer is answered, too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3s"), ssl=trusting())
    await reader.readline()
    token = base64.b64encode(b"\0" + ALICE.encode() + b"\0" + b"x" * 1_000)
    writer.write(b"AUTH PLAIN " + token + b"\r\n")
    assert await reader.readline() == b"-ERR [AUTH] Wrong login or password\r\n"
    for length, answer in ((12_000, b"-ERR malformed"), (20_000, b"-ERR line too long")):
        writer.write(b"AUTH PLAIN\r\n" + b"A" * length + b"\r\n")
        assert await reader.readline() == b"+ \r\n"
        assert (await reader.readline()).startswith(answer)
    writer.close()
