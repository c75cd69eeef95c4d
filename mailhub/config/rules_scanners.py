"""What no type can say about daemons that are asked about mail. Pure."""

from collections.abc import Iterator

from . import endpoints, lookup, milters
from .findings import Finding, shown
from .lines import Path
from .schema import Config, Smtp


def scanning(config: Config) -> Iterator[Finding]:
    for name in ("clamav", "spamassassin", "rspamd"):
        yield from _address((name, "address"), getattr(config, name).address)


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


def _address(path: Path, text: str) -> Iterator[Finding]:
    try:
        if text:
            endpoints.endpoint(text)
    except lookup.Malformed as error:
        yield Finding(path, shown(text), f'{error}; or ""')
