"""A private Postfix with one smtpd on a port of its own for each set of parameters.

The smtpds are chrooted into the queue folder, so that their resolver reads the `etc/resolv.conf` that lies there and asks the
test's DNS server.
"""

import contextlib
from collections.abc import Iterator, Mapping

from support.postfix import private
from support.server import free_ports

_RELAYING = "pickup unix n - n 60 1 pickup\nsmtp unix - - n - - smtp\n"


@contextlib.contextmanager
def postfix(common: Mapping[str, str], services: Mapping[str, Mapping[str, str]], dns: str) -> Iterator[dict[str, int]]:
    """The ports of the services, by their names. `dns`: an address whose port 53 is asked for names."""
    ports = dict(zip(services, free_ports(len(services)), strict=True))
    lines = [_RELAYING]
    for name, own in services.items():
        lines.append(f"127.0.0.1:{ports[name]} inet n - y - - smtpd\n")
        lines += [f"  -o {{ {key} = {value} }}\n" for key, value in own.items()]
    settings = {"inet_interfaces": "127.0.0.1", "inet_protocols": "all", **common}
    in_queue = {
        "etc/resolv.conf": f"nameserver {dns}\noptions timeout:2 attempts:1\n", "etc/services": "smtp 25/tcp\n"
    }  # fmt: skip
    with private("".join(lines), settings, ports.values(), in_queue):
        yield ports
