"""sendmail(1) and newaliases(1) by their own names."""

from pathlib import Path


def sendmail(path: Path | None, arguments: list[str]) -> None:
    from ..sendmail import perform

    perform(path, arguments)


def newaliases(path: Path | None, arguments: list[str]) -> None:
    """Arguments of the original are options of sendmail, and change nothing."""
    from ..newaliases import check_files

    check_files((), path, False)
