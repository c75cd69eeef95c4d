"""Mail in GB2312, GBK and GB18030, found by keys in each of them, whether it is encoded or raw."""

import asyncio
import imaplib
from pathlib import Path

import pytest
from support.imap_server import deliver, imap_server

CHARSETS = ("GB2312", "GBK", "GB18030")
WORD, OTHER = "周计划", "通知"


def mail(charset: str) -> bytes:
    """As Foxmail once sent it: the subject in raw octets, the body in 8 bits."""
    head = f"Subject: {WORD} {charset}\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + f"{OTHER}\r\n").encode(charset)


@pytest.mark.parametrize("charset", [*CHARSETS, "UTF-8"])
async def test_search_in_any_of_them(tmp_path: Path, charset: str) -> None:
    encoded = [f"Subject: =?{name}?B?1ty8xruu?=\r\n\r\n".encode() for name in CHARSETS]

    def searched(port: int, key: str, word: str) -> bytes:
        with imaplib.IMAP4("127.0.0.1", port) as session:
            session.login("alice", "secret")
            session.select("INBOX", readonly=True)
            session.literal = word.encode(charset)  # type: ignore[attr-defined]
            status, found = session.uid("SEARCH", "CHARSET", charset, key)
            assert status == "OK", found
            return found[0]

    async with imap_server(tmp_path) as server:
        await deliver(server.alice, *encoded, *map(mail, CHARSETS), b"Subject: other\r\n\r\n")
        assert await asyncio.to_thread(searched, server.port, "SUBJECT", WORD) == b"1 2 3 4 5 6"
        assert await asyncio.to_thread(searched, server.port, "SUBJECT", WORD[1]) == b"1 2 3 4 5 6"
        assert await asyncio.to_thread(searched, server.port, "BODY", OTHER) == b"4 5 6"
