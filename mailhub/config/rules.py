"""What no type can say about a configuration: networks, addresses, names, and values that exclude each other.

Pure: it looks at a `Config` and at nothing else; whether files exist and ports are free is for `mailhub check` to see.
"""

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from . import bounce_texts, commands, dnsbl, lookup, restrictions, rules_delivery, rules_directory
from .aliasing import LUSER_WORDS, Aliases
from .findings import Finding as Finding
from .findings import ip_version
from .findings import is_domain as is_domain
from .findings import shown as shown
from .lines import Path
from .rules_scanners import scanning, smtp_milters
from .rules_setup import acme, setup
from .schema import AutoExpunge, Config, Listener, Mailbox, OAuth, Queue, Smtp

_PREFIX = frozenset(".*%/")  # have a meaning in folder names
_CONTACT = re.compile(r"[!-;=?A-~]+@[A-Za-z0-9.-]+")
_PROVIDERS = ("saslauthd", "dovecot", "authdaemon", "passwd-file", "table")


def check(config: Config) -> Iterator[Finding]:
    """Every impossible value of a configuration whose types are right."""
    yield from _names(config)
    yield from _listeners(config.listener)
    yield from _tls(config)
    yield from _smtp(("smtp",), config.smtp)
    for n, network in enumerate(config.limits.allow):
        yield from _network(("limits", "allow", n), network)
    for n, network in enumerate(config.greylist.allow):
        yield from _network(("greylist", "allow", n), network)
    for key in ("metrics_networks", "trusted_proxies"):
        for n, network in enumerate(getattr(config.web, key)):
            yield from _network(("web", key, n), network)
    for n, site in enumerate(config.dnsbl.sites):
        try:
            dnsbl.site(site)
        except dnsbl.Malformed as error:
            yield Finding(("dnsbl", "sites", n), shown(site), str(error))
    yield from scanning(config)
    yield from _location(config.store.mail_location)
    yield from _auth(config)
    yield from rules_directory.directory(config)
    yield from rules_directory.store(config)
    yield from _queue(config.queue)
    yield from setup(config)
    yield from acme(config)
    yield from _delimiter(config.delivery.recipient_delimiter)
    yield from _aliases(config.aliases)
    for n, name in enumerate(config.canonical.masquerade_domains):
        if not is_domain(name.removeprefix("!")):
            path = ("canonical", "masquerade_domains", n)
            yield Finding(path, shown(name), 'a domain, such as "example.org", or "!sub.example.org"')
    yield from _shared(config.mailbox)
    yield from _retention(config.mailbox.autoexpunge)
    yield from rules_delivery.relay(("relay",), config.relay)
    yield from rules_delivery.transports(config)
    yield from rules_delivery.webhooks(config)
    yield from rules_delivery.telemetry(config)
    yield from rules_delivery.local(config.local)
    yield from rules_delivery.maildrop(config.maildrop)
    yield from rules_delivery.commands_of_aliases(config)
    for section, contact in (
        ("tls_reports", config.tls_reports.contact),
        ("dmarc_reports", config.dmarc_reports.contact),
    ):
        if contact and not _CONTACT.fullmatch(contact):
            yield Finding((section, "contact"), shown(contact), 'an address such as "postmaster@example.org", or ""')
    for key in ("nameservers", "validating"):
        for n, server in enumerate(getattr(config.resolver, key)):
            if not _is_nameserver(server):
                yield Finding(("resolver", key, n), shown(server), '"192.0.2.1:53", "[2001:db8::1]:53" or an address')


def _shared(mailbox: Mailbox) -> Iterator[Finding]:
    prefixes = {key: getattr(mailbox, key) for key in ("other_users_prefix", "public_prefix")}
    for key, prefix in prefixes.items():
        if prefix and (not prefix.isprintable() or not _PREFIX.isdisjoint(prefix) or prefix.upper() == "INBOX"):
            yield Finding(("mailbox", key), shown(prefix), 'a folder name of one level, such as "Shared", or ""')
    if len(set(prefixes.values())) == 1 and mailbox.public_prefix:
        yield Finding(
            ("mailbox", "public_prefix"), shown(mailbox.public_prefix), "another name than other_users_prefix"
        )
    local, _, domain = mailbox.public_account.rpartition("@")
    if mailbox.public_account and not (local and is_domain(domain) and mailbox.public_account.islower()):
        found = shown(mailbox.public_account)
        yield Finding(("mailbox", "public_account"), found, 'an account in lower case, such as "public@example.org"')


