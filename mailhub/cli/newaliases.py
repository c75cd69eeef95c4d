"""`mailhub newaliases`: what newaliases(1) does where there is no database to make: the alias files are read and checked."""

from pathlib import Path

import click

from .exits import fail
from .options import common, read_config
from .output import print_json

_TEXTS = ("hash", "btree", "lmdb", "cdb", "dbm", "texthash", "file", "aliases")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@common
def newaliases(files: tuple[Path, ...], config: Path | None, as_json: bool) -> None:
    """Check the alias FILES, or those of aliases.alias_maps; a server reads them again by itself. Exit 1 where anything is wrong."""
    check_files(files, config, as_json)


def check_files(files: tuple[Path, ...], config: Path | None, as_json: bool) -> None:
    """The command itself, also of `sendmail -bi`."""
    from mailhub.delivery.aliases.checking import check

    paths = [str(file) for file in files] or _named(config)
    if not paths:
        fail('aliases.alias_maps names no alias file: such as alias_maps = "aliases:/etc/aliases"')
    done, problems = [], []
    for path in paths:
        try:
            checked = check(Path(path).read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: {(error.strerror if isinstance(error, OSError) else None) or error}")
            continue
        done.append({"file": path, "aliases": checked.names, "longest": checked.longest})
        problems += [f"{path}:{line}: {what}" for line, what in checked.problems]
    if as_json:
        print_json({"files": done, "problems": problems})
        raise SystemExit(1 if problems else 0)
    for one in done:
        click.echo(f"{one['file']}: {one['aliases']} aliases, longest {one['longest']} characters")
    if problems:
        fail("\n".join(problems))


def _named(config: Path | None) -> list[str]:
    from mailhub.config import lookup

    sources = read_config(config).aliases.alias_maps.sources
    specs = [lookup.spec(source) for source in sources if isinstance(source, str)]
    return [spec.name for spec in specs if spec.kind in _TEXTS]
