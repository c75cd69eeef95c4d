"""What no type can say about [setup]. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from .findings import Finding, ip_version, is_domain, shown
from .schema import Config

_TERM = re.compile(r"[+?~-]?[A-Za-z][A-Za-z0-9_.-]*(?:[:/=][!#-\[\]-~]*)?")
_CONTACT = re.compile(r"[A-Za-z0-9.#$&'*/=?^_`{|}~+-]+@[A-Za-z0-9.-]+")
_REPORTS = re.compile(r"[A-Za-z0-9.#$&'*/=?^_`{|}~+-]+(@[A-Za-z0-9.-]+)?")


def acme(config: Config) -> Iterator[Finding]:
    """What keeps certificates from being had."""
    given = config.tls.acme
    if not given.directory:
        return
    parts = urlsplit(given.directory)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        allowed = '"https://acme-v02.api.letsencrypt.org/directory", or another URL of https'
        yield Finding(("tls", "acme", "directory"), shown(given.directory), allowed)
    if not given.agree_terms:
        yield Finding(
            ("tls", "acme", "agree_terms"), "false", "true: who asks for certificates has agreed to its terms"
        )
    if not (given.dns_command or any(listener.protocol == "http" for listener in config.listener)):
        allowed = 'one with `protocol = "http"`, reached by port 80, or a `dns_command`'
        yield Finding(("tls", "acme"), "no listener that speaks HTTP", allowed)
    for n, name in enumerate(given.names):
        plain = name.removeprefix("*.") if given.dns_command else name
        if not (is_domain(plain.replace("%d", "example.org")) and name.isascii()):
            allowed = '"mail.example.org", or "mta-sts.%d"; wildcards with a `dns_command` alone'
            yield Finding(("tls", "acme", "names", n), shown(name), allowed)
    for n, address in enumerate(given.contact):
        if not _CONTACT.fullmatch(address):
            yield Finding(("tls", "acme", "contact", n), shown(address), 'an address such as "postmaster@example.org"')


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
