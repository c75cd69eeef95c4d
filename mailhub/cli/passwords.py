"""Where a password comes from: a prompt, one line of standard input, or made here and printed once."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def password_options(function: F) -> F:
    """--password-stdin and --generate."""
    function = click.option("--generate", is_flag=True, help="Make a password and print it.")(function)
    return click.option("--password-stdin", "from_stdin", is_flag=True, help="Read it from the first line of stdin.")(
        function
    )


def obtain(from_stdin: bool, generate: bool) -> str:
    """The password; asked for twice where somebody sits at the terminal."""
    if from_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other")
    if generate:
        from mailhub.model.generated import password

        return password()
    if from_stdin:
        line = sys.stdin.readline(2_000)
        if not (text := line.rstrip("\r\n")):
            raise click.UsageError("--password-stdin: the first line of stdin is empty")
        return text
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