def _aliases(aliases: Aliases) -> Iterator[Finding]:
    for n, name in enumerate(aliases.local_domains):
        if not is_domain(name):
            yield Finding(("aliases", "local_domains", n), shown(name), 'a domain, such as "example.org"')
    if unknown := sorted(commands.names(aliases.luser_relay) - LUSER_WORDS):
        allowed = ", ".join(f"${word}" for word in sorted(LUSER_WORDS))
        yield Finding(("aliases", "luser_relay"), f"${unknown[0]}", allowed)


def _retention(rules: tuple[AutoExpunge, ...]) -> Iterator[Finding]:
    for n, rule in enumerate(rules):
        if not rule.age and not rule.count:
            yield Finding(("mailbox", "autoexpunge", n), "neither age nor count", "one of them, or both")


def _names(config: Config) -> Iterator[Finding]:
    if not (is_domain(config.hostname) and config.hostname.isascii()):
        yield Finding(("hostname",), shown(config.hostname), 'a host name in ASCII, such as "mail.example.org"')
    seen: set[str] = set()
    for n, domain in enumerate(config.domains):
        if not is_domain(domain):
            yield Finding(("domains", n), shown(domain), 'a domain, such as "example.org"')
        elif domain.lower() in seen:
            yield Finding(("domains", n), f"{shown(domain)} a second time", "each domain once")
        seen.add(domain.lower())
    for n, name in enumerate(config.arc.trusted_sealers):
        if not (is_domain(name) and name.isascii()):
            yield Finding(("arc", "trusted_sealers", n), shown(name), 'a domain in ASCII, such as "example.org"')
    if config.demo and not config.domains:
        yield Finding(("demo",), "true with no domain", "true only where `domains` names one")
    if "\0" in config.data:
        yield Finding(("data",), shown(config.data), "the path of a folder")


def _listeners(listeners: tuple[Listener, ...]) -> Iterator[Finding]:
    names: set[str] = set()
    bound: list[tuple[int, str]] = []
    for n, listener in enumerate(listeners):
        yield from _door(("listener", n), listener)
        if listener.path:
            continue
        version = ip_version(listener.address)
        if version is None:
            allowed = 'an IPv4 or IPv6 address; "0.0.0.0" or "::" for all'
            yield Finding(("listener", n, "address"), shown(listener.address), allowed)
            continue
        if listener.name and (listener.name in names or not listener.name.isprintable()):
            yield Finding(("listener", n, "name"), shown(listener.name), "a printable name that no other listener has")
        names.add(listener.name)
        address = ipaddress.ip_address(listener.address)
        for port, other in bound:
            if listener.port and port == listener.port and _collide(address, ipaddress.ip_address(other)):
                allowed = f"a port that no other listener has on {other}"
                yield Finding(("listener", n, "port"), f"{port} a second time", allowed)
                break
        bound.append((listener.port, listener.address))


IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def _collide(one: IpAddress, other: IpAddress) -> bool:
    """ "::" does not take IPv4's ports: listening sockets of IPv6 are opened for IPv6 only."""
    return one.version == other.version and (one == other or one.is_unspecified or other.is_unspecified)


