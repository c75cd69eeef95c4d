"""Deep and huge input costs bounded time and memory: steps and octets are counted, nothing is timed."""

import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.imap_memory import imap_memory
from support.imap_server import deliver

from mailhub.config import schema
from mailhub.mailbox.service import AccountMail
from mailhub.message import structure
from mailhub.message.parts import MAX_PARTS
from mailhub.model.errors import Temporary
from mailhub.net.stream import ConnectionLost, Stream
from mailhub.protocols.imap import append, messages
from mailhub.store.bodies import SpoolWriter
from mailhub.wire.imap import bodies, fetch_items, parser, sequences
from mailhub.wire.imap.commands import Fetch, Messages
from mailhub.wire.imap.framing import Frame
from mailhub.wire.imap.lexer import Lexer


def calls(work: Callable[[], Any]) -> int:
    """How many calls of functions, Python's and C's, it takes."""
    count = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


# --- grammar ---------------------------------------------------------------------------------------------------------

DEEP = [
    "FETCH 1 {}", "FETCH 1 ({}", "FETCH 1 BODY[HEADER.FIELDS {}", "STORE 1 FLAGS {}", "SEARCH {}", "SEARCH NOT {}", "LIST {}", 'LIST "" {}',
    "ID {}", "STATUS INBOX {}", "SELECT INBOX {}", "APPEND INBOX {}", "APPEND INBOX CATENATE {}", "REPLACE 1 INBOX {}", "CREATE x {}",
    "ENABLE {}", "GETMETADATA {}", "SETQUOTA x {}", "NOTIFY SET {}",
]  # fmt: skip


@pytest.mark.parametrize("command", DEEP)
def test_ten_thousand_parentheses_are_refused_at_once(command: str) -> None:
    """At most twice the calls that a hundred take: nobody goes in."""

    def read(depth: int) -> Callable[[], None]:
        frame = Frame((("a " + command.format("(" * depth)).encode(),))

        def work() -> None:
            for reading in (parser.parse, parser.streamed):
                try:
                    assert reading(frame) is None
                except (parser.BadCommand, AssertionError):
                    continue

        return work

    with pytest.raises(parser.BadCommand):
        parser.parse(Frame((("a " + command.format("(" * 10_000)).encode(),)))
    assert calls(read(10_000)) <= 2 * calls(read(100))


def test_ranges_are_never_expanded() -> None:
    """1:* and 1:4294967295 over two messages with a gap of four thousand million between them."""
    view: Any = SimpleNamespace(uids=array("I", [1, 4_294_967_290]))

    def found(text: bytes, *, by_uid: bool) -> list[int]:
        ranges = sequences.read(Lexer(Frame((text,))))
        return [
            place for page in messages.pages(messages.places(view, Messages(ranges, by_uid)), 1_000) for place in page
        ]

    assert (
        found(b"1:*", by_uid=True)
        == found(b"1:4294967295", by_uid=True)
        == found(b"4294967295:1", by_uid=True)
        == [0, 1]
    )
    assert found(b"2:4294967289", by_uid=True) == []
    assert calls(lambda: found(b"1:4294967295", by_uid=True)) < 200
    many = b",".join(b"%d:*" % (n + 1) for n in range(10_000))
    assert found(many, by_uid=True) == [0, 1]
    assert calls(lambda: found(many, by_uid=True)) < 20 * 10_000


def test_pages_of_scattered_messages_take_linear_time() -> None:
    def work(count: int) -> Callable[[], int]:
        spans = [range(2 * n, 2 * n + 1) for n in range(count)]
        return lambda: sum(len(page) for page in messages.pages(spans, 100))

    assert work(20_000)() == 20_000
    assert calls(work(20_000)) <= 2.2 * calls(work(10_000))


