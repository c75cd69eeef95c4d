"""postcat(1), for messages of the queue by their IDs."""

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailhub.control import words
from mailhub.control.errors import ControlError

from ..output import harmless
from . import Fatal, reaching
from .options import read

if TYPE_CHECKING:
    from ..backend import Backend

_USAGE = "postcat -q [-b (body text)] [-e (envelope)] [-h (header text)] [-v] queue_id..."
_BLOCK = 262_144


def postcat(path: Path | None, arguments: list[str]) -> None:
    """-q and IDs; -e, -h, -b choose parts. Files of Postfix's own are none of ours."""
    options, ids = read(arguments, "bc:dehoqv", _USAGE)
    letters = {letter for letter, _ in options}
    if "q" not in letters or not ids or letters & {"d", "o"}:
        raise Fatal(f"usage: {_USAGE}")
    parts = letters & {"b", "e", "h"}
    with reaching(path) as side:
        for one in ids:
            try:
                shown = side.ask(words.QueueShow(id=one))
            except ControlError as error:
                raise Fatal(f"open queue file {harmless(one)}: No such file or directory") from error
            _print(side, shown, parts)


def _print(side: "Backend", shown: words.QueueText, parts: set[str]) -> None:
    message = shown.message
    states = [to.state for to in message.recipients]
    name = (
        f"{next((one for one in ('active', 'hold', 'incoming', 'corrupt') if one in states), 'deferred')}/{message.id}"
    )
    if not parts or "e" in parts:
        click.echo(f"*** ENVELOPE RECORDS {name} ***")
        for line in _envelope(shown):
            click.echo(harmless(line))
    if not parts:
        click.echo(f"*** MESSAGE CONTENTS {name} ***")
    if parts != {"e"}:
        _text(side, message.id, parts)
    if not parts or "e" in parts:
        click.echo(f"*** HEADER EXTRACTED {name} ***")
        for to in message.recipients:
            click.echo(harmless(f"recipient: {to.address}"))
        click.echo(f"*** MESSAGE FILE END {name} ***")


def _envelope(shown: words.QueueText) -> Iterator[str]:
    message = shown.message
    yield f"message_size: {message.size:>15} {0:>15} {len(message.recipients):>15} {0:>15} {message.size:>15} {0:>15}"
    yield f"message_arrival_time: {datetime.fromtimestamp(message.created).astimezone().strftime('%a %b %e %H:%M:%S %Y')}"
    for key, value in (
        ("log_helo_name", shown.helo),
        ("log_client_address", shown.client),
        ("log_protocol_name", shown.protocol),
        ("sasl_username", shown.login),
    ):
        if value:
            yield f"named_attribute: {key}={value}"
    yield f"sender: {message.sender}"


def _text(side: "Backend", one: str, parts: set[str]) -> None:
    """As it is stored, with the line ends of this system. Header and body are divided by the first blank line."""
    header, body = not parts or "h" in parts, not parts or "b" in parts
    sys.stdout.flush()
    out, within, held, at = sys.stdout.buffer, True, b"", 0
    while True:
        part = side.ask(words.QueueRead(id=one, offset=at, limit=_BLOCK))
        at += len(part.data)
        block = held + part.data
        end = at >= part.size or not part.data
        held = b"" if end else block[-3:]  # where a line end may begin
        block = block if end else block[:-3]
        if within and (found := block.find(b"\r\n\r\n")) >= 0:
            within = False
            if header:
                out.write(_lines(block[: found + 2]))
            block = block[found + 2 :]
        if (header and within) or (body and not within):
            out.write(_lines(block))
        if end:
            break
    out.flush()


def _lines(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")