def _door(path: Path, listener: Listener) -> Iterator[Finding]:
    """What stands at one listener besides its address."""
    try:
        int(listener.mode, 8)
    except ValueError:
        yield Finding((*path, "mode"), shown(listener.mode), 'an octal number such as "0660"')
    if "\0" in listener.path or len(listener.path.encode()) > 100:
        yield Finding((*path, "path"), shown(listener.path), "a path of at most 100 octets")
    if listener.protocol == "auth" and not listener.path:
        yield Finding((*path, "path"), "nothing", "a unix socket: who can ask there may try passwords")
    if listener.protocol == "auth" and listener.tls != "none":
        yield Finding((*path, "tls"), shown(listener.tls), '"none": TLS is between its clients and theirs')
    if listener.protocol == "http" and listener.tls == "starttls":
        yield Finding((*path, "tls"), shown(listener.tls), '"none" or "implicit": HTTP has no STARTTLS')
    if listener.path and listener.proxy_protocol:
        yield Finding((*path, "proxy_protocol"), "true", "false where a unix socket is served")
    for k, network in enumerate(listener.proxy_networks):
        yield from _network((*path, "proxy_networks", k), network)
    if listener.smtp is not None:
        yield from _smtp((*path, "smtp"), listener.smtp)


def _smtp(path: Path, smtp: Smtp) -> Iterator[Finding]:
    for n, network in enumerate(smtp.mynetworks):
        if network.partition(":")[0] in lookup.TYPES:
            yield from _table((*path, "mynetworks", n), network)
        else:
            yield from _network((*path, "mynetworks", n), network)
    for key in ("xclient_hosts", "xforward_hosts"):
        for n, network in enumerate(getattr(smtp, key)):
            yield from _network((*path, key, n), network)
    yield from smtp_milters(path, smtp)
    for key in smtp.__struct_fields__:
        if key.endswith("_restrictions"):
            yield from _restrictions((*path, key), getattr(smtp, key))
    with contextlib.suppress(lookup.Malformed):
        if restrictions.opens_to_all(smtp.relay_restrictions):
            allowed = "reject_unauth_destination, defer_unauth_destination, reject or defer before it"
            yield Finding((*path, "relay_restrictions"), "a permit for everybody: an open relay", allowed)


def _queue(queue: Queue) -> Iterator[Finding]:
    if not queue.retry:
        yield Finding(("queue", "retry"), "an empty list", "at least one waiting time")
    yield from _ladder(("queue", "retry"), queue.retry)
    seen: set[str] = set()
    for n, entry in enumerate(queue.destination):
        path: Path = ("queue", "destination", n)
        yield from _ladder((*path, "retry"), entry.retry)
        name = entry.domain.lower()
        if not is_domain(name.removeprefix(".")):
            yield Finding((*path, "domain"), shown(entry.domain), 'a domain, such as "example.org" or ".example.org"')
        elif name in seen:
            yield Finding((*path, "domain"), f"{shown(entry.domain)} a second time", "each domain once")
        seen.add(name)
    postmaster = queue.double_bounce_recipient
    if not postmaster.isprintable() or set(postmaster) & set(' <>"') or len(postmaster) > 254:
        yield Finding(("queue", "double_bounce_recipient"), shown(postmaster), 'an address, or ""')
    yield from _bounce_texts(queue)


def _ladder(path: Path, ladder: tuple[float, ...]) -> Iterator[Finding]:
    for n, seconds in enumerate(ladder):
        if seconds < 1:
            yield Finding((*path, n), shown(seconds), "at least 1 second")


def _bounce_texts(queue: Queue) -> Iterator[Finding]:
    own = [bounce_texts.Text(text.language, text.action, text.subject, text.body) for text in queue.bounce_texts]
    for n, text in enumerate(own):
        path: Path = ("queue", "bounce_texts", n)
        if any((text.language, text.action) == (other.language, other.action) for other in own[:n]):
            allowed = "one text for each action and language"
            yield Finding((*path, "action"), f"{shown(text.action)} for {shown(text.language)} a second time", allowed)
        if not text.subject.isprintable():
            yield Finding((*path, "subject"), shown(text.subject), "one line of text")
        for key in ("subject", "body"):
            for found, allowed in bounce_texts.wrong(getattr(text, key)):
                yield Finding((*path, key), found, allowed)
    if not queue.bounce_languages:
        yield Finding(("queue", "bounce_languages"), "an empty list", "at least one language")
    for n, language in enumerate(queue.bounce_languages):
        if lacking := bounce_texts.missing(language, own):
            shipped = ", ".join(f'"{name}"' for name in bounce_texts.SHIPPED)
            allowed = f"{shipped}, or a language with its queue.bounce_texts (missing: {', '.join(lacking)})"
            yield Finding(("queue", "bounce_languages", n), shown(language), allowed)


