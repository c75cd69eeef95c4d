"""UIDL of an adopted Maildir is what a real Dovecot answers to it: whoever left mail there downloads nothing twice."""

import asyncio
import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.dovecot_imap import dovecot_pop3
from support.pop3_server import pop3_server

HOME = "mail/mailhub.test/alice/Maildir"
NAMES = ["1.a.b", "2.a.b,S=17", "3.a.b:2,S", "4.a.b"]


@pytest.fixture
def room() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def fill(maildir: Path, fields: list[str]) -> None:
    for sub in ("tmp", "new", "cur"):
        (maildir / sub).mkdir(parents=True)
    lines = ""
    for n, (name, field) in enumerate(zip(NAMES, fields, strict=True)):
        (maildir / "cur" / (name if ":" in name else f"{name}:2,")).write_bytes(
            b"Subject: x\r\n\r\nhi\r\n"[: 17 if "S=" in name else 18]
        )
        lines += f"{n * 3 + 5} {field}:{name.partition(':')[0]}\n"
    (maildir / "dovecot-uidlist").write_text(f"3 V1700000123 N200 G{'0123456789abcdef' * 2}\n{lines}")


def ours(port: int) -> list[bytes]:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("alice")
    client.pass_("secret")
    lines: list[bytes] = client.uidl()[1]
    assert [client.uidl(n).removeprefix(b"+OK ") for n in range(1, len(lines) + 1)] == lines
    client.quit()
    return lines


FIELDS = {"by UID": ["", "", "", ""], "by another server's": ["Pold-1 ", "W20 Pold@2 ", "", "Gabc P!~ "]}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
async def test_the_same_ids(tmp_path: Path, room: Path, fields: list[str]) -> None:
    fill(tmp_path / HOME, fields)
    theirs = dovecot_pop3(tmp_path / HOME, room, b"UIDL")
    theirs = theirs[theirs.index(b"+OK") + 1 :]
    theirs = theirs[: theirs.index(b".")]
    assert len(theirs) == len(NAMES)
    for _ in range(2):  # as adopted, and from the index
        async with pop3_server(tmp_path) as server:
            assert await asyncio.to_thread(ours, server.port) == theirs
