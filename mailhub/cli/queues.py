"""`mailhub queue`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mailhub.control import words
from mailhub.control.errors import ControlError

from .backend import backend, queued
from .options import common, duration
from .output import harmless, moment, octets, print_json, print_table
from .queue_formats import SHAPES, qshape

F = TypeVar("F", bound=Callable[..., Any])
STATES = ("incoming", "active", "deferred", "hold", "corrupt")


@click.group()
def queue() -> None:
    """Look at the queue and act on it. IDs are those that `queue list` and the log show."""


def filters(function: F) -> F:
    """The options that say which messages are meant; all given must fit."""
    for option in (
        click.option("--newer-than", callback=duration, metavar="AGE", help="That came since: 90s, 5m, 3h, 2d."),
        click.option("--older-than", callback=duration, metavar="AGE", help="That came longer ago."),
        click.option("--recipient", metavar="ADDRESS", help='To this address, or "@domain".'),
        click.option("--sender", metavar="ADDRESS", help='From this address, or "@domain"; "" for bounces.'),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        function = option(function)
    return function


def _states(function: F) -> F:
    choice = click.Choice(STATES)
    return click.option("--state", "states", multiple=True, type=choice, help="With recipients so; repeatable.")(
        function
    )


@queue.command("list")
@filters
@_states
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Messages at most.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["mailhub", *SHAPES]),
    default="mailhub",
    show_default=True,
    help="As Postfix's postqueue -p (mailq) and postqueue -j print it.",
)
@common
def list_messages(limit: int, shape: str, config: Path | None, as_json: bool, **filters: Any) -> None:
    """List messages, oldest first, with the recipients that still wait."""
    with backend(config) as side:
        messages = queued(side, words.Which(**filters), limit)
        if as_json:
            print_json(list(messages))
        elif shape in SHAPES:
            for line in SHAPES[shape](messages):
                click.echo(line)
        else:
            for message in messages:
                print_message(message)


def print_message(message: words.QueuedMessage) -> None:
    """Sender, and recipients with their states."""
    click.echo(
        f"{message.id}  {octets(message.size):>6}  {moment(message.created)}  {harmless(message.sender) or '<>'}"
    )
    for recipient in message.recipients:
        click.echo(f"    {harmless(recipient.address)}  {_state(recipient)}")


def _state(recipient: words.QueuedTo) -> str:
    parts = [recipient.state]
    if recipient.state == "deferred":
        parts.append(f"next attempt {moment(recipient.due)}")
    if recipient.attempts:
        said = f"{recipient.remote}: {recipient.last}" if recipient.remote else recipient.last
        how = f" over {recipient.tls}" if recipient.tls else ""
        parts.append(f"{recipient.attempts} so far, at {moment(recipient.tried)}{how} {harmless(said)}")
    return "; ".join(parts)


def _next(recipient: words.QueuedTo) -> str:
    """What comes next, and why."""
    if recipient.state == "active":
        return "under delivery now"
    if recipient.state == "hold":
        return "on hold: waits for `mailhub queue release`"
    if recipient.state == "corrupt":
        return "found damaged: set aside until `mailhub queue release` has it looked at again"
    until = f"given up after an attempt from {moment(recipient.deadline)} on"
    why = f"attempt {recipient.attempts + 1}" if recipient.attempts else "first attempt"
    return f"{why} at {moment(recipient.due)}, or when its destination has a place free; {until}"


@queue.command()
@click.option("--ages", is_flag=True, help="By the age of their messages, as Postfix's qshape.")
@common
def summary(ages: bool, config: Path | None, as_json: bool) -> None:
    """Count recipients by domain and state."""
    if ages:
        _print_ages(config, as_json)
        return
    with backend(config) as side:
        totals = side.ask(words.QueueSummary())
    if as_json:
        print_json(totals)
        return
    click.echo(f"{totals.messages} messages, {totals.recipients} recipients")
    if totals.rows:
        rows = [(row.domain, row.state, row.recipients, moment(row.oldest)) for row in totals.rows]
        print_table(("DOMAIN", "STATE", "RECIPIENTS", "OLDEST"), rows)


def _print_ages(config: Path | None, as_json: bool) -> None:
    with backend(config) as side:
        found = side.ask(words.QueueAges())
    if as_json:
        print_json(found)
        return
    for line in qshape(found):
        click.echo(line)


@queue.command()
@click.argument("id")
@common
def show(id: str, config: Path | None, as_json: bool) -> None:
    """Show a message: envelope, where it came from, what was tried and what comes next, and its header."""
    with backend(config) as side:
        text = side.ask(words.QueueShow(id=id))
    if as_json:
        print_json(text)
    else:
        print_text(text)


def print_text(text: words.QueueText) -> None:
    """All that is known of a message, and its header."""
    print_message(text.message)
    came = ", ".join(part for part in (text.client, text.helo and f"as {text.helo}", text.login, text.tls) if part)
    click.echo(f"    came by {text.protocol} {harmless(came)}".rstrip())
    for recipient in text.message.recipients:
        click.echo(f"    {harmless(recipient.address)}: {_next(recipient)}")
    click.echo()
    for step in text.history:
        click.echo(f"    {moment(step.at)}  {step.stage:<9}  {harmless(step.text)}")
    click.echo()
    for line in text.header.splitlines():
        click.echo(harmless(line.replace("\t", "    ")))


Act = Callable[..., words.Request[words.Touched]]


def _perform(config: Path | None, as_json: bool, act: Act, which: words.Which, did: str, after: str = "") -> None:
    """Step by step: one that was broken off has done what it says, and goes on behind the ID it names."""
    touched = 0
    with backend(config) as side:
        total = side.ask(words.QueueSummary()).messages
        with click.progressbar(length=total, file=sys.stderr, hidden=as_json or not sys.stderr.isatty()) as bar:
            while True:
                try:
                    step = side.ask(act(which=which, after=after))
                except (KeyboardInterrupt, ControlError):
                    if after:
                        click.echo(f"{_messages(touched)} {did}; go on with --after {after}", err=True)
                    raise
                touched, after = touched + step.messages, step.after
                bar.update(step.seen)
                if not after:
                    break
    if as_json:
        print_json({"messages": touched})
    else:
        click.echo(f"{_messages(touched)} {did}")


def _messages(count: int) -> str:
    return f"{count} {'message' if count == 1 else 'messages'}"


def _unchanged(function: F) -> F:
    return function


def action(group: click.Group, name: str, act: Act, did: str, help_text: str) -> None:
    """A command that acts on messages: IDs, filters, or --all."""

    states = _states if group is queue else _unchanged

    @group.command(name, help=help_text)
    @filters
    @states
    @click.option("--all", "every", is_flag=True, help="Every message.")
    @click.option("--after", metavar="ID", default="", help="Go on behind this message, where the last run broke off.")
    @common
    def command(every: bool, after: str, config: Path | None, as_json: bool, **filters: Any) -> None:
        given = any(value not in (None, ()) for value in filters.values())
        if every == given:
            raise click.UsageError("say which messages: IDs, filters, or --all alone")
        _perform(config, as_json, act, words.Which(**filters), did, after)


action(queue, "retry", words.QueueRetry, "due now", "Attempt now what waits for its next attempt.")
action(queue, "hold", words.QueueHold, "on hold", "Attempt no more until released.")
action(queue, "release", words.QueueRelease, "released", "End a hold; due now.")
action(queue, "requeue", words.QueueRequeue, "requeued", "Route again as if just come, held or not; due now.")
action(queue, "remove", words.QueueRemove, "removed", "Delete without a bounce. What is under delivery stays.")


@click.command()
@click.argument("domain", required=False)
@common
def flush(domain: str | None, config: Path | None, as_json: bool) -> None:
    """Attempt now what waits for its next attempt: all of it, or what is for DOMAIN. The same as `queue retry`."""
    which = words.Which(recipient=None if domain is None else "@" + domain.removeprefix("@"))
    _perform(config, as_json, words.QueueRetry, which, "due now")
