"""Python's own imaplib and IMAPClient against a session on loopback, in the clear and under STARTTLS."""

import asyncio
import imaplib
import ssl
from pathlib import Path

import imapclient
import pytest
import trustme
from support.imap_server import deliver, imap_server

MAIL = b"From: alice@mailhub.test\r\nSubject: =?utf-8?b?5L2g5aW9?=\r\n\r\nhello\r\n"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_imaplib(tmp_path: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    def dialogue(port: int) -> None:
        with imaplib.IMAP4("127.0.0.1", port) as client:
            assert "STARTTLS" in client.capabilities
            assert "LOGINDISABLED" in client.capabilities
            with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
                client.login("alice", "secret")
            client.starttls(client_tls)
            assert "STARTTLS" not in client.capabilities
            assert "AUTH=PLAIN" in client.capabilities
            client.authenticate("PLAIN", lambda _: b"\0alice\0secret")
            assert client.append("INBOX", "(\\Flagged)", None, MAIL)[0] == "OK"  # type: ignore[arg-type]
            assert client.select("INBOX") == ("OK", [b"1"])
            kind, data = client.fetch("1", "(FLAGS RFC822)")
            assert kind == "OK"
            assert isinstance(data[0], tuple)
            assert data[0][1] == MAIL
            assert client.uid("SEARCH", "FLAGGED") == ("OK", [b"1"])
            client.store("1", "+FLAGS", "(\\Deleted)")
            assert client.expunge() == ("OK", [b"1"])

    async with imap_server(tmp_path, tls=server_tls) as server:
        await asyncio.to_thread(dialogue, server.port)


async def test_imapclient(tmp_path: Path) -> None:
    def dialogue(port: int) -> None:
        with imapclient.IMAPClient("127.0.0.1", port, ssl=False) as client:
            client.login("alice", "secret")
            assert client.namespace().personal == (("", "."),)
            names = {name: flags for flags, _, name in client.list_folders()}
            assert b"\\Sent" in names["Sent"]
            client.create_folder("Entwürfe")
            client.subscribe_folder("Entwürfe")
            assert "Entwürfe" in {name for _, _, name in client.list_sub_folders()}
            client.append("Entwürfe", MAIL, flags=["\\Draft"])
            assert client.select_folder("Entwürfe")[b"EXISTS"] == 1
            message = client.fetch(
                [1], ["ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "RFC822.SIZE", "FLAGS", "BODY[]"]
            )[1]
            assert message[b"ENVELOPE"].subject == b"=?utf-8?b?5L2g5aW9?="
            assert message[b"RFC822.SIZE"] == len(MAIL)
            assert message[b"BODY[]"] == MAIL
            assert client.search(["SUBJECT", "你好"], "UTF-8") == [1]
            client.move([1], "INBOX")
            assert client.folder_status("INBOX", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 1, b"UNSEEN": 0}
            client.idle()
            client.idle_done()
            client.rename_folder("Entwürfe", "下書き")
            assert client.folder_exists("下書き")
            client.delete_folder("下書き")

    async with imap_server(tmp_path) as server:
        await asyncio.to_thread(dialogue, server.port)


async def test_plaintext_behind_starttls_ends_the_connection(tmp_path: Path, server_tls: ssl.SSLContext) -> None:
    async with imap_server(tmp_path, tls=server_tls) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b"a STARTTLS\r\nb LOGIN alice secret\r\n")
        said = b""
        try:
            while block := await reader.read(1000):
                said += block
        except ConnectionResetError:
            pass
        assert b"b " not in said
        writer.close()


async def test_a_big_message_goes_through_in_blocks(tmp_path: Path) -> None:
    """Appended through a literal, read whole, in ranges and by part; never written to the stream all at once."""
    part = b"0123456789abcdef" * 64 + b"\r\n"
    first, second = part * 3_000, b"the end\r\n" * 1000
    text = b"".join((
        b"Subject: big\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n", first,
        b"\r\n--x\r\nContent-Type: text/plain\r\n\r\n", second, b"\r\n--x--\r\n",
    ))  # fmt: skip

    def dialogue(port: int) -> None:
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.login("alice", "secret")
            assert client.append("INBOX", "", None, text)[0] == "OK"  # type: ignore[arg-type]
            client.select("INBOX")
            for item, octets in (
                ("BODY.PEEK[]", text),
                ("BODY.PEEK[1]", first),
                ("BODY.PEEK[2]", second),
                ("BODY.PEEK[]<1000000.500000>", text[1_000_000:1_500_000]),
                ("BODY.PEEK[TEXT]", text[text.index(b"\r\n\r\n") + 4 :]),
            ):
                data = client.fetch("1", f"({item})")[1]
                assert isinstance(data[0], tuple)
                assert data[0][1] == octets, item

    async with imap_server(tmp_path) as server:
        await asyncio.to_thread(dialogue, server.port)
        uids = await deliver(server.alice, b"Subject: small\r\n\r\nx\r\n")
        assert uids == [2]