def test_what_a_fetch_may_ask_for_is_bounded() -> None:
    items = " ".join(f"BODY.PEEK[{n}]" for n in range(1, fetch_items.MAX_ITEMS + 1))
    assert isinstance(parser.parse(Frame((f"a FETCH 1 ({items})".encode(),))).verb, Fetch)
    for text in (
        f"a FETCH 1 ({items} UID)",
        "a FETCH 1 BODY[" + "1." * 101 + "1]",
        "a FETCH 1 BODY[HEADER.FIELDS (" + "a " * 1_001 + "a)]",
        "a FETCH 1 BODY[]<99999999999.1>",
    ):
        with pytest.raises(parser.BadCommand):
            parser.parse(Frame((text.encode(),)))


# --- messages --------------------------------------------------------------------------------------------------------


def many_parts(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"


def nested(depth: int) -> bytes:
    return (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
        + b"\r\nx"
    )


@pytest.mark.parametrize("make", [many_parts, nested, lambda n: b"Content-Type: message/rfc822\r\n\r\n" * n + b"x"])
def test_a_structure_takes_linear_time(make: Callable[[int], bytes]) -> None:
    """Twice the parts, at most twice the steps, and none beyond the bounds; BODY from BODYSTRUCTURE as well."""
    small, large = make(4_000), make(8_000)
    assert calls(lambda: structure.render(large)) <= 2.3 * calls(lambda: structure.render(small))
    first, second = structure.render(small)[1], structure.render(large)[1]
    assert calls(lambda: bodies.without_extension(second)) <= 2.3 * calls(lambda: bodies.without_extension(first))


async def test_a_structure_of_ten_thousand_parts_is_told(tmp_path: Path) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, many_parts(3 * MAX_PARTS), nested(10_000))
        talk = await server.login("EXAMINE INBOX")
        heard = await talk.ask("FETCH 1 (BODYSTRUCTURE BODY BODY.PEEK[9998] BODY.PEEK[10001])")
        assert heard[0].count(b'("text" "plain"') == 2 * (MAX_PARTS - 1)
        assert b"BODY[9998] {1}\r\n" in b"".join(heard)
        assert b"BODY[10001] NIL" in b"".join(heard)
        heard = await talk.ask("FETCH 2 (BODYSTRUCTURE BODY)")
        assert len(heard[0]) < 100_000


# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("literal", ["{4294967296}", "{99999999999999999999999}", "~{4294967296}"])
@pytest.mark.parametrize(
    "command", ["APPEND INBOX", "APPEND INBOX (\\Seen)", "LOGIN", "SELECT", "SEARCH TEXT", "APPEND INBOX CATENATE (TEXT", "REPLACE 1 INBOX"]
)  # fmt: skip
async def test_four_gigabytes_are_refused_before_they_come(command: str, literal: str, tmp_path: Path) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, b"Subject: x\r\n\r\nx")
        talk = await server.login("SELECT INBOX")
        (answer,) = await talk.ask(f"{command} {literal}")
        assert answer.startswith((b"t3 NO [TOOBIG]", b"t3 BAD [TOOBIG]"))
        assert b" OK " in (await talk.ask("NOOP"))[-1]


@pytest.mark.parametrize("login", [False, True])
async def test_four_gigabytes_that_come_unasked_end_the_session(login: bool, tmp_path: Path) -> None:
    """Nobody reads them to their end, and few of them are taken from the net."""
    async with imap_memory(tmp_path) as server:
        talk = await (server.login() if login else server.connect())
        talk.send("APPEND INBOX {4294967296+}")
        assert (await talk.stream.readline(1_000)).startswith(b"* BYE [TOOBIG]")
        with pytest.raises(ConnectionLost):
            await talk.stream.readline(1_000)


