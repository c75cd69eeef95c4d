"""What no type can say about ways of mail: relays, transports, users of the system. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from . import commands
from .findings import Finding, ip_version, is_domain, shown
from .lines import Path
from .schema import Config, Local, Maildrop, Relay, Transport
from .webhooks import EVENTS

_FIXED = ("local", "virtual", "system", "error", "retry", "hold", "discard", "pipe")  # transports that have no settings
_NEXTHOP = re.compile(r"(\[[^\[\]\s]+\]|[^\[\]\s:]+)(:[0-9]{1,5})?")
_TRANSPORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def relay(path: Path, relay: Relay) -> Iterator[Finding]:
    for key, value, version in (("source_ipv4", relay.source_ipv4, 4), ("source_ipv6", relay.source_ipv6, 6)):
        if value and ip_version(value) != version:
            yield Finding((*path, key), shown(value), f'an IPv{version} address, or "" for the system\'s choice')
    if relay.port == 0:
        yield Finding((*path, "port"), "0", "a port from 1 to 65535")


def telemetry(config: Config) -> Iterator[Finding]:
    if config.trace.otlp and not _is_plain_url(config.trace.otlp):
        yield Finding(("trace", "otlp"), shown(config.trace.otlp), '"http://127.0.0.1:4318", "https://host", or ""')


def webhooks(config: Config) -> Iterator[Finding]:
    for name, hook in config.webhook.items():
        if not _is_plain_url(hook.url):
            allowed = '"https://host/path"; a name and password do not belong there: what is sent is signed'
            yield Finding(("webhook", name, "url"), shown(hook.url), allowed)
        if not hook.events:
            yield Finding(("webhook", name, "events"), "none", f"some of {', '.join(EVENTS)}")
        for n, domain in enumerate(hook.domains):
            if not is_domain(domain):
                yield Finding(("webhook", name, "domains", n), shown(domain), 'a domain, such as "example.org"')


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and not (parts.username or parts.fragment)
    except ValueError:
        return False


def transports(config: Config) -> Iterator[Finding]:
    for name, transport in config.transport.items():
        path = ("transport", name)
        if name in _FIXED or not _TRANSPORT.fullmatch(name):
            allowed = f"a word of letters, digits, hyphens, dots and underscores that is not {', '.join(_FIXED)}"
            yield Finding(path, shown(name), allowed)
        if transport.relay is not None:
            yield from relay((*path, "relay"), transport.relay)
        if transport.protocol == "pipe":
            yield from _pipe(path, transport)
            if config.user and not config.local.system_users and transport.user not in ("", config.user):
                allowed = (
                    f"{shown(config.user)}, who can not become another; or local.system_users = true, whose process can"
                )
                yield Finding((*path, "user"), shown(transport.user), allowed)
        elif transport.command:
            yield Finding((*path, "command"), shown(transport.command[0]), 'none where `protocol` is not "pipe"')
    relayhost = config.delivery.relayhost
    if relayhost and not _NEXTHOP.fullmatch(relayhost):
        allowed = '"[host]", "[192.0.2.1]" or a domain with MX, each with ":port" behind it where it is not 25; or ""'
        yield Finding(("delivery", "relayhost"), shown(relayhost), allowed)
    srs_domain = config.delivery.srs_domain
    if srs_domain and not is_domain(srs_domain):
        yield Finding(("delivery", "srs_domain"), shown(srs_domain), 'a domain of ours, or ""')
    known = {*config.transport, *_FIXED, "smtp", "relay", "lmtp"}
    if config.delivery.default_transport.partition(":")[0] not in known - {"local", "virtual"}:
        found = shown(config.delivery.default_transport)
        yield Finding(
            ("delivery", "default_transport"), found, "the name of a transport, a colon and a nexthop behind it"
        )


def _pipe(path: Path, pipe: Transport) -> Iterator[Finding]:
    if not pipe.command or not pipe.command[0].startswith("/"):
        yield Finding(
            (*path, "command"), shown((*pipe.command, "")[0]), "a program by its whole path, and its arguments"
        )
    known = commands.OF_RECIPIENT | commands.OF_MESSAGE
    for n, argument in enumerate(pipe.command):
        if unknown := sorted(commands.names(argument) - known):
            yield Finding((*path, "command", n), f"${unknown[0]}", ", ".join(f"${name}" for name in sorted(known)))
        if "\0" in argument or (n == 0 and "$" in argument):
            yield Finding((*path, "command", n), shown(argument), "text without NUL, and a program without a macro")
    if unknown := sorted(set(pipe.flags) - set(commands.FLAGS)):
        yield Finding((*path, "flags"), shown(unknown[0]), f"any of {commands.FLAGS}")
    if set(pipe.flags) & {"D", "O"} and pipe.recipient_limit > 1:
        yield Finding((*path, "recipient_limit"), str(pipe.recipient_limit), "1 with the flags D and O")
    for n, line in enumerate(pipe.environment):
        if not line.partition("=")[0] or "=" not in line or "\0" in line:
            yield Finding((*path, "environment", n), shown(line), '"NAME=value"')


def commands_of_aliases(config: Config) -> Iterator[Finding]:
    """Who runs them, where mailhub has given up root."""
    aliases = config.aliases
    if not config.user or config.local.system_users or aliases.default_privs == config.user:
        return
    if aliases.alias_maps and "alias" in aliases.allow_mail_to_commands:
        allowed = f"{shown(config.user)}, who can not become another; or local.system_users = true, whose process can"
        yield Finding(("aliases", "default_privs"), shown(aliases.default_privs), allowed)


def maildrop(config: Maildrop) -> Iterator[Finding]:
    if config.everybody and not config.path:
        yield Finding(("maildrop", "path"), '""', "a folder outside the data folder, where everybody may leave mail")


def local(config: Local) -> Iterator[Finding]:
    if not config.mail_spool_directory.startswith("/") or "\0" in config.mail_spool_directory:
        yield Finding(
            ("local", "mail_spool_directory"), shown(config.mail_spool_directory), "a folder by its whole path"
        )
    if (
        config.home_mailbox.startswith("/")
        or ".." in config.home_mailbox.split("/")
        or not config.home_mailbox.isprintable()
    ):
        yield Finding(
            ("local", "home_mailbox"),
            shown(config.home_mailbox),
            '"mbox", "Maildir/" or the like, below the home; or ""',
        )
    if config.mailbox_command and config.mailbox_transport:
        yield Finding(
            ("local", "mailbox_transport"), shown(config.mailbox_transport), '"" where `mailbox_command` is set'
        )
    if config.file_timeout <= config.lock_timeout:
        yield Finding(("local", "file_timeout"), shown(config.file_timeout), "more than `lock_timeout`")
