"""What this machine's network looks like from inside: gateways, own addresses, and whether it is a container's.

Linux says it in files below /proc; `read(root)` reads them once, `parse_*` are pure, for tests. Elsewhere nothing is found.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

FILE_LIMIT = 4_194_304  # octets read of one file: a full routing table has no place in a container
_GATEWAY = 0x0002  # RTF_GATEWAY
_LOOPBACK = "0" * 31 + "1"
_RUNTIMES = ("docker", "containerd", "kubepods", "libpod", "lxc", "crio")


class Machine(Struct, frozen=True):
    """`gateways`: of all routes; `own`: addresses of its interfaces, loopback left out; `container`: what shows that it
    is one, "" where nothing does."""

    gateways: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    container: str = ""


def read(root: str = "/") -> Machine:
    """The machine under `root`; what can not be read is taken to say nothing."""

    def text(name: str) -> str:
        with contextlib.suppress(OSError), open(f"{root}{name}", encoding="ascii", errors="replace") as file:
            return file.read(FILE_LIMIT)
        return ""

    there = [f"/{name}" for name in (".dockerenv", "run/.containerenv") if Path(root, name).exists()]
    if not there and Path(root, "var/run/secrets/kubernetes.io").exists():
        there = ["/var/run/secrets/kubernetes.io"]
    return Machine(
        frozenset((*parse_route(text("proc/net/route")), *parse_ipv6_route(text("proc/net/ipv6_route")))),
        frozenset((*parse_fib_trie(text("proc/net/fib_trie")), *parse_if_inet6(text("proc/net/if_inet6")))),
        there[0] if there else parse_cgroup(text("proc/self/cgroup")),
    )


def parse_route(text: str) -> Iterator[str]:
    """Gateways of /proc/net/route: hexadecimal, in the byte order of the machine."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError, OverflowError):
            if int(fields[3], 16) & _GATEWAY:
                yield str(ipaddress.IPv4Address(socket.htonl(int(fields[2], 16))))


def parse_ipv6_route(text: str) -> Iterator[str]:
    """Next hops of /proc/net/ipv6_route."""
    for line in text.splitlines():
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError):
            if int(fields[8], 16) & _GATEWAY and len(fields[4]) == 32 and int(fields[4], 16):
                yield str(ipaddress.IPv6Address(int(fields[4], 16)))


def parse_fib_trie(text: str) -> Iterator[str]:
    """Own addresses of /proc/net/fib_trie: a leaf `|-- ADDRESS` with `/32 host LOCAL` below it."""
    leaf = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            with contextlib.suppress(ValueError):
                if not ipaddress.IPv4Address(leaf).is_loopback:
                    yield leaf


def parse_if_inet6(text: str) -> Iterator[str]:
    """Own addresses of /proc/net/if_inet6."""
    for line in text.splitlines():
        digits = line.partition(" ")[0]
        with contextlib.suppress(ValueError):
            if len(digits) == 32 and digits != _LOOPBACK:
                yield str(ipaddress.IPv6Address(int(digits, 16)))


def parse_cgroup(text: str) -> str:
    """The runtime that /proc/self/cgroup names, "" for none."""
    for line in text.splitlines():
        path = line.rpartition(":")[2]
        for runtime in _RUNTIMES:
            if runtime in path:
                return f"/proc/self/cgroup: {runtime}"
    return ""
