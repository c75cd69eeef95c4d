"""`mailhub as` and `mailhub install-names`."""

import importlib
import os
import shlex
from pathlib import Path

import click

from ..exits import Exit, fail
from ..options import common
from ..output import print_json
from ..program import program
from . import NAMES, Fatal, end

MARK = "# made by mailhub install-names"


@click.command(
    "as",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
@click.argument("name", type=click.Choice(list(NAMES)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def as_name(config: Path | None, name: str, arguments: tuple[str, ...]) -> None:
    """Be the command of that NAME, with its options, formats and exit codes."""
    module, _, function = NAMES[name].partition(":")
    command = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    try:
        command(config, list(arguments))
    except Fatal as error:
        end(name, error)


@click.command("install-names")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("names", nargs=-1, type=click.Choice(list(NAMES)), metavar="[NAME]...")
@click.option("--remove", is_flag=True, help="Take them away again.")
@common
def install_names(folder: Path, names: tuple[str, ...], remove: bool, config: Path | None, as_json: bool) -> None:
    """Put scripts for the NAMES (all, where none is given) into FOLDER, which speak for this configuration.

    What lies there and was not made by this command is left as it is, with exit code 4.
    """
    if config is None and not remove:
        raise click.UsageError("say --config PATH: a script reads no configuration that lies where it is run")
    taken, done = [], []
    for name in names or tuple(NAMES):
        place = folder / name
        if os.path.lexists(place) and not _ours(place):
            taken.append(name)
            continue
        try:
            _take_away(place) if remove else _put(place, _script(name, config))
        except OSError as error:
            fail(f"{place}: {error.strerror or error}")
        done.append(name)
    if as_json:
        print_json({"folder": str(folder), "removed" if remove else "made": done, "left": taken})
    elif taken:
        click.echo(f"mailhub: left as they are, for they are others': {', '.join(taken)}", err=True)
    raise SystemExit(int(Exit.EXISTS if taken else Exit.DONE))


def _ours(place: Path) -> bool:
    try:
        with open(place, "rb") as file:
            return MARK.encode() in file.read(200).splitlines()[1:2]
    except OSError:
        return False


def _script(name: str, config: Path | None) -> str:
    words = [*program(), "--config", str((config or Path()).absolute()), "as", name]
    return f'#!/bin/sh\n{MARK}\nexec {shlex.join(words)} "$@"\n'


def _put(place: Path, text: str) -> None:
    """In one step, for it may be in use."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(new, place)


def _take_away(place: Path) -> None:
    place.unlink(missing_ok=True)
