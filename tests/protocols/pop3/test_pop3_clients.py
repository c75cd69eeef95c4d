"""poplib against the session, over loopback and under TLS; and what lies in the Maildir afterwards."""

import asyncio
import hashlib
import poplib
import ssl
from pathlib import Path

import pytest
import trustme
from support.imap_server import deliver
from support.pop3_server import pop3_server

MAILDIR = "mail/mailhub.test/alice/Maildir"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def signed_in(port: int) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("alice")
    client.pass_("secret")
    return client


def files(data: Path) -> list[str]:
    return sorted(file.name for sub in ("new", "cur") for file in (data / MAILDIR / sub).iterdir())


async def test_poplib_under_tls(tmp_path: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    texts = [b"Subject: %d\r\n\r\n.\r\n..%d\r\n" % (n, n) for n in range(3)]

    def session(port: int) -> list[bytes]:
        client = poplib.POP3("127.0.0.1", port, timeout=20)
        assert "STLS" in client.capa()
        assert "USER" not in client.capa()
        with pytest.raises(poplib.error_proto, match="under TLS only"):
            client.user("alice")
        client.stls(client_tls)
        assert "STLS" not in client.capa()
        assert client.capa()["SASL"] == ["PLAIN", "LOGIN"]
        client.user("alice")
        client.pass_("secret")
        got = [b"".join(line + b"\r\n" for line in client.retr(n)[1]) for n in range(1, 4)]
        assert client.list(2) == b"+OK 2 %d" % len(texts[1])
        assert client.top(1, 0)[1] == [b"Subject: 0", b""]
        client.dele(2)
        client.quit()
        return got

    async with pop3_server(tmp_path, tls=server_tls) as server:
        await deliver(server.alice, *texts)
        assert await asyncio.to_thread(session, server.port) == texts
        left = await server.alice.find("INBOX")
        assert (left.messages, left.unseen) == (2, 2), "reading by POP3 sets no flag"
    assert len(files(tmp_path)) == 2


async def test_left_on_the_server_is_downloaded_once(tmp_path: Path) -> None:
    """A client that leaves mail here remembers unique ids: they are the same in each session, also after a restart."""

    def ids(port: int) -> list[bytes]:
        client = signed_in(port)
        found: list[bytes] = client.uidl()[1]
        client.quit()
        return found

    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, b"Subject: 1\r\n\r\n", b"Subject: 2\r\n\r\n", b"Subject: 3\r\n\r\n")
        first = await asyncio.to_thread(ids, server.port)
        folder = await server.alice.find("INBOX")
        view = await server.alice.open_view(folder, read_only=False)
        await server.alice.remove(folder, [view.uids[1]])
        view.close()
    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, b"Subject: 4\r\n\r\n")
        second = await asyncio.to_thread(ids, server.port)
    names = [line.split()[1] for line in first]
    assert names == [b"%08x%08x" % (uid, folder.uidvalidity) for uid in (1, 2, 3)]
    assert [line.split()[1] for line in second] == [names[0], names[2], b"%08x%08x" % (4, folder.uidvalidity)]


async def test_unique_ids_of_an_adopted_maildir_are_dovecots(tmp_path: Path) -> None:
    """What Dovecot 2.3 answers to UIDL on this very Maildir."""
    maildir = tmp_path / MAILDIR
    for sub in ("tmp", "new", "cur"):
        (maildir / sub).mkdir(parents=True)
    for name in ("1.a.b", "2.a.b"):
        (maildir / "new" / name).write_bytes(b"Subject: x\r\n\r\nhi\r\n")
    (maildir / "dovecot-uidlist").write_text(
        "3 V2882400186 N200 G0123456789abcdef0123456789abcdef\n171 :1.a.b\n188 :2.a.b\n"
    )
    async with pop3_server(tmp_path) as server:
        client = await asyncio.to_thread(signed_in, server.port)
        assert (await asyncio.to_thread(client.uidl))[1] == [b"1 000000ababcdefba", b"2 000000bcabcdefba"]
        await asyncio.to_thread(client.quit)


async def test_files_of_other_programs_are_sent_with_crlf(tmp_path: Path) -> None:
    new = tmp_path / MAILDIR / "new"
    new.mkdir(parents=True)
    (new / "1.lf.host").write_bytes(b"Subject: lf\n\n.dot\nend without a line end")
    async with pop3_server(tmp_path) as server:
        client = await asyncio.to_thread(signed_in, server.port)
        client.sock.sendall(b"RETR 1\r\n")
        answer = b""
        while not answer.endswith(b"\r\n.\r\n"):
            answer += await asyncio.to_thread(client.sock.recv, 4096)
        _, _, text = answer.partition(b"\r\n")
        assert text == b"Subject: lf\r\n\r\n..dot\r\nend without a line end\r\n.\r\n"
        await asyncio.to_thread(client.quit)


async def test_a_large_message_comes_as_it_was(tmp_path: Path) -> None:
    line = b".0123456789" * 6 + b"\r\n"
    large = b"Subject: large\r\n\r\n" + line * 100_000

    def read(port: int) -> tuple[str, int]:
        client = signed_in(port)
        _, lines, size = client.retr(1)
        client.quit()
        return hashlib.sha256(b"".join(line + b"\r\n" for line in lines)).hexdigest(), size

    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, large)
    async with pop3_server(tmp_path) as server:  # from its file, not from the spool
        digest, size = await asyncio.to_thread(read, server.port)
    assert digest == hashlib.sha256(large).hexdigest()
    assert size == len(large)


async def test_long_lists_come_whole(tmp_path: Path) -> None:
    """More than a page of 1,000 lines, with some left out."""

    def lists(port: int) -> tuple[list[bytes], list[bytes]]:
        client = signed_in(port)
        for number in (1, 1000, 1001, 2100):
            client.dele(number)
        listed, unique = client.list()[1], client.uidl()[1]
        client.quit()
        return listed, unique

    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, *[b"Subject: %d\r\n\r\n" % n for n in range(1, 1001)])
        await deliver(server.alice, *[b"Subject: %d\r\n\r\n" % n for n in range(1001, 2101)])
        listed, unique = await asyncio.to_thread(lists, server.port)
        assert (await server.alice.find("INBOX")).messages == 2096
    left = [number for number in range(1, 2101) if number not in (1, 1000, 1001, 2100)]
    assert listed == [b"%d %d" % (n, len(b"Subject: %d\r\n\r\n" % n)) for n in left]
    assert [int(line.split()[0]) for line in unique] == left
    assert len({line.split()[1] for line in unique}) == len(left)