async def test_literals_of_one_command_are_counted_together(tmp_path: Path) -> None:
    config = schema.Config(auth=schema.Auth(allow_plaintext=True), imap=schema.Imap(literal_limit=10_000))
    async with imap_memory(tmp_path, config) as server:
        talk = await server.login()
        for _ in range(3):
            talk.stream.write(b"x SEARCH " + b"TEXT {4000+}\r\n" + b"a" * 4_000 + b" TEXT {4000+}\r\n" + b"b" * 4_000)
            talk.stream.write(b" TEXT {4000+}\r\n" + b"c" * 4_000 + b"\r\n")
            assert (await talk.stream.readline(1_000)).startswith(b"x BAD [TOOBIG]")


async def test_a_message_that_the_disk_refuses_in_the_middle_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines are never taken for commands."""
    monkeypatch.setattr(append, "BACKLOG", 100_000)

    async def refuse(self: object) -> None:
        raise Temporary("no disk")

    monkeypatch.setattr(SpoolWriter, "drain", refuse)
    async with imap_memory(tmp_path) as server:
        talk = await server.login()
        mail = b"zz DELETE Trash\r\n" * 60_000
        talk.stream.write(b"x APPEND INBOX {%d+}\r\n" % len(mail))
        talk.stream.write(mail)
        talk.stream.write(b" {10+}\r\n0123456789\r\n")
        assert (await talk.stream.readline(1_000)).startswith(b"x NO [UNAVAILABLE]")
        assert b" OK " in (await talk.ask("NOOP"))[-1]


async def test_a_line_that_inflates_a_thousandfold(tmp_path: Path) -> None:
    """COMPRESS: 20 MB without a line end cost their client 20 kB, and the server a few blocks at a time."""
    async with imap_memory(tmp_path) as server:
        talk = await server.login()
        await talk.ask("COMPRESS DEFLATE")
        talk.stream.deflate()
        longest = 0
        inflated = Stream._inflated

        async def watching(self: Stream, deflate: Any) -> bool:
            nonlocal longest
            found = await inflated(self, deflate)
            longest = max(longest, len(self._buffer))
            return found

        Stream._inflated = watching  # type: ignore[method-assign]
        try:
            talk.stream.write(b"a" * 20_000_000 + b"\r\n")
            assert (await talk.ask("NOOP"))[0] == b"* BAD [TOOBIG] Line too long\r\n"
        finally:
            Stream._inflated = inflated  # type: ignore[method-assign]
        assert 0 < longest < 1_000_000


async def test_small_messages_are_not_gathered_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a MULTIAPPEND that stay in memory are counted together, and so are all."""
    monkeypatch.setattr(append, "HELD", 2_500)
    async with imap_memory(tmp_path) as server:
        talk = await server.login()
        literal = b" {1000+}\r\n" + b"x" * 1_000
        talk.stream.write(b"x APPEND INBOX" + literal * 5 + b"\r\n")
        assert (await talk.stream.readline(1_000)).startswith(b"x NO [LIMIT]")
        assert (await talk.ask("STATUS INBOX (MESSAGES)"))[0] == b'* STATUS "INBOX" (MESSAGES 0)\r\n'
        talk.stream.write(b"x APPEND INBOX" + b" {1+}\r\nx" * 1_001 + b"\r\n")
        assert (await talk.stream.readline(1_000)).startswith(b"x NO [LIMIT]")
        assert b" OK " in (await talk.ask("NOOP"))[-1]


async def test_a_url_that_can_not_be_read_just_now_is_told_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that was begun is ended."""
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, b"Subject: x\r\n\r\nx")
        talk = await server.login()
        made = await talk.ask('GENURLAUTH "imap://alice@mx/INBOX/;UID=1;URLAUTH=anonymous" INTERNAL')
        url = made[0].split(b'"')[1].decode()

        async def refuse(self: object, folder: object, uid: int) -> None:
            raise Temporary("no disk")

        monkeypatch.setattr(AccountMail, "open", refuse)
        assert await talk.ask(f'URLFETCH "{url}"') == [
            f'* URLFETCH "{url}" NIL\r\n'.encode(),
            b"t3 OK URLs fetched\r\n",
        ]