def _auth(config: Config) -> Iterator[Finding]:
    for n, word in enumerate(config.auth.providers):
        kind, _, name = word.partition(":")
        if word != "directory" and (kind not in _PROVIDERS or not name):
            yield Finding(
                ("auth", "providers", n), shown(word), f'"directory", or {", ".join(_PROVIDERS)} with ":" and a name'
            )
        elif kind == "table":
            yield from _table(("auth", "providers", n), name)
    if config.auth.default_domain and not is_domain(config.auth.default_domain):
        yield Finding(("auth", "default_domain"), shown(config.auth.default_domain), 'a domain, or ""')
    yield from _oauth(("auth", "oauth"), config.auth.oauth)


def _oauth(path: Path, oauth: OAuth) -> Iterator[Finding]:
    for key, needed in (("jwks", ("issuer", "audience", "algorithms")), ("introspection", ("introspection_client",))):
        if getattr(oauth, key):
            for name in needed:
                if not getattr(
                    oauth, name
                ):  # whose tokens, made for whom: else any of an issuer's would open mailboxes
                    yield Finding((*path, name), "nothing", f"a value, where `{key}` is set")
    for key, text, scheme in (("jwks", oauth.jwks, "://" in oauth.jwks), ("introspection", oauth.introspection, True)):
        if text and scheme and not is_url(text):
            yield Finding((*path, key), shown(text), 'a URL such as "https://login.example.org/keys"')


def is_url(text: str) -> bool:
    """Whether it can be asked by HTTP; names and passwords do not stand in it."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:
        return False


def _tls(config: Config) -> Iterator[Finding]:
    if bool(config.tls.certificate) != bool(config.tls.key):
        missing = "key" if config.tls.certificate else "certificate"
        yield Finding(("tls", missing), "nothing", "`certificate` and `key` together, or neither")
    if config.tls.client_certificates != "none" and not config.tls.client_ca:
        yield Finding(
            ("tls", "client_ca"), "nothing", "the PEM file of the authorities whose certificates clients may show"
        )
    for key, path in (("certificate", config.tls.certificate), ("key", config.tls.key)):
        if "\0" in path:
            yield Finding(("tls", key), shown(path), "the path of a PEM file")


def _network(path: Path, text: str) -> Iterator[Finding]:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        allowed = 'a network such as "192.0.2.0/24" or "2001:db8::/32"'
        with contextlib.suppress(ValueError):
            allowed = f'"{ipaddress.ip_network(text, strict=False)}" (the bits behind the prefix must be 0)'
        yield Finding(path, shown(text), allowed)


def _table(path: Path, text: str) -> Iterator[Finding]:
    try:
        lookup.spec(text)
    except lookup.Malformed as error:
        yield Finding(path, shown(text), str(error))


def _restrictions(path: Path, texts: tuple[str, ...]) -> Iterator[Finding]:
    try:
        restrictions.parse(texts)
    except lookup.Malformed as error:
        yield Finding(path, shown(" ".join(texts)), str(error))


def _location(location: str) -> Iterator[Finding]:
    """Absolute, and another for each account."""
    words = re.findall("%(.?)", location)
    known = "u" in words or {"d", "n"} <= set(words)
    if location and (not location.startswith("/") or not known or not set(words) <= {"d", "n", "u"}):
        allowed = 'an absolute path with %d and %n, or %u, such as "/var/vmail/%d/%n"'
        yield Finding(("store", "mail_location"), shown(location), allowed)


def _delimiter(char: str) -> Iterator[Finding]:
    if char and (char.isalnum() or char in '@"\\.<>()[]:;,' or not "!" <= char <= "~"):
        yield Finding(("delivery", "recipient_delimiter"), shown(char), 'one sign such as "+" or "-", or ""')


def _is_nameserver(text: str) -> bool:
    if ip_version(text) is not None:
        return True
    address, _, port = text.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    version = ip_version(address[1:-1] if bracketed else address)
    return version == (6 if bracketed else 4) and port.isascii() and port.isdigit() and 0 < int(port) <= 65535
