"""PROXY headers of both versions: whole, octet by octet, with more behind them, and malformed."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.net.proxy import SIGNATURE, BadHeader, Proxied, read_header


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(body)) + body


IPV4 = (
    socket.inet_pton(socket.AF_INET, "192.0.2.7")
    + socket.inet_pton(socket.AF_INET, "10.0.0.1")
    + struct.pack(">HH", 5000, 25)
)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack(">HH", 5000, 25)
GOOD = {
    b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 25\r\n": Proxied("192.0.2.7", 5000),
    b"PROXY TCP6 2001:db8::7 ::1 5000 25\r\n": Proxied("2001:db8::7", 5000),
    b"PROXY UNKNOWN\r\n": Proxied(),
    b"PROXY UNKNOWN ffff:f:f:f:f:f:f:f ffff:f:f:f:f:f:f:f 65535 65535\r\n": Proxied(),
    v2(1, 0x11, IPV4): Proxied("192.0.2.7", 5000),
    v2(1, 0x11, IPV4 + b"\x03\x00\x04abcd"): Proxied("192.0.2.7", 5000),
    v2(1, 0x21, IPV6): Proxied("2001:db8::7", 5000),
    v2(0, 0x00, b""): Proxied(),
    v2(1, 0x31, bytes(216)): Proxied(),
}


async def read(octets: bytes, step: int) -> tuple[Proxied, bytes]:
    """What was understood, and what was left alone."""
    rest = bytearray(octets)

    async def receive(count: int) -> bytes:
        taken = bytes(rest[: min(count, step)])
        del rest[: len(taken)]
        return taken

    return await read_header(receive), bytes(rest)


@pytest.mark.parametrize("header", GOOD)
@pytest.mark.parametrize("step", [1, 3, 10_000])
async def test_headers(header: bytes, step: int) -> None:
    assert await read(header + b"\x16\x03\x01 what follows", step) == (GOOD[header], b"\x16\x03\x01 what follows")


@pytest.mark.parametrize(
    "header",
    [
        b"", b"PROXY", b"EHLO client.example\r\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 5000\r\n", b"PROXY TCP4 a b 1 2\r\n         ",
        b"PROXY TCP4 2001:db8::7 ::1 5000 25\r\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 70000\r\n", b"PROXY TCP5 1 2 3 4\r\n",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 \xc2\xb2 25\r\n", v2(2, 0x11, IPV4),
        v2(1, 0x11, IPV4[:-1]), v2(1, 0x12, IPV4), v2(1, 0x11, bytes(5_000)), v2(1, 0x11, IPV4)[:-1],
        SIGNATURE + b"\x11\x11\x00\x0c" + IPV4,
    ],
)  # fmt: skip
async def test_what_is_no_header(header: bytes) -> None:
    with pytest.raises(BadHeader):
        await read(header, 10_000)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(SIGNATURE.__add__)
    | st.binary(max_size=100).map(b"PROXY TCP4 ".__add__)
)
async def test_nothing_else_comes_out_of_it(octets: bytes) -> None:
    try:
        await read(octets, 7)
    except BadHeader:
        return
