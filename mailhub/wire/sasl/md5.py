"""MD5 taken up in the middle (RFC 1321), for CRAM-MD5 secrets: Dovecot's {CRAM-MD5} keeps the two states of HMAC-MD5 after
their first block, so that the password itself need not be kept. hashlib can not continue from a state."""

import math
import struct
from collections.abc import Sequence

_SHIFTS = (7, 12, 17, 22) * 4 + (5, 9, 14, 20) * 4 + (4, 11, 16, 23) * 4 + (6, 10, 15, 21) * 4
_SINES = tuple(int(abs(math.sin(n + 1)) * 2**32) for n in range(64))
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_MASK = 0xFFFFFFFF
_BLOCK = 64  # octets
_HEX = 64  # characters of a {CRAM-MD5} secret: outer state, inner state

State = tuple[int, int, int, int]


def _compress(state: State, block: bytes) -> State:
    """RFC 1321 section 3.4, one block of 64 octets."""
    words = struct.unpack("<16I", block)
    a, b, c, d = state
    for n in range(64):
        if n < 16:
            mixed, word = (b & c) | (~b & d), n
        elif n < 32:
            mixed, word = (d & b) | (~d & c), (5 * n + 1) % 16
        elif n < 48:
            mixed, word = b ^ c ^ d, (3 * n + 5) % 16
        else:
            mixed, word = c ^ (b | (~d & _MASK)), 7 * n % 16
        turned = (a + mixed + _SINES[n] + words[word]) & _MASK
        shift = _SHIFTS[n]
        a, d, c, b = d, c, b, (b + (turned << shift | turned >> (32 - shift))) & _MASK
    return tuple((x + y) & _MASK for x, y in zip(state, (a, b, c, d), strict=True))  # type: ignore[return-value]


def _finish(state: State, message: bytes) -> bytes:
    """The digest of a block that led to `state`, followed by `message`."""
    length = _BLOCK + len(message)
    padded = message + b"\x80" + bytes((55 - len(message)) % _BLOCK) + struct.pack("<Q", length * 8)
    for start in range(0, len(padded), _BLOCK):
        state = _compress(state, padded[start : start + _BLOCK])
    return struct.pack("<4I", *state)


def _key_block(password: bytes) -> bytes:
    if len(password) > _BLOCK:
        import hashlib

        password = hashlib.md5(password, usedforsecurity=False).digest()
    return password.ljust(_BLOCK, b"\0")


def cram_secret(password: bytes) -> str:
    """What Dovecot stores as {CRAM-MD5}."""
    key = _key_block(password)
    states = (_compress(_START, bytes(octet ^ pad for octet in key)) for pad in (0x5C, 0x36))
    return b"".join(struct.pack("<4I", *state) for state in states).hex()


def cram_digest(secret: str, challenge: bytes) -> str:
    """HMAC-MD5 (RFC 2104) of `challenge` under the password behind `secret`, in hex. ValueError where it is no such secret."""
    if len(secret) != _HEX:
        raise ValueError("a CRAM-MD5 secret has 64 hex digits")
    numbers: Sequence[int] = struct.unpack("<8I", bytes.fromhex(secret))
    outer: State = (numbers[0], numbers[1], numbers[2], numbers[3])
    inner: State = (numbers[4], numbers[5], numbers[6], numbers[7])
    return _finish(outer, _finish(inner, challenge)).hex()
