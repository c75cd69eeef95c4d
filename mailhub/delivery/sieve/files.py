"""The operator's scripts: files, read at the start and at each reload."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.errors import Permanent
from mailhub.wire.sieve import Limits, Script, ScriptError, check, parse


class OperatorScripts(Struct, frozen=True):
    """`shared`: those that accounts may include, by name."""

    before: Sequence[Script]
    after: Sequence[Script]
    shared: Mapping[str, Script]


def read(config: schema.Sieve) -> OperatorScripts:
    """Permanent where one of them can not be read or has a mistake."""
    folder = Path(config.global_folder) if config.global_folder else None
    shared = {} if folder is None else {path.stem: _script(path, config) for path in sorted(folder.glob("*.sieve"))}
    before = [_script(Path(name), config) for name in config.before]
    return OperatorScripts(before, [_script(Path(name), config) for name in config.after], shared)


def _script(path: Path, config: schema.Sieve) -> Script:
    try:
        return check(parse(path.read_bytes(), Limits(size=config.script_limit)))
    except OSError as error:
        raise Permanent(f"the Sieve script {path} can not be read: {error.strerror or error}") from error
    except ScriptError as error:
        raise Permanent(f"the Sieve script {path} has a mistake: {error.problems[0]}") from error
