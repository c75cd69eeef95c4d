"""`mailhub reports`."""

from pathlib import Path

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import harmless, print_json, print_table

_days = click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True, help="Of the last days.")
_domain = click.option("--domain", default="", help="Of this domain alone.")


_NAMED = 10  # organizations, to a person


def _say(found: words.DmarcReports | words.TlsReports) -> None:
    others = len(found.organizations) - _NAMED
    names = [harmless(name) for name in found.organizations[:_NAMED]] + ([f"{others} others"] if others > 0 else [])
    click.echo(f"{found.reports} reports of {', '.join(names) or 'nobody'}; {found.unread} could not be read")


@click.group()
def reports() -> None:
    """Reports that others sent us: on mail with our domains in From, and on TLS with our hosts."""


@reports.command()
@click.argument("account")
@_days
@_domain
@common
def dmarc(account: str, days: int, domain: str, config: Path | None, as_json: bool) -> None:
    """Sum up the DMARC reports that lie in ACCOUNT, where the rua address of the record leads to."""
    with backend(config) as side:
        found = side.ask(words.ReportsDmarc(account=account, days=days, domain=domain))
    if as_json:
        return print_json(found)
    _say(found)
    rows = [
        (one.domain, one.source, one.messages, one.aligned, one.dkim, one.spf, one.refused, one.quarantined)
        for one in found.sources
    ]
    return print_table(("DOMAIN", "FROM", "MESSAGES", "ALIGNED", "DKIM", "SPF", "REFUSED", "QUARANTINED"), rows)


@reports.command()
@click.argument("account")
@_days
@_domain
@common
def tls(account: str, days: int, domain: str, config: Path | None, as_json: bool) -> None:
    """Sum up the TLS reports (RFC 8460) that lie in ACCOUNT."""
    with backend(config) as side:
        found = side.ask(words.ReportsTls(account=account, days=days, domain=domain))
    if as_json:
        return print_json(found)
    _say(found)
    rows = [
        (
            one.domain,
            one.policy,
            one.successes,
            one.failed,
            ", ".join(f"{name} {count}" for name, count in one.failures),
        )
        for one in found.destinations
    ]
    return print_table(("DOMAIN", "POLICY", "GOOD", "FAILED", "WHY"), rows)
