"""Every option is read by somebody, and told to people: one that nobody reads is a promise that nobody keeps."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import msgspec
from support.server import REPOSITORY
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


def test_every_option_is_documented() -> None:
    """In the operator's guide, or on the page that `scripts/options > docs/options.md` makes."""
    guide, page = (REPOSITORY / "docs/operator.md").read_text(), (REPOSITORY / "docs/options.md").read_text()
    told = {*re.findall(r"\w+", guide)}
    keys = [(key.removesuffix(".sources"), name) for key, name in options(Config)]
    assert [key for key, name in keys if f"`{key}" not in page and f"[{key}." not in page and name not in told] == []


def test_the_page_of_options_says_nothing_that_config_toml_does_not() -> None:
    made = subprocess.run([sys.executable, REPOSITORY / "scripts/options"], check=True, capture_output=True, text=True)
    page = (REPOSITORY / "docs/options.md").read_text()
    assert {*re.findall(r"`[^`]+ = [^`]+`", page)} <= {*re.findall(r"`[^`]+ = [^`]+`", made.stdout)}
