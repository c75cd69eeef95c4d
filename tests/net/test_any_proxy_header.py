"""Whatever a connection says before anything else: a PROXY header, or the one error that says it is none. No octet behind it is taken."""

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.net.proxy import SIGNATURE, BadHeader, Proxied, read_header

_WORDS = [
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"192.0.2.1 ",
    b"::1 ",
    b"25 ",
    b"65536",
    b"\r\n",
    b"\r",
    b" ",
    b"-1",
    b"\xd9\xa1",
]
_V2 = st.builds(
    lambda head, family, length, rest: SIGNATURE + bytes([head, family]) + struct.pack(">H", length) + rest,
    st.sampled_from([0x20, 0x21, 0x22, 0x11, 0xFF]), st.sampled_from([0, 0x11, 0x21, 0x31, 0x12, 0xFF]),
    st.sampled_from([0, 12, 36, 40, 216, 65_535]), st.binary(max_size=64),
)  # fmt: skip
_V1 = st.lists(st.sampled_from(_WORDS) | st.binary(max_size=4), max_size=12).map(b"".join)


async def header(octets: bytes, step: int) -> tuple[Proxied | None, int]:
    """What it was taken for, and how many octets were taken."""
    at = 0

    async def receive(most: int) -> bytes:
        nonlocal at
        block = octets[at : at + min(step, most)]
        at += len(block)
        return block

    try:
        return await read_header(receive), at
    except BadHeader:
        return None, at


@fuzz(500)
@given(octets=st.binary(max_size=200) | _V1.map(lambda text: b"PROXY " + text) | _V1 | _V2, step=st.integers(1, 40))
async def test_a_header_or_the_error(octets: bytes, step: int) -> None:
    found, taken = await header(octets, step)
    assert (found, taken) == await header(octets, 1000), "it hangs on how the octets come"
    if found is None:
        return
    assert (found, taken) == await header(octets[:taken] + b"EHLO\r\n", 7), "what follows is not its own"
    if found.client:
        ipaddress.ip_address(found.client)
    assert 0 <= found.port <= 65_535
