"""What no type can say about [setup]. Pure."""

import ipaddress
import re
from collections.abc import Iterator

from .findings import Finding, ip_version, is_domain, shown
from .schema import Config

_TERM = re.compile(r"[+?~-]?[A-Za-z][A-Za-z0-9_.-]*(?:[:/=][!#-\[\]-~]*)?")
_REPORTS = re.compile(r"[A-Za-z0-9.#$&'*/=?^_`{|}~+-]+(@[A-Za-z0-9.-]+)?")


def setup(config: Config) -> Iterator[Finding]:
    """Values that would make a zone that is none."""
    given = config.setup
    for n, address in enumerate(given.addresses):
        if ip_version(address) is None or ipaddress.ip_address(address).is_unspecified:
            yield Finding(("setup", "addresses", n), shown(address), "an IPv4 or IPv6 address")
    for key in ("mx", "probes"):
        for n, host in enumerate(getattr(given, key)):
            if not (is_domain(host) and host.isascii()):
                yield Finding(("setup", key, n), shown(host), 'a host name in ASCII, such as "mail.example.org"')
    for n, term in enumerate(given.spf):
        if not _TERM.fullmatch(term) or term.lstrip("+?~-").lower() == "all":
            allowed = 'a term of SPF, such as "include:_spf.example.net" or "ip4:192.0.2.1"'
            yield Finding(("setup", "spf", n), shown(term), allowed)
    if not _REPORTS.fullmatch(given.reports):
        yield Finding(("setup", "reports"), shown(given.reports), 'an address, or a local part such as "postmaster"')
    names = {listener.label for listener in config.listener}
    for name in sorted(given.ports.keys() - names):
        yield Finding(("setup", "ports", name), "a listener that there is not", ", ".join(sorted(names)))
