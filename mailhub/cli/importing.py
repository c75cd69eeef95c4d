"""`mailhub import`: moving in from other mail servers."""

import contextlib
import os
import sys
from pathlib import Path

import click
from msgspec.structs import asdict

from mailhub.moving.draft import Draft, toml
from mailhub.moving.importing import Unreadable, counted, drafted

from .exits import Exit, fail
from .moving_mail import from_imap, from_maildir, from_mbox
from .options import json_option
from .output import print_json, print_table

_SHOWN = 60  # characters of a value in the table
_SECRET = "directory-password"


@click.group("import")
def importing() -> None:
    """Move in from other mail servers."""


@importing.command("postfix")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option(
    "--dovecot", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The folder of dovecot.conf."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("config.toml"), show_default=True,
              help="The file to write; - prints it.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def postfix(folder: Path | None, dovecot: Path | None, output: Path, force: bool, as_json: bool) -> None:
    """Write config.toml from main.cf, master.cf and dovecot.conf.

    FOLDER is that of main.cf, such as /etc/postfix. Each setting that stands there is told of: taken as it is, adapted, refused and
    why, or unneeded. Nothing else is touched: neither Postfix nor Dovecot, nor any mail.
    """
    if folder is None and dovecot is None:
        fail("name the folder of main.cf, or --dovecot, or both", Exit.USAGE)
    try:
        draft = drafted(folder, dovecot)
    except Unreadable as error:
        fail(str(error))
    _write(draft, output, force=force)
    if as_json:
        print_json(
            {
                "output": str(output),
                "rows": [asdict(row) for row in draft.rows],
                "todo": draft.todo,
                **counted(draft.rows),
            }
        )
    else:
        _print(draft, output)


def _write(draft: Draft, output: Path, *, force: bool) -> None:
    """A password of the database goes to a file of its own, which nobody else can read: root, and the group that the server will have."""
    secrets = draft.options.pop("secrets", {})
    if (password := secrets.get("directory.password_file")) is not None:
        name = output.absolute().parent / _SECRET
        draft.put("directory.password_file", str(name))
        if str(output) != "-":
            _new(name, f"{password}\n", 0o600, force=force)
            _share(name, str(draft.options.get("user", "")))
    if str(output) == "-":
        click.echo(toml(draft.options), nl=False)
        return
    _new(output, f"# Made by `mailhub import postfix`.\n{toml(draft.options)}", 0o640, force=force)
    _share(output, str(draft.options.get("user", "")))


def _share(file: Path, user: str) -> None:
    """Where root moves in, the server will be `user`, and reads it as he."""
    from mailhub.hub_local import person
    from mailhub.model.errors import Permanent

    with contextlib.suppress(Permanent):  # `mailhub check` tells of a user that is not there
        somebody = person(user)
        if somebody is not None:
            os.chown(file, -1, somebody.gid)
            file.chmod(0o640)


def _new(file: Path, text: str, mode: int, *, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(file, flags, mode)
    except FileExistsError:
        fail(f"{file} is there already: name another by --output, or --force", Exit.EXISTS)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def _print(draft: Draft, output: Path) -> None:
    where = sys.stderr if str(output) == "-" else sys.stdout
    rows = [
        (
            row.what,
            f"{row.file}:{row.line}" if row.line else row.file,
            row.name,
            row.value[:_SHOWN],
            row.option,
            row.why,
        )
        for row in draft.rows
    ]
    print_table(("", "FILE", "SETTING", "VALUE", "OPTION", "WHY"), rows, file=where)
    counts = ", ".join(f"{count} {what}" for what, count in counted(draft.rows).items())
    click.echo(f"\n{counts}", file=where)
    if draft.todo:
        click.echo("\nWhat is left to do:", file=where)
        for line in dict.fromkeys(draft.todo):
            click.echo(f"- {line}", file=where)
    if str(output) != "-":
        click.echo(f"\n{output} is written. `mailhub --config {output} check` looks at it.", file=where)


importing.add_command(from_maildir)
importing.add_command(from_mbox)
importing.add_command(from_imap)
