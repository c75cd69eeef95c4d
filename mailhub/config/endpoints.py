"""Where a daemon listens, as Postfix writes it: "inet:HOST:PORT", "inet:[ADDRESS]:PORT", "unix:/PATH" (or "local:/PATH"). Pure."""

import re

from msgspec import Struct

from .findings import ip_version, is_domain
from .lookup import Malformed as Malformed
from .lookup import split

ALLOWED = '"inet:127.0.0.1:783", "inet:[::1]:783", "inet:host.example:783" or "unix:/path"'
_PATH_LIMIT = 107  # octets of a socket's path
_TIME = re.compile(r"([0-9]{1,6})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_INET = re.compile(r"inet:(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:\s]+)):([0-9]{1,5})")


class Endpoint(Struct, frozen=True):
    """Host (a name, or an address without brackets) and port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"inet:[{self.host}]:{self.port}" if ":" in self.host else f"inet:{self.host}:{self.port}"


def endpoint(text: str) -> Endpoint:
    """Malformed where it is none."""
    kind, _, path = text.partition(":")
    if kind in ("unix", "local") and path.startswith("/") and "\0" not in path and len(path.encode()) <= _PATH_LIMIT:
        return Endpoint(path=path)
    found = _INET.fullmatch(text)
    if found is None or not 0 < int(found[3]) <= 65_535:
        raise Malformed(ALLOWED)
    host = found[1] or found[2]
    if ip_version(host) is None if found[1] else not is_domain(host):
        raise Malformed(ALLOWED)
    return Endpoint(host.lower(), int(found[3]))


def braced(text: str) -> tuple[Endpoint, list[tuple[str, str]]]:
    """One that may stand in braces, with settings behind it: `{ inet:HOST:PORT, timeout=10s }`. Malformed."""
    text = text.strip()
    if not text.startswith("{"):
        return endpoint(text), []
    first, *words = split(text) or ("",)
    found = [(name.strip(), value.strip()) for name, _, value in (word.partition("=") for word in words)]
    return endpoint(first), found


def seconds(text: str) -> float:
    """As Postfix writes times: "10", "10s", "5m"."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise Malformed(f'a time such as "30s" or "5m", not {text[:100]!r}')
    return float(int(found[1]) * _UNITS[found[2]])
