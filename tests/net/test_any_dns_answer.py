"""Whatever a name server answers: records, or one of the errors that those who ask know of; an answer to another question is none."""

import asyncio
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.config import schema
from mailhub.model.clock import SystemClock
from mailhub.net.dnssec import ValidatingResolver
from mailhub.net.resolver import DnsError, DnsResolver

_NAME = st.sampled_from(
    [
        b"\xc0\x0c",
        b"\x01a\x04test\0",
        b"\0",
        b"\xc0\xff",
        b"\x3f" + b"x" * 63 + b"\0",
        b"\x01\xff\0",
        b"\x05\0.\r\n\x80\0",
    ]
)
_RECORD = st.builds(
    lambda name, kind, ttl, data, lie: name + struct.pack(">HHIH", kind, 1, ttl, max(0, len(data) + lie)) + data,
    _NAME, st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 43, 46, 52, 65_535]), st.sampled_from([0, 60, 1 << 31, (1 << 32) - 1]),
    st.binary(max_size=24) | st.builds(lambda n, name: struct.pack(">H", n) + name, st.integers(0, 65_535), _NAME), st.sampled_from([0, 0, 0, 1, -1]),
)  # fmt: skip
_ANSWER = st.tuples(st.integers(0, 15), st.lists(_RECORD, max_size=4), st.binary(max_size=8), st.booleans())


class Liar(asyncio.DatagramProtocol):
    """Says what it is told to say, with the question's id and the question."""

    answer: tuple[int, list[bytes], bytes, bool] = (0, [], b"", True)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        code, records, tail, own = self.answer
        end = data.index(b"\0", 12) + 5
        head = data[:2] + struct.pack(">HHHHH", 0x8180 | code, 1 if own else 0, len(records), 0, 0)
        self._transport.sendto(head + (data[12:end] if own else b"") + b"".join(records) + tail, address)


async def told(answer: tuple[int, list[bytes], bytes, bool]) -> None:
    transport, liar = await asyncio.get_running_loop().create_datagram_endpoint(Liar, ("127.0.0.1", 0))
    liar.answer = answer
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    config = schema.Resolver(nameservers=(server,), timeout=0.05, tries=1)
    resolver, validating = DnsResolver(config, SystemClock()), ValidatingResolver(config, SystemClock())
    questions = [
        resolver.mx("a.test"), resolver.addresses("b.test", ipv6=False), resolver.txt("c.test"), resolver.ptr("192.0.2.1"),
        validating.ask("d.test", "TLSA"), validating.ask("e.test", "MX"),
    ]  # fmt: skip
    try:
        for found in await asyncio.gather(*questions, return_exceptions=True):
            if isinstance(found, BaseException) and not isinstance(found, DnsError):
                raise found
    finally:
        await resolver.close()
        transport.close()


async def test_what_is_told_is_heard() -> None:
    """Else the test below would try nothing."""
    transport, liar = await asyncio.get_running_loop().create_datagram_endpoint(Liar, ("127.0.0.1", 0))
    liar.answer = (0, [b"\xc0\x0c" + struct.pack(">HHIHH", 15, 1, 60, 5, 10) + b"\x01a\0"], b"", True)
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    config = schema.Resolver(nameservers=(server,), timeout=5, tries=1)
    resolver, validating = DnsResolver(config, SystemClock()), ValidatingResolver(config, SystemClock())
    assert await resolver.mx("a.test") == [(10, "a")]
    assert len((await validating.ask("a.test", "MX")).records) == 1
    await resolver.close()
    transport.close()


@fuzz(25)
@given(answer=_ANSWER)
def test_records_or_the_errors_of_dns(answer: tuple[int, list[bytes], bytes, bool]) -> None:
    asyncio.run(told(answer))
