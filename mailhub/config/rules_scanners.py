"""What no type can say about daemons that are asked about mail. Pure."""

from collections.abc import Collection, Iterator

from . import content_filter as ways
from . import endpoints, lookup, milters
from .findings import Finding, shown
from .lines import Path
from .schema import Config, Smtp


def scanning(config: Config) -> Iterator[Finding]:
    for name in ("clamav", "spamassassin", "rspamd"):
        yield from _address((name, "address"), getattr(config, name).address)
    yield from content_filter(("smtp",), config.smtp, config.transport)
    for n, door in enumerate(config.listener):
        if door.smtp is not None:
            yield from content_filter(("listener", n, "smtp"), door.smtp, config.transport)


def smtp_milters(path: Path, smtp: Smtp) -> Iterator[Finding]:
    for key in ("milters", "non_smtpd_milters"):
        for n, text in enumerate(getattr(smtp, key)):
            try:
                milters.milter(text)
            except lookup.Malformed as error:
                yield Finding((*path, key, n), shown(text), str(error))
    for n, text in enumerate(smtp.milter_macro_defaults):
        if not text.partition("=")[0].strip() or "=" not in text:
            yield Finding((*path, "milter_macro_defaults", n), shown(text), '"NAME=value"')


def content_filter(path: Path, smtp: Smtp, transports: Collection[str]) -> Iterator[Finding]:
    way = smtp.content_filter
    known = {*transports, "smtp", "relay", "lmtp", "pipe"}
    if way and not (ways.is_way(way) and way.partition(":")[0] in known):
        allowed = f'"TRANSPORT:NEXTHOP" with a transport of {", ".join(sorted(known))}; or ""'
        yield Finding((*path, "content_filter"), shown(way), allowed)


def _address(path: Path, text: str) -> Iterator[Finding]:
    try:
        if text:
            endpoints.endpoint(text)
    except lookup.Malformed as error:
        yield Finding(path, shown(text), f'{error}; or ""')
