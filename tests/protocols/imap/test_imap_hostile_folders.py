"""Clients that mean harm with names, patterns, lists and annotations: each is answered, in bounded time, and nothing breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.imap_server import imap_server

from mailhub.config import schema


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, command: bytes) -> bytes:
        """All that comes up to the tagged answer, or to the end."""
        self.writer.write(b"t " + command + b"\r\n")
        out = b""
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 30)
            out += line
            if not line or line.startswith((b"t ", b"* BAD")):
                return out


@asynccontextmanager
async def alice(data: Path, config: schema.Config | None = None) -> AsyncIterator[Client]:
    async with imap_server(data, config=config) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 26)
        await reader.readline()
        client = Client(reader, writer)
        assert b"t OK" in await client.ask(b"LOGIN alice secret")
        yield client
        assert b"t OK" in await client.ask(b"NOOP")
        writer.close()


async def test_ten_thousand_patterns_are_refused(tmp_path: Path) -> None:
    async with alice(tmp_path) as client:
        for pattern in (b"*", b"a*", b"%.%"):
            many = b" ".join([pattern] * 10_000)
            assert b"t BAD Too many patterns" in await client.ask(b'LIST "" (%b)' % many)
        assert b"t BAD" in await client.ask(b'LIST "" (%b)' % b" ".join([b"*a" * 400] * 20))


async def test_the_worst_patterns_on_many_folders_hold_nobody_up(tmp_path: Path) -> None:
    """What was quadratic would take minutes here. Another session is served between two pages of names."""
    async with alice(tmp_path) as client:
        for n in range(60):
            assert b"t OK" in await client.ask(b"CREATE %d%b" % (n, b"a" * 150))
        answer = await client.ask(b'LIST "" (%b)' % b" ".join([b"%a" * 40 + b"b"] * 90))
        assert b"t OK" in answer
        assert b"* LIST" not in answer


async def test_deep_names_end_at_the_limits(tmp_path: Path) -> None:
    config = schema.Config(auth=schema.Auth(allow_plaintext=True), mailbox=schema.Mailbox(folder_limit=50))
    async with alice(tmp_path, config) as client:
        assert b"t NO [LIMIT]" in await client.ask(b"CREATE " + b".".join([b"a"] * 100))
        assert b"t OK" in await client.ask(b"CREATE " + b".".join([b"a"] * 40))
        assert b"t NO [LIMIT]" in await client.ask(b"CREATE " + b".".join([b"b"] * 40))
        assert b"t NO [CANNOT]" in await client.ask(b"CREATE " + b".".join([b"c"] * 5_000))
        assert (await client.ask(b'LIST "" "%"')).count(b"* LIST") == 7  # INBOX, five with special uses, and a


@pytest.mark.parametrize(
    "name",
    [
        b"{3+}\r\na\0b", b'"a\0b"', b'"\xff\xfe"', b'"\xc0\xae"', b'"&AC4-"', b'"&AGEAYgBj-"', b'"x&AC8-y"', b'"&2AA-"',
        b'"&AAAAAA"', b'"&"', b'"&AP8&-"', b'"&ABk-"', b'"a\x7fb"', b'"a\x1bb"', b'"&AH8-"', b'"&AIU-"', b'"&//4-"', b'"..x"',
        b'"x."', b'"../../x"', b'"."', b'"&IC4-"',
    ],
)  # fmt: skip
async def test_names_that_are_none(name: bytes, tmp_path: Path) -> None:
    """No folder comes of them, and no file outside; a separator at the end is passed over, so "x." is x."""
    async with alice(tmp_path) as client:
        answer = await client.ask(b"CREATE " + name)
        listed = await client.ask(b'LIST "" "*"')
        if b"t OK" in answer:  # then it is one that a client can use as it is told
            told = listed.split(b"\r\n")
            fresh = [line for line in told if b"HasNoChildren) " in line and b'"INBOX"' not in line]
            assert len(fresh) == 1, listed
            wire = fresh[0].partition(b' "." ')[2]
            assert b"t OK" in await client.ask(b"SELECT " + wire)
            assert b"t OK" in await client.ask(b"DELETE " + wire)
        else:
            assert listed.count(b"* LIST") in (1, 6), listed


async def test_identifiers_are_names_and_never_patterns(tmp_path: Path) -> None:
    async with imap_server(tmp_path) as server:
        clients = []
        for login in (b"alice", b"bob"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 26)
            await reader.readline()
            clients.append(Client(reader, writer))
            assert b"t OK" in await clients[-1].ask(b"LOGIN %b secret" % login)
        alice, bob = clients
        assert b"t OK" in await alice.ask(b"CREATE Box")
        for identifier in (
            b"*",
            b"%",
            b"?",
            b"b*",
            b"*@mailhub.test",
            b"bo_",
            b"$all",
            b"[a-z]*",
            b"administrators",
            b"owner",
        ):
            await alice.ask(b'SETACL Box "%b" lrswipkxtea' % identifier)
        for identifier in (
            b"anyone",
            b"Anyone",
            b"authenticated",
            b"-",
            b"",
            b"--bob",
            b"x" * 400,
            b"bob\t",
            b"\xc2\x85",
        ):
            answer = await alice.ask(b'SETACL Box "%b" lr' % identifier)
            if not answer.startswith(b"t OK"):
                assert answer.startswith((b"t NO [NOPERM]", b"t NO [CANNOT]", b"t BAD")), answer
        assert b"Box" not in await bob.ask(b'LIST "" "*"')
        assert b"t NO [NONEXISTENT]" in await bob.ask(b'SELECT "Other Users.alice@mailhub^test.Box"')
        assert b"t OK" in await alice.ask(b"GETACL Box")
        for client in clients:
            client.writer.close()


async def test_lists_and_annotations_are_bounded(tmp_path: Path) -> None:
    mailbox = schema.Mailbox(acl_limit=20, metadata_limit=10, metadata_account_limit=20_000)
    config = schema.Config(auth=schema.Auth(allow_plaintext=True), mailbox=mailbox)
    async with alice(tmp_path, config) as client:
        answers = [await client.ask(b"SETACL INBOX u%d l" % n) for n in range(25)]
        assert [b"t NO [LIMIT]" in answer for answer in answers] == [False] * 20 + [True] * 5
        huge = b"x" * 65_537
        set_it = b"SETMETADATA INBOX (/private/a {%d+}\r\n%b)"
        assert b"t NO [METADATA MAXSIZE 65536]" in await client.ask(set_it % (len(huge), huge))
        assert b"t NO [METADATA TOOMANY]" in await client.ask(set_it % (30_000, b"x" * 30_000))
        assert b"t OK" in await client.ask(set_it % (15_000, b"\0" * 15_000))
        assert b"~{15000}\r\n" + b"\0" * 15_000 in await client.ask(b"GETMETADATA INBOX /private/a")
        assert b"t BAD" in await client.ask(
            b"SETMETADATA INBOX (%b)" % b" ".join(b'/private/%d ""' % n for n in range(500))
        )
        assert b"t BAD" in await client.ask(
            b"GETMETADATA INBOX (%b)" % b" ".join(b"/private/%d" % n for n in range(500))
        )
        assert b"t BAD" in await client.ask(b'SETMETADATA INBOX ("/private/%b" "x")' % (b"a" * 300))
        assert b"t BAD" in await client.ask(b'SETMETADATA INBOX ("/private/\xc3\xa9" "x")')
        assert b"t BAD" in await client.ask(b"SETMETADATA INBOX (/private/a {99999999}")


async def test_a_subscription_to_anything_is_only_a_name(tmp_path: Path) -> None:
    async with alice(tmp_path) as client:
        for name in (b"Other Users.bob@mailhub^test.INBOX", b"Other Users", b"Public.x", b"Other Users."):
            await client.ask(b'SUBSCRIBE "%b"' % name)
        answer = await client.ask(b'LIST (SUBSCRIBED) "" "Other*" RETURN (STATUS (MESSAGES) MYRIGHTS)')
        assert b"STATUS" not in answer
        assert b"MYRIGHTS" not in answer
        for command in (b"CREATE", b"DELETE", b"SELECT", b"GETACL", b"GETMETADATA"):
            more = b" /private/x" if command == b"GETMETADATA" else b""
            for name in (
                b"Other Users",
                b"Other Users.bob@mailhub^test",
                b"Other Users.bob@mailhub^test.INBOX",
                b"Other Users..",
            ):
                assert b"t NO" in await client.ask(b'%b "%b"%b' % (command, name, more)), (command, name)
