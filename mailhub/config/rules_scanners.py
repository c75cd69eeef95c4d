"""What no type can say about daemons that are asked about mail. Pure."""

from collections.abc import Iterator

from . import endpoints, lookup
from .findings import Finding, shown
from .lines import Path
from .schema import Config


def scanning(config: Config) -> Iterator[Finding]:
    for name in ("clamav", "spamassassin", "rspamd"):
        yield from _address((name, "address"), getattr(config, name).address)


def _address(path: Path, text: str) -> Iterator[Finding]:
    try:
        if text:
            endpoints.endpoint(text)
    except lookup.Malformed as error:
        yield Finding(path, shown(text), f'{error}; or ""')
