"""Dovecot's authentication protocol, version 1.x, as a server speaks it with Postfix and others: lines, tabs between fields.

    S: VERSION 1 2 / MECH PLAIN plaintext / SPID 57 / CUID 2 / COOKIE 32 hexadecimal digits / DONE
    C: VERSION 1 1 / CPID 77
    C: AUTH 1 PLAIN service=smtp nologin secured rip=192.0.2.1 resp=base64
    S: CONT 1 base64 / OK 1 user=name / FAIL 1 reason=text temp
    C: CONT 1 base64 / CANCEL 1

What a client says is a command, or BadLine. In fields NUL, line ends, tabs and %x01 are written as %x01 and a sign.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

MAJOR, MINOR = 1, 2
FIELDS_LIMIT = 100  # of a line
_NUMBER_LIMIT = 1 << 32  # numbers of requests and processes stay below
_ESCAPES = {"\1": "1", "\0": "0", "\t": "t", "\n": "n", "\r": "r"}
_SIGNS = {sign: char for char, sign in _ESCAPES.items()}
_PROPERTIES = {
    "PLAIN": ("plaintext",), "LOGIN": ("plaintext",), "CRAM-MD5": ("dictionary", "active"),
    "SCRAM-SHA-1": ("mutual-auth",), "SCRAM-SHA-256": ("mutual-auth",),
}  # fmt: skip


class BadLine(Exception):
    """No command of this protocol; the text says how and holds no secret."""


class Version(Struct, frozen=True):
    major: int


class ClientId(Struct, frozen=True):
    """A client's process: the end of its side of the handshake."""

    process: int


@dataclass(frozen=True, slots=True)
class Auth:
    """`parameters`: name to value, "" where it has none. `response`: base64, None where there is no initial response."""

    request: int
    mechanism: str
    parameters: Mapping[str, str]
    response: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Continue:
    request: int
    response: bytes = field(repr=False)


class Cancel(Struct, frozen=True):
    request: int


Command = Version | ClientId | Auth | Continue | Cancel


def parse(line: bytes) -> Command:
    """A client's line, without its end. BadLine where it is none of this protocol."""
    verb, *rest = line.split(b"\t", FIELDS_LIMIT)
    if len(rest) >= FIELDS_LIMIT or not rest:
        raise BadLine("too many fields" if rest else "no fields")
    match verb:
        case b"VERSION":
            return Version(_number(rest[0]))
        case b"CPID":
            return ClientId(_number(rest[0]))
        case b"AUTH" if len(rest) >= 2:
            return _auth(_number(rest[0]), rest[1], rest[2:])
        case b"CONT" if len(rest) == 2:
            return Continue(_number(rest[0]), rest[1])
        case b"CANCEL":
            return Cancel(_number(rest[0]))
    raise BadLine("an unknown command")


def _auth(request: int, mechanism: bytes, fields: Iterable[bytes]) -> Auth:
    """The initial response has to be the last field: nothing behind it is looked at."""
    parameters: dict[str, str] = {}
    for item in fields:
        name, _, value = _text(item).partition("=")
        if name == "resp":
            return Auth(request, _text(mechanism), parameters, value.encode())
        parameters[name] = value
    return Auth(request, _text(mechanism), parameters)


def _number(octets: bytes) -> int:
    if not (octets.isdigit() and len(octets) <= 10 and int(octets) < _NUMBER_LIMIT):
        raise BadLine("no number")
    return int(octets)


def _text(octets: bytes) -> str:
    try:
        first, *rest = octets.decode("utf-8").split("\1")
        return first + "".join(_SIGNS[part[:1]] + part[1:] for part in rest)
    except (UnicodeDecodeError, KeyError):
        raise BadLine("a field that is not UTF-8, or badly escaped") from None


def line(*fields: object) -> bytes:
    """A line of the server's."""
    return "\t".join(_escaped(str(item)) for item in fields).encode("utf-8", "surrogatepass") + b"\n"


def _escaped(text: str) -> str:
    return "".join("\1" + _ESCAPES[char] if char in _ESCAPES else char for char in text)


def handshake(mechanisms: Iterable[str], process: int, connection: int, cookie: str) -> bytes:
    """All that the server says first."""
    offers = [line("MECH", name, *_PROPERTIES.get(name, ())) for name in mechanisms]
    return b"".join(
        (
            line("VERSION", MAJOR, MINOR),
            *offers,
            line("SPID", process),
            line("CUID", connection),
            line("COOKIE", cookie),
            b"DONE\n",
        )
    )
