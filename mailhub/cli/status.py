"""`mailhub status`."""

from pathlib import Path

import click

from mailhub.config.tls import EXPIRY
from mailhub.control.client import Client, NoServer
from mailhub.control.errors import ControlError
from mailhub.control.words import CertificateState, DirectoryState, GuardState, ScannerState, ServerStatus, Status

from .exits import KINDS, Exit, fail
from .options import common, read_config
from .output import harmless, moment, octets, print_json, print_table


@click.command()
@common
@click.option("--sessions", type=click.IntRange(0, 500), default=0, help="List this many sessions, oldest first.")
def status(sessions: int, config: Path | None, as_json: bool) -> None:
    """Show the running server; exit 3 where none runs."""
    data = Path(read_config(config).data)
    try:
        client = Client(data)
        try:
            answer = client.ask(Status(sessions=sessions))
        finally:
            client.close()
    except NoServer:
        if as_json:
            print_json({"running": False, "data": str(data)})
            raise SystemExit(int(Exit.ABSENT)) from None
        fail(f"no server runs on {data}", Exit.ABSENT)
    except ControlError as error:
        fail(str(error), KINDS[error.kind])
    print_json(answer) if as_json else _print(answer)


def _print_guard(guard: GuardState) -> None:
    refused = ", ".join(f"{count} {cause}" for cause, count in guard.refused.items())
    click.echo(f"guard     {guard.bans} bans; refused: {refused or 'nothing'}")
    for shared in (shared for shared in guard.shared if shared.connections):
        click.echo(
            f"          no trust and no ban for {shared.address}: {shared.cause}; {shared.connections} connections"
        )
    for alert in guard.alerts:
        click.echo(f"alert     {moment(alert.time)} {alert.event}: {harmless(alert.subject)}: {harmless(alert.cause)}")


def _print_directory(state: DirectoryState) -> None:
    """A line on the database, and one more where it is away."""
    click.echo(f"directory {harmless(state.name)}, {state.known} names known")
    if state.away:
        click.echo(f"alert     away since {moment(state.away)}: {harmless(state.cause)}")


def _print_scanner(state: ScannerState) -> None:
    """A line on a daemon, and one more where it is left alone or failed last time."""
    click.echo(
        f"scanner   {state.name} at {harmless(state.address)}: {state.asked} asked, {state.busy} now, breaker {state.state}"
    )
    if state.failures:
        since = f"away since {moment(state.since)}, " if state.since else ""
        click.echo(f"alert     {state.name}: {since}{state.failures} failures in a row: {harmless(state.cause)}")


def _print_certificate(state: CertificateState) -> None:
    """A line, and one more where it ends soon or its file cannot be read again."""
    click.echo(
        f"tls       {', '.join(map(harmless, state.names[:3])) or harmless(state.file)}: {state.days:.0f} days left"
    )
    if state.days < EXPIRY:
        click.echo(f"alert     {harmless(state.file)} ends {moment(state.until)}: renew it")
    if state.trouble:
        click.echo(f"alert     {harmless(state.file)}: {harmless(state.trouble)}")


def _print(answer: ServerStatus) -> None:
    click.echo(f"mailhub {answer.version} on {answer.hostname}, process {answer.pid}, since {moment(answer.since)}")
    click.echo(f"domains   {', '.join(answer.domains) or 'none'}")
    if answer.directory is not None:
        _print_directory(answer.directory)
    click.echo(f"data      {answer.data}")
    click.echo(f"queue     {answer.queue_messages} messages, {answer.queue_recipients} recipients")
    became = ", ".join(f"{count} {word}" for word, count in sorted(answer.outcomes.items())) or "none attempted"
    click.echo(f"mail      {answer.accepted} messages accepted, {answer.refused} refusals; recipients: {became}")
    click.echo(f"sessions  {answer.sessions}")
    dnssec = f"checked by {', '.join(answer.validating)}" if answer.validating else "no validating resolver, no DANE"
    click.echo(f"dnssec    {dnssec}")
    click.echo(f"memory    {octets(answer.memory)}")
    inodes = f", {answer.disk.inodes} inodes" if answer.disk.inodes >= 0 else ""
    click.echo(f"disk      {octets(answer.disk.free)} free{inodes}")
    click.echo(
        f"loop      lag {answer.lag * 1000:.1f} ms, {answer.stalls} stalls, the longest {answer.worst_stall * 1000:.0f} ms"
    )
    click.echo(f"limits    {', '.join(f'{name} {value:.0f}' for name, value in answer.limits.items())}")
    if answer.log_lost:
        click.echo(f"log       {answer.log_lost} lines were lost since the start")
    if answer.landlock:
        click.echo(f"landlock  {harmless(answer.landlock)}")
    if answer.maildrop:
        click.echo(f"maildrop  {answer.maildrop} messages wait to be taken")
    if answer.stressed:
        click.echo(
            "alert     under stress: many sessions or little memory (sessions.limit, sessions.memory_limit), silence is cut short (sessions.stress_level)"
        )
    if answer.trouble:
        click.echo(f"alert     no mail is taken: {harmless(answer.trouble)}")
    for room, words in answer.alarms.items():
        click.echo(f"alert     {room}: {harmless(words)}")
    for one in answer.certificates:
        _print_certificate(one)
    for name, why in answer.acme.items():
        click.echo(f"alert     no certificate for {harmless(name)}: {harmless(why)}")
    _print_guard(answer.guard)
    for scanner in answer.scanners:
        _print_scanner(scanner)
    click.echo()
    rows = [
        (door.name, f"{door.address}:{door.port}" if door.port else door.address, door.tls, door.sessions)
        for door in answer.listeners
    ]
    print_table(("LISTENER", "ADDRESS", "TLS", "SESSIONS"), rows)
    if answer.session_list:
        click.echo()
        print_table(
            ("ID", "LISTENER", "CLIENT", "LOGIN", "DOING", "SINCE"),
            [
                (s.id, s.listener, f"{s.client}:{s.port}", s.login, s.doing, moment(s.since))
                for s in answer.session_list
            ],
        )
