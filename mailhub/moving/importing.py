"""Reads the folders of Postfix and Dovecot, and gives a draft that is a configuration."""

import glob
from collections.abc import Sequence
from pathlib import Path

from mailhub.config.load import ConfigError, parse

from . import dovecot_conf
from .dovecot import Dovecot
from .draft import Draft, Row, toml
from .main_cf import Malformed, Value, read_main, read_master
from .postfix import Postfix
from .postfix_tables import DEFAULTS

SIZE = 4_194_304  # octets of a file
_IMPLIED = ("alias_maps", "mydestination")  # what Postfix does where its file says nothing, and we would not


class Unreadable(Exception):
    """A file that has to be there; the text says which, and why."""


def drafted(postfix: Path | None, dovecot: Path | None) -> Draft:
    """Of the folders that hold main.cf and dovecot.conf. Unreadable."""
    draft = Draft()
    if postfix is not None:
        _postfix(draft, postfix)
    if dovecot is not None:
        _dovecot(draft, dovecot)
    draft.put("demo", False)
    _checked(draft)
    return draft


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(SIZE + 1)
    except OSError as error:
        raise Unreadable(f"{file}: {error.strerror}") from None
    if len(data) > SIZE:
        raise Unreadable(f"{file}: larger than {SIZE} octets")
    return data.decode("utf-8", "replace")


def _postfix(draft: Draft, folder: Path) -> None:
    try:
        main = read_main(_read(folder / "main.cf"))
        services = read_master(_read(folder / "master.cf"))
    except Malformed as error:
        raise Unreadable(f"{folder}: {error}") from None
    for name in _IMPLIED:
        main.setdefault(name, Value(DEFAULTS[name], 0))
    Postfix(draft, main, services).run()


def _dovecot(draft: Draft, folder: Path) -> None:
    start = folder / "dovecot.conf"

    def included(pattern: str, needed: bool, name: str) -> Sequence[tuple[str, str]]:
        around = Path(name).parent if name else folder
        files = sorted(glob.glob(str(around / pattern)))
        if needed and not files and not glob.has_magic(pattern):
            raise Malformed(f"!include {pattern}: no such file")
        return [(file, _read(Path(file))) for file in files]

    try:
        root = dovecot_conf.read(_read(start), included)
    except Malformed as error:
        raise Unreadable(f"{start}: {error}") from None
    texts = {}
    for section in root.all("passdb"):
        if section.get("driver") == "sql":
            file = section.get("args")
            try:
                texts[file] = _read(folder / file)
            except Unreadable as error:
                draft.todo.append(str(error))
    if "dovecot_config_version" in root.settings:
        draft.todo.append("dovecot.conf is of version 2.4: its settings are read by its documentation, and unproved")
    Dovecot(draft, root, texts).run()


def _checked(draft: Draft) -> None:
    """What our own rules do not let pass is taken out again, and its row says why."""
    for _ in range(100):
        options = {name: value for name, value in draft.options.items() if name != "secrets"}
        try:
            parse(toml(options))
            return
        except ConfigError as error:
            problem = error.problems[0]
            option = ".".join(part.partition("[")[0] for part in problem.key.split("."))
            why = f"{option}: {problem.found} is not possible here; allowed: {problem.allowed}"
            meant = [
                (row, one)
                for row in draft.rows
                for one in row.option.split(", ")
                if one and f"{option}.".startswith(f"{one}.")
            ]
            for row, one in meant:
                row.what, row.option, row.why = "refused", "", why
                if one != "listener":
                    draft.drop(one)
            if not meant:
                draft.todo.append(why)
            _take_out(draft, problem.key)
    raise Unreadable("no configuration could be made of these files")


def _take_out(draft: Draft, key: str) -> None:
    """The option, or of a list of tables the whole element."""
    head, bracket, rest = key.partition("[")
    if bracket and isinstance(draft.options.get(head), list) and rest.partition("]")[0].isdigit():
        values = draft.options[head]
        if values and isinstance(values[0], dict):
            del values[int(rest.partition("]")[0]) - 1]
            return
    draft.drop(head)


def counted(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows of each kind."""
    return {what: sum(row.what == what for row in rows) for what in ("taken", "adapted", "refused", "unneeded")}
