"""`mailhub explain`."""

from pathlib import Path
from typing import BinaryIO

import click

from mailhub.control import words

from .backend import backend
from .options import common
from .output import harmless, print_json, print_table


@click.command()
@click.option("--from", "sender", default="", metavar="ADDRESS", help="Of MAIL FROM; default: the null sender.")
@click.option("--to", "recipients", multiple=True, required=True, metavar="ADDRESS", help="Of RCPT TO; repeatable.")
@click.option("--client", required=True, metavar="IP", help="Address of the client.")
@click.option("--helo", default="", metavar="NAME", help="Default: the address in brackets.")
@click.option("--login", default="", metavar="ACCOUNT", help="As mail that this account submits.")
@click.option("--message", type=click.File("rb"), help="The message; without it only the recipients are asked about.")
@common
def explain(
    sender: str,
    recipients: tuple[str, ...],
    client: str,
    helo: str,
    login: str,
    message: BinaryIO | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Ask every rule and check about a message, as if it came now. It is not taken, and nothing is remembered of it."""
    text = None if message is None else _lines(message.read(words.MESSAGE_LIMIT))
    with backend(config) as side:
        told = side.ask(
            words.Explain(
                sender=sender,
                recipients=recipients,
                client=client,
                helo=helo,
                login=login,
                message=text,
            )
        )
    if as_json:
        print_json(told)
        return
    rows = [
        (rule.stage, harmless(rule.rule), harmless(rule.answer), f"{rule.score:+.1f}" if rule.score else "", harmless(rule.reason))
        for rule in told.rules
    ]  # fmt: skip
    print_table(("STAGE", "RULE", "ANSWER", "SCORE", "REASON"), rows)
    click.echo()
    for said in told.replies:
        click.echo(f"{harmless(said.command)}: {harmless(said.reply)}")
    click.echo(f"\n{harmless(told.fate)}")
    for stop in told.way:
        click.echo(f"    {harmless(stop.address)}: {stop.way} {harmless(stop.to)}")


def _lines(text: bytes) -> bytes:
    """With CRLF, as it would come."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
