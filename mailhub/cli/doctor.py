"""`mailhub doctor`."""

from pathlib import Path

import click

from mailhub.control.words import DoctorCheck

from .backend import backend
from .exits import Exit
from .options import common
from .output import harmless, print_json

_WORDS = {"ok": "ok", "wrong": "WRONG", "unknown": "cannot judge"}


@click.command()
@click.argument("domain")
@click.option("--skip", multiple=True, metavar="CHECK", help="Leave a check out, by its name; may be given again.")
@common
def doctor(domain: str, skip: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Look at DOMAIN as others do, and say of each thing whether it is right, and what to do next.

    Exit code 0 where nothing is wrong, 1 where something is. What cannot be judged from here is not wrong.
    """
    with backend(config) as side:
        found = side.ask(DoctorCheck(domain=domain, skip=skip))
    if as_json:
        print_json(found)
    else:
        width = max((len(one.check) for one in found), default=0)
        for one in found:
            click.echo(f"{one.check.ljust(width)}  {_WORDS[one.state].ljust(12)}  {harmless(one.text)}")
            if one.todo:
                click.echo(f"{'':{width}}  {'':12}  -> {harmless(one.todo)}")
    raise SystemExit(Exit.FAILED if any(one.state == "wrong" for one in found) else Exit.DONE)
