"""Options by name: `smtp.recipient_limit`, `listener[1].port` (elements are counted from 1), and their values as TOML writes them.

Values of options that hold secrets (`secrets`) are never shown.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from . import schema, secrets
from .lookup import Lookup

Part = str | int
Path = tuple[Part, ...]

_PART = re.compile(r'(?:(?P<bare>[A-Za-z0-9_-]+)|"(?P<quoted>[^"\\]*)")(?P<numbers>(?:\[[0-9]{1,9}\])*)(?:\.|\Z)')


def path(name: str) -> Path:
    """`listener[1].port` as ("listener", 0, "port"). ValueError where it is no name."""
    parts: list[Part] = []
    at = 0
    while found := _PART.match(name, at):
        parts.append(found["bare"] if found["bare"] is not None else found["quoted"])
        parts += [int(number) - 1 for number in re.findall(r"[0-9]+", found["numbers"])]
        at = found.end()
    if at != len(name) or not parts or name.endswith(".") or -1 in parts:
        raise ValueError(f"{name!r} is no name of an option such as smtp.recipient_limit or listener[1].port")
    return tuple(parts)


def name(parts: Path) -> str:
    """The way back."""
    words = [f"[{part + 1}]" if isinstance(part, int) else f".{_key(part)}" for part in parts]
    return "".join(words).removeprefix(".")


def flat(value: object, above: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every option with its value; sections in lists and tables are walked into, those that are left out are not."""
    if isinstance(value, schema.Section):
        for field in value.__struct_fields__:
            yield from flat(getattr(value, field), (*above, field))
    elif isinstance(value, tuple) and value and isinstance(value[0], schema.Section):
        for number, item in enumerate(value):
            yield from flat(item, (*above, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, (*above, key))
    elif value is not None:
        yield above, value


def differing(value: schema.Section, usual: schema.Section, above: Path = ()) -> Iterator[tuple[Path, object]]:
    """Options that are not as in `usual`. Of elements of lists and tables: all but their own defaults."""
    for field in value.__struct_fields__:
        now, before = getattr(value, field), getattr(usual, field)
        if now == before:
            continue
        here = (*above, field)
        if isinstance(now, schema.Section) and isinstance(before, schema.Section):
            yield from differing(now, before, here)
        elif isinstance(now, dict):
            for key, item in now.items():
                yield from _own(item, (*here, key)) if isinstance(item, schema.Section) else flat(item, (*here, key))
        elif isinstance(now, tuple) and now and isinstance(now[0], schema.Section):
            pairs = len(now) == len(before)
            for number, item in enumerate(now):
                yield from differing(item, before[number], (*here, number)) if pairs else _own(item, (*here, number))
        elif isinstance(now, schema.Section):
            yield from _own(now, here)
        else:
            yield from flat(now, here)


def _own(value: Any, above: Path) -> Iterator[tuple[Path, object]]:
    for field in msgspec.structs.fields(type(value)):
        now = getattr(value, field.name)
        if field.required or now != field.default:
            here = (*above, field.name)
            yield from _own(now, here) if isinstance(now, schema.Section) else flat(now, here)


def text(parts: Path, value: object) -> str:
    """The value as it would stand behind `=`."""
    secret = parts[-1] in secrets.SECRET
    if isinstance(value, Lookup):
        sources = [_table(one, secret) if isinstance(one, str) else _pairs(one, secret) for one in value.sources]
        return _toml(sources[0] if len(sources) == 1 else sources)
    return _toml([secrets.variable(str(one)) for one in value] if secret and isinstance(value, tuple) else value)


def _table(name: str, secret: bool) -> str:
    return secrets.table(name) if secret else name


def _pairs(pairs: tuple[tuple[str, str], ...], secret: bool) -> dict[str, str]:
    return {key: secrets.HIDDEN if secret else word for key, word in pairs}


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return (
            msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
        )  # JSON's strings are TOML's, but for this one
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def kind(parts: Path) -> inspect.Type | None:
    """What the schema says of an option; None where it has none of that name."""
    found: inspect.Type = inspect.type_info(schema.Config)
    for part in parts:
        if isinstance(found, inspect.UnionType):
            found = next(one for one in found.types if isinstance(one, inspect.StructType))
        if isinstance(found, inspect.StructType) and found.cls is not Lookup and isinstance(part, str):
            fields = {field.name: field.type for field in msgspec.structs.fields(found.cls)}
            if part not in fields:
                return None
            found = inspect.type_info(fields[part])
        elif isinstance(found, inspect.VarTupleType) and isinstance(part, int):
            found = found.item_type
        elif isinstance(found, inspect.DictType) and isinstance(part, str):
            found = found.value_type
        else:
            return None
    return found
