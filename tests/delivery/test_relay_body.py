"""A message as DATA carries it, whatever it holds and however it is cut into blocks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mailhub.delivery.relay.body import stuffed


def sent(blocks: list[bytes]) -> bytes:
    async def source() -> AsyncIterator[bytes]:
        for block in blocks:
            yield block

    async def all_of() -> bytes:
        return b"".join([block async for block in stuffed(source())])

    return asyncio.run(all_of())


def received(data: bytes) -> bytes:
    """What a strict receiver makes of it."""
    end = (b"\r\n" + data).index(b"\r\n.\r\n")
    return (b"\r\n" + data)[: end + 2].replace(b"\r\n.", b"\r\n")[2:]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nMAIL\r\n", b"a\r\n..\r\nMAIL\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
    ],
)
def test_known_texts(text: bytes, octets: bytes) -> None:
    assert sent([text]) == octets
    assert sent([bytes([octet]) for octet in text]) == octets


@given(some.lists(some.text("\r\n.x", max_size=6).map(str.encode), max_size=8))
def test_no_content_ends_the_data_early_or_sends_a_bare_newline(blocks: list[bytes]) -> None:
    octets = sent(blocks)
    assert (b"\r\n" + octets).endswith(b"\r\n.\r\n")
    assert (b"\r\n" + octets).count(b"\r\n.\r\n") == 1
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    whole = b"".join(blocks).replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert received(octets) == whole + (b"" if whole.endswith(b"\r\n") or not whole else b"\r\n")
