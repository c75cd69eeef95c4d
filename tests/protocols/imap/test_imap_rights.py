"""Each right of RFC 4314 in each command: with all others a command is refused, with it alone (and "lr") it is done."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from support.imap_server import ImapServer, deliver, imap_server

from mailhub.model.rights import ALL
from mailhub.wire.imap import commands as c

BOX = '"Other Users.alice@mailhub^test.Box"'
MOVABLE = BOX.replace("Box", "Movable")
URL = "imap://bob@mx.test/Other%20Users.alice%40mailhub%5Etest.Box/;UID=1;URLAUTH=authuser"
MAIL = "Subject: x\r\n\r\nx\r\n"


@dataclass(frozen=True)
class Row:
    """`command` needs every one of `rights` on the folder BOX; `selected`: it is carried out there."""

    verb: type
    command: str
    rights: str
    selected: bool = False


ROWS = (
    Row(c.Select, f"SELECT {BOX}", "r"),
    Row(c.Examine, f"EXAMINE {BOX}", "r"),
    Row(c.Status, f"STATUS {BOX} (MESSAGES)", "r"),
    Row(c.Create, f'CREATE {BOX[:-1]}.sub"', "k"),
    Row(c.Delete, f"DELETE {BOX}", "x"),
    Row(c.Rename, f'RENAME {BOX} {MOVABLE[:-1]}.sub"', "x"),
    Row(c.Rename, f'RENAME {MOVABLE} {BOX[:-1]}.sub"', "k"),
    Row(c.GetQuotaRoot, f"GETQUOTAROOT {BOX}", "r"),
    Row(c.SetAcl, f"SETACL {BOX} carol l", "a"),
    Row(c.DeleteAcl, f"DELETEACL {BOX} carol", "a"),
    Row(c.GetAcl, f"GETACL {BOX}", "a"),
    Row(c.ListRights, f"LISTRIGHTS {BOX} carol", "a"),
    Row(c.SetMetadata, f'SETMETADATA {BOX} (/shared/comment "x")', "w"),
    Row(c.Append, f"APPEND {BOX} {{{len(MAIL)}+}}\r\n{MAIL}", "i"),
    Row(c.Copy, f"COPY 1 {BOX}", "i", selected=True),
    Row(c.Move, f"MOVE 1 {BOX}", "i", selected=True),
    Row(c.Move, "MOVE 1 Trash", "t", selected=True),
    Row(c.Move, "MOVE 1 Trash", "e", selected=True),
    Row(c.Replace, f"REPLACE 1 {BOX} {{{len(MAIL)}+}}\r\n{MAIL}", "i", selected=True),
    Row(c.Replace, f"REPLACE 1 INBOX {{{len(MAIL)}+}}\r\n{MAIL}", "t", selected=True),
    Row(c.Replace, f"UID REPLACE 1 INBOX {{{len(MAIL)}+}}\r\n{MAIL}", "e", selected=True),
    Row(c.Expunge, "EXPUNGE", "e", selected=True),
    Row(c.Expunge, "UID EXPUNGE 1:*", "e", selected=True),
    Row(c.Store, "STORE 1 +FLAGS (\\Seen)", "s", selected=True),
    Row(c.Store, "STORE 1 -FLAGS (\\Deleted)", "t", selected=True),
    Row(c.Store, "UID STORE 1 FLAGS (\\Flagged)", "w", selected=True),
    Row(c.Store, "STORE 1 +FLAGS ($Work)", "w", selected=True),
)
WITH = {c.Move: "te", c.Replace: "te"}  # what else the command needs

# what needs no right on a folder, or only says less without it; GENURLAUTH and RESETKEY are their owner's alone
OTHERS = {
    c.GenUrlAuth, c.ResetKey,
    c.Capability, c.Noop, c.Logout, c.Id, c.StartTls, c.Authenticate, c.Login, c.Enable, c.Idle, c.Check, c.Close, c.Unselect,
    c.Esearch, c.Sort, c.Thread, c.CancelUpdate, c.GetQuota, c.SetQuota, c.Compress, c.Notify, c.Unauthenticate, c.UrlFetch, c.Subscribe, c.Unsubscribe, c.Namespace, c.List, c.Xlist, c.Lsub, c.MyRights, c.GetMetadata, c.Fetch, c.Search,
}  # fmt: skip


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, command: str) -> str:
        """All lines up to the tagged one."""
        self.writer.write(b"t " + command.encode() + b"\r\n")
        lines: list[str] = []
        while not lines or not lines[-1].startswith("t "):
            line = await asyncio.wait_for(self.reader.readline(), 20)
            assert line, f"the server hung up at {command!r}"
            lines.append(line.decode().rstrip())
        return "\n".join(lines)

    async def done(self, command: str) -> str:
        answer = await self.ask(command)
        assert "\nt OK" in "\n" + answer, f"{command}: {answer}"
        return answer


async def client(server: ImapServer, login: str) -> Client:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    found = Client(reader, writer)
    await found.done(f"LOGIN {login} secret")
    return found


@asynccontextmanager
async def alice_and_bob(data: Path, row: Row) -> AsyncIterator[tuple[Client, Client]]:
    async with imap_server(data) as server:
        alice, bob = await client(server, "alice"), await client(server, "bob")
        await alice.done("CREATE Box")
        await alice.done("CREATE Movable")
        await alice.done("SETACL Movable bob lxk")
        await deliver(server.alice, MAIL.encode(), folder="Box")
        yield alice, bob
        for one in (alice, bob):
            one.writer.close()


async def try_it(alice: Client, bob: Client, row: Row, rights: str) -> str:
    await alice.done(f'SETACL Box bob "{rights}"')
    if row.selected:
        await bob.done(f"SELECT {BOX}")
    return await bob.ask(row.command)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rights}: {row.command[:30]}")
async def test_the_right_is_what_it_takes(row: Row, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    async with alice_and_bob(tmp_path / "a", row) as (alice, bob):
        refused = await try_it(alice, bob, row, "".join(sorted(ALL - set(row.rights))))
        assert re.search(r"^t NO \[NOPERM\]", refused, re.MULTILINE), refused
        allowed = await try_it(alice, bob, row, "lr" + row.rights + WITH.get(row.verb, ""))
        assert re.search(r"^t OK", allowed, re.MULTILINE), allowed


@pytest.mark.parametrize("row", [row for row in ROWS if not row.selected], ids=lambda row: row.command[:30])
async def test_who_may_not_know_of_a_folder_hears_that_there_is_none(row: Row, tmp_path: Path) -> None:
    async with alice_and_bob(tmp_path, row) as (alice, bob):
        hidden = await try_it(alice, bob, row, "")
        nowhere = await bob.ask(row.command.replace("Box", "Nowhere"))
        assert hidden == nowhere
        assert re.search(r"^t NO", hidden, re.MULTILINE), hidden


def test_every_command_has_its_row() -> None:
    assert {row.verb for row in ROWS} | OTHERS == set(get_args(c.Verb))


async def test_a_folder_for_letting_things_drop_in(tmp_path: Path) -> None:
    """ "i" without "l": may be put into by who knows its name, and is listed nowhere."""
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        await alice.done("SETACL Box bob i")
        await bob.done(f"APPEND {BOX} (\\Seen \\Deleted $Work) {{{len(MAIL)}+}}\r\n{MAIL}")
        assert "Box" not in await bob.done('LIST "" "*"')
        assert (await bob.ask(f"SELECT {BOX}")).startswith("t NO [NONEXISTENT]")
        await alice.done("SELECT Box")
        assert "FLAGS ()" in (await alice.done("UID FETCH 2 FLAGS")).replace(" \\Recent", "").replace("\\Recent", "")


async def test_flags_that_may_not_be_set_stay_behind(tmp_path: Path) -> None:
    """COPY and MOVE into a folder set what may be set there (section 4)."""
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        await alice.done("SETACL Box bob lrit")
        await bob.done(f"APPEND INBOX (\\Seen \\Deleted \\Flagged $Work) {{{len(MAIL)}+}}\r\n{MAIL}")
        await bob.done("SELECT INBOX")
        await bob.done(f"COPY 1 {BOX}")
        await bob.done(f"MOVE 1 {BOX}")
        await alice.done("SELECT Box")
        flags = re.findall(r"FLAGS \((.*?)\)\)", (await alice.done("UID FETCH 2:3 FLAGS")).replace(" \\Recent", ""))
        assert flags == ["\\Deleted", "\\Deleted"]


async def test_reading_sets_seen_only_where_it_may(tmp_path: Path) -> None:
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        await alice.done("SETACL Box bob lrw")
        await bob.done(f"SELECT {BOX}")
        assert "\\Seen" not in await bob.done("FETCH 1 (BODY[] FLAGS)")
        await alice.done("SETACL Box bob lrs")
        await bob.done("NOOP")
        assert "\\Seen" in await bob.done("FETCH 1 (BODY[] FLAGS)")


async def test_read_only_is_said_where_nothing_may_be_changed(tmp_path: Path) -> None:
    """Section 5.2."""
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        for rights, code in (
            ("lr", "READ-ONLY"),
            ("lrpkxa", "READ-ONLY"),
            *((f"lr{one}", "READ-WRITE") for one in "swtie"),
        ):
            await alice.done(f"SETACL Box bob {rights}")
            assert f"[{code}]" in await bob.done(f"SELECT {BOX}"), rights


async def test_rights_taken_away_count_for_the_next_command(tmp_path: Path) -> None:
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        await alice.done("SETACL Box bob lrswite")
        await bob.done(f"SELECT {BOX}")
        await alice.done("SETACL Box bob lr")
        assert "[NOPERM]" in await bob.ask("STORE 1 +FLAGS (\\Seen)")
        await alice.done("SETACL Box bob l")
        answer = await bob.ask("FETCH 1 BODY[]")
        assert "Subject" not in answer
        assert "t NO [NONEXISTENT]" in answer


async def test_only_an_owner_gives_access_by_urls(tmp_path: Path) -> None:
    """RFC 4467: whatever the rights; who may not know of the folder hears nothing of it."""
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        for command in (f'GENURLAUTH "{URL}" INTERNAL', f"RESETKEY {BOX}"):
            await alice.done(f'SETACL Box bob "{"".join(sorted(ALL))}"')
            assert "t NO [NOPERM]" in await bob.ask(command)
            await alice.done('SETACL Box bob ""')
            assert "t NO [NONEXISTENT]" in await bob.ask(command)


async def test_what_lists_and_searches_says_nothing_of_what_may_not_be_read(tmp_path: Path) -> None:
    """A mailbox with "l" alone is listed; neither STATUS, METADATA nor a search of all mailboxes tells what is in it."""
    async with alice_and_bob(tmp_path, ROWS[0]) as (alice, bob):
        asked = (
            'LIST "" "Other*" RETURN (STATUS (MESSAGES) METADATA (/shared/comment))',
            'ESEARCH IN (personal subscribed subtree "Other Users") SUBJECT x',
        )
        await alice.done("SETACL Box bob l")
        await alice.done('SETMETADATA Box (/shared/comment "hidden")')
        await bob.done(f"SUBSCRIBE {BOX}")
        hidden = [await bob.done(command) for command in asked]
        assert "Box" in hidden[0]
        assert not re.search("STATUS|METADATA|hidden", hidden[0])
        assert "Box" not in hidden[1]
        await alice.done("SETACL Box bob lr")
        told = [await bob.done(command) for command in asked]
        assert "MESSAGES 1" in told[0]
        assert "hidden" in told[0]
        assert "Box" in told[1]
