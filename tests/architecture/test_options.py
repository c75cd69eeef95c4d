"""Every option of config.toml is read by somebody: one that nobody reads is a promise that nobody keeps."""

import ast
from collections.abc import Iterator

import msgspec
from support.source import modules

from mailhub.config.schema import Config


def options(section: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, last name) of every option."""
    for field in msgspec.structs.fields(section):
        kind = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from options(kind, f"{path}{field.name}.")
        else:
            yield path + field.name, field.name


def test_every_option_is_read() -> None:
    read = {
        node.attr
        for module in modules()
        if module.room != "config"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
    }
    assert [key for key, name in options(Config) if name not in read] == []
