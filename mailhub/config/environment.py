"""Options from the environment: `MAILHUB_QUEUE_ACTIVE_LIMIT=50` stands for `[queue] active_limit = 50`, above the file.

Comes from: whoever starts a container. Gives to: `load`, as a document that is read like the file's. Names that are no option's are
left alone, for who runs containers puts names of his own there (MAILHUB_PORT=tcp://...).
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from . import lookup, schema

PREFIX = "MAILHUB_"
_VALUE = "value = "
Path = tuple[str, ...]


def document(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[Path, str]]:
    """What a file with these options would hold, and the variable that each one is of."""
    data: dict[str, Any] = {}
    named: dict[Path, str] = {}
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    if not given:
        return data, named
    for path, kind in _options(schema.Config, ()):
        name = PREFIX + "_".join(path).upper()
        if name in given:
            table = data
            for part in path[:-1]:
                table = table.setdefault(part, {})
            table[path[-1]] = value_of(given[name], kind)
            named[path] = name
    return data, named


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both documents; where both have a key, that of `over`."""
    made = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        made[key] = merged(under[key], value) if both else value
    return made


def _options(section: type[Any], above: Path) -> Iterator[tuple[Path, inspect.Type]]:
    for field in msgspec.structs.fields(section):
        kind = inspect.type_info(field.type)
        if isinstance(kind, inspect.UnionType):
            kind = next(one for one in kind.types if isinstance(one, inspect.StructType))
        if isinstance(kind, inspect.StructType) and kind.cls is not lookup.Lookup:
            yield from _options(kind.cls, (*above, field.name))
        else:
            yield (*above, field.name), kind


def value_of(text: str, kind: inspect.Type) -> Any:
    """Text as it is where text is wanted, words between commas for a list of them; all else as TOML has it."""
    words = isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StrType)
    if words and not text.lstrip().startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    table = isinstance(kind, inspect.StructType) and not text.lstrip().startswith(("{", "["))
    if table or isinstance(kind, inspect.StrType):
        return text
    try:
        return tomllib.loads(_VALUE + text)["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text  # a word of several, or what the reader will name as wrong
