"""The configuration that an import makes, and what is told of each setting that was found. Pure."""

from typing import Any, Literal

from msgspec import Struct, field

What = Literal["taken", "adapted", "refused", "unneeded"]


class Row(Struct):
    """One setting. `what`: taken as it is; adapted, for ours means a little else; refused, for there is nothing like it, and `why` says
    what to do; or unneeded, for it is about the other program's own files and processes. `option`: ours, "" for none."""

    file: str
    line: int
    name: str
    value: str
    what: What
    option: str = ""
    why: str = ""


class Draft(Struct):
    """`options`: the document, as config.toml holds it. `rows`: in the order of the files. `todo`: what a person has to do."""

    options: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)

    def put(self, option: str, value: Any) -> None:
        """`option`: "smtp.mynetworks". A value that is there already is replaced."""
        *path, name = option.split(".")
        table = self.options
        for part in path:
            table = table.setdefault(part, {})
        table[name] = value

    def extend(self, option: str, values: list[Any]) -> None:
        """Add to a list, each once."""
        *path, name = option.split(".")
        table = self.options
        for part in path:
            table = table.setdefault(part, {})
        known = table.setdefault(name, [])
        known += [value for value in values if value not in known]

    def drop(self, option: str) -> None:
        *path, name = option.split(".")
        table = self.options
        for part in path:
            table = table.get(part, {})
            if not isinstance(table, dict):
                return  # a part of a list's tables, which go as a whole
        table.pop(name, None)


def toml(options: dict[str, Any]) -> str:
    """The document as text: values first, then its tables."""
    return "\n".join(_table(options, ())).strip() + "\n"


def _table(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(name)} = {_value(value)}" for name, value in table.items() if not _is_table(value)]
    for name, value in table.items():
        here = (*path, name)
        head = ".".join(map(_key, here))
        if isinstance(value, dict):
            lines += ["", f"[{head}]", *_table(value, here)]
        elif _is_table(value):
            for one in value:
                lines += ["", f"[[{head}]]", *_table(one, here)]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
    )


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and value != int(value) else str(int(value))
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(sign if sign >= " " and sign != "\x7f" else f"\\u{ord(sign):04x}" for sign in escaped) + '"'
