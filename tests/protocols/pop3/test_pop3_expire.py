"""EXPIRE of CAPA is what autoexpunge will do with INBOX (RFC 2449 section 6.7)."""

import asyncio
from pathlib import Path

import pytest
from support.pop3_server import pop3_server

from mailhub.config import schema

DAY = 86_400.0


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ((), [b"EXPIRE NEVER\r\n"]),
        ((schema.AutoExpunge(folder="Trash", age=DAY),), [b"EXPIRE NEVER\r\n"]),
        ((schema.AutoExpunge(folder="INBOX", age=30 * DAY),), [b"EXPIRE 30\r\n"]),
        (tuple(schema.AutoExpunge(folder="INBOX", age=n * DAY) for n in (9, 7.5)), [b"EXPIRE 7\r\n"]),
        ((schema.AutoExpunge(folder="INBOX", age=DAY / 2),), []),  # 0 would mean: nothing may be left here
        ((schema.AutoExpunge(folder="INBOX", count=100),), []),  # no number of days would be true
    ],
)
async def test_expire(rules: tuple[schema.AutoExpunge, ...], said: list[bytes], tmp_path: Path) -> None:
    config = schema.Config(auth=schema.Auth(allow_plaintext=True), mailbox=schema.Mailbox(autoexpunge=rules))
    async with pop3_server(tmp_path, config=config) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"CAPA\r\nQUIT\r\n")
        heard = (await reader.read()).splitlines(keepends=True)
        writer.close()
        assert [line for line in heard if line.startswith(b"EXPIRE")] == said
