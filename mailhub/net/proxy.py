"""The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who is really there, said before anything else.

Read octet-exactly: what follows the header, a TLS handshake or a command, stays in the socket.
"""

import ipaddress
import struct
from collections.abc import Awaitable, Callable

from msgspec import Struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1_LIMIT = 107  # octets of a version 1 header with its CRLF
V2_LIMIT = 4_096  # octets behind the fixed part of version 2: addresses and TLVs
_SHORTEST = 15  # octets: "PROXY UNKNOWN\r\n"; version 2 has 16

Receive = Callable[[int], Awaitable[bytes]]  # at most so many octets; b"" at the end


class BadHeader(Exception):
    """It is no PROXY header."""


class Proxied(Struct, frozen=True):
    """`client` "" and `port` 0: the proxy speaks for itself (LOCAL, UNKNOWN), or for a client without an address."""

    client: str = ""
    port: int = 0


async def read_header(receive: Receive) -> Proxied:
    """Read a header of either version. BadHeader where there is none, or the connection ends inside it."""
    start = await _exactly(receive, _SHORTEST)
    if start.startswith(SIGNATURE):
        fixed = start + await _exactly(receive, 1)
        length = struct.unpack(">H", fixed[14:16])[0]
        if length > V2_LIMIT:
            raise BadHeader(f"{length} octets of addresses")
        return parse_v2(fixed + await _exactly(receive, length))
    if not start.startswith(b"PROXY "):
        raise BadHeader("no PROXY header")
    line = bytearray(start)
    while not line.endswith(b"\r\n"):
        if len(line) >= V1_LIMIT:
            raise BadHeader("no end of the line")
        line += await _exactly(receive, 1)
    return parse_v1(bytes(line))


async def _exactly(receive: Receive, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = await receive(count - len(found))
        if not more:
            raise BadHeader("the connection ended")
        found += more
    return found


def parse_v1(line: bytes) -> Proxied:
    """`PROXY TCP4 source destination source-port destination-port CRLF`"""
    try:
        words = line.decode("ascii").removesuffix("\r\n").split(" ")
    except UnicodeDecodeError:
        raise BadHeader("not ASCII") from None
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return Proxied()
    if len(words) != 6 or words[0] != "PROXY" or words[1] not in ("TCP4", "TCP6"):
        raise BadHeader("not TCP4, TCP6 or UNKNOWN")
    version = 4 if words[1] == "TCP4" else 6
    try:
        source, target = (ipaddress.ip_address(word) for word in words[2:4])
    except ValueError as error:
        raise BadHeader(str(error)) from None
    ports = [int(word) for word in words[4:] if word.isascii() and word.isdigit() and len(word) <= 5]
    if source.version != version or target.version != version or len(ports) != 2 or max(ports) > 65_535:
        raise BadHeader("addresses or ports that do not fit")
    return Proxied(str(source), ports[0])


def parse_v2(header: bytes) -> Proxied:
    """The fixed part of 16 octets, addresses, TLVs (which are passed over)."""
    version, family, length = struct.unpack(">BBH", header[12:16])
    body = header[16 : 16 + length]
    if version >> 4 != 2 or version & 15 > 1 or len(body) != length:
        raise BadHeader("not version 2")
    if version & 15 == 0:  # LOCAL
        return Proxied()
    match family:
        case 0x11 if length >= 12:
            source, _, port, _ = struct.unpack(">4s4sHH", body[:12])
        case 0x21 if length >= 36:
            source, _, port, _ = struct.unpack(">16s16sHH", body[:36])
        case 0x00 | 0x31 | 0x32:  # UNSPEC, unix
            return Proxied()
        case _:
            raise BadHeader(f"family and transport {family:#x} with {length} octets")
    return Proxied(str(ipaddress.ip_address(source)), port)
