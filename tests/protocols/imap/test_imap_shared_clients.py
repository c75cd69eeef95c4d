"""Shared folders by clients that others wrote: imaplib and IMAPClient read our ACL, NAMESPACE, MYRIGHTS and METADATA."""

import asyncio
import imaplib
from pathlib import Path

import imapclient
import pytest
from support.imap_server import imap_server

MAIL = b"Subject: x\r\n\r\nx\r\n"
TEAM = "Other Users.alice@mailhub^test.Team"


async def test_imapclient_shares_a_folder(tmp_path: Path) -> None:
    def dialogue(port: int) -> None:
        with (
            imapclient.IMAPClient("127.0.0.1", port, ssl=False) as alice,
            imapclient.IMAPClient("127.0.0.1", port, ssl=False) as bob,
        ):
            alice.login("alice", "secret")
            bob.login("bob", "secret")
            assert bob.namespace() == ((("", "."),), (("Other Users.", "."),), None)
            assert alice.find_special_folder(b"\\Sent") == "Sent"
            alice.create_folder("Team")
            alice.append("Team", MAIL)
            alice.setacl("Team", "bob", "lrsi")
            assert alice.getacl("Team") == [(b"alice@mailhub.test", b"lrswipkxtecda"), (b"bob@mailhub.test", b"lrsi")]
            assert TEAM in {name for _, _, name in bob.list_folders("Other Users.", "*")}
            chosen = bob.select_folder(TEAM)
            assert chosen[b"PERMANENTFLAGS"] == (b"\\Seen",)
            assert bob.fetch([1], ["BODY[]"])[1][b"BODY[]"] == MAIL
            bob.append(TEAM, MAIL)
            with pytest.raises(imapclient.exceptions.IMAPClientError, match="NOPERM"):
                bob.expunge()
            bob.idle()
            alice.append("Team", MAIL)
            while (3, b"EXISTS") not in (heard := bob.idle_check(10)):
                assert heard
            bob.idle_done()

    async with imap_server(tmp_path) as server:
        await asyncio.to_thread(dialogue, server.port)


async def test_imaplib_reads_rights_and_annotations(tmp_path: Path) -> None:
    def dialogue(port: int) -> None:
        imaplib.Commands.update(GETMETADATA=("AUTH", "SELECTED"), SETMETADATA=("AUTH", "SELECTED"))  # type: ignore[attr-defined]
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.login("alice", "secret")
            assert {"ACL", "RIGHTS=KXTE", "METADATA", "LIST-METADATA"} <= set(client.capabilities)
            assert client.myrights("INBOX") == ("OK", [b'"INBOX" lrswipkxtecda'])
            assert client.setacl("INBOX", "bob", "lr")[0] == "OK"
            assert client.deleteacl("INBOX", "bob")[0] == "OK"
            assert client.getacl("INBOX") == ("OK", [b'"INBOX" alice@mailhub.test lrswipkxtecda'])
            assert client._simple_command("SETMETADATA", "INBOX", '(/private/comment "mine")')[0] == "OK"  # type: ignore[attr-defined]
            assert client._simple_command("GETMETADATA", "INBOX", "/private/comment")[0] == "OK"  # type: ignore[attr-defined]
            assert client.response("METADATA") == ("METADATA", [b'"INBOX" (/private/comment "mine")'])

    async with imap_server(tmp_path) as server:
        await asyncio.to_thread(dialogue, server.port)
