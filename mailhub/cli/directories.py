"""`mailhub directory`."""

import asyncio
from pathlib import Path

import click

from mailhub.config.schema import Config
from mailhub.model.errors import MailError

from .exits import Exit, fail
from .options import config_option, json_option, read_config
from .output import print_json


@click.group()
def directory() -> None:
    """mailhub's own tables in a MySQL or MariaDB database: make them, bring them forward."""


@directory.command()
@config_option
@json_option
def init(config: Path | None, as_json: bool) -> None:
    """Make the tables in the database that [directory] names. Exit code 4 where they are there already."""
    before, after = _migrate(read_config(config), fresh=True)
    _told(before, after, as_json)


@directory.command()
@config_option
@json_option
def migrate(config: Path | None, as_json: bool) -> None:
    """Bring the tables to what this mailhub knows; nothing is done where they are so."""
    before, after = _migrate(read_config(config), fresh=False)
    _told(before, after, as_json)


def _told(before: int, after: int, as_json: bool) -> None:
    if as_json:
        print_json({"before": before, "after": after})
    else:
        click.echo(f"the tables have version {after}" + ("" if before == after else f", before {before or 'none'}"))


def _migrate(config: Config, *, fresh: bool) -> tuple[int, int]:
    section = config.directory
    if section.kind != "mysql" or section.schema != "mailhub":
        fail('[directory] kind is not "mysql", or schema not "mailhub": there are no tables of ours', Exit.USAGE)

    async def work() -> tuple[int, int]:
        from mailhub.directory.outside import own
        from mailhub.directory.outside.source import opened
        from mailhub.model.clock import SystemClock

        source = await opened(section, SystemClock())
        try:
            found = await own.version(source.pool)
            if fresh and found:
                fail(f"the tables are there, of version {found}: see `mailhub directory migrate`", Exit.EXISTS)
            if not fresh and not found:
                fail("there are no tables: see `mailhub directory init`", Exit.ABSENT)
            return await own.migrate(source.pool)
        finally:
            source.close()

    try:
        return asyncio.run(work())
    except MailError as error:
        fail(str(error), Exit.LATER if error.reply.temporary else Exit.FAILED)
