"""mailhub's own source, parsed once, for the tests that prove the rules of the house by reading it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "mailhub"

# What tools and runs leave behind; the rest of the tree is ours.
LEFT_BEHIND = {".git", ".debian", "var", "man", "dist", "out", "__pycache__", "build"}


@dataclass(frozen=True)
class Module:
    """One module: `name` without the package ("store.api", "" for the package itself), `path` from the repository."""

    name: str
    path: str
    text: str
    tree: ast.Module
    is_package: bool

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything imported, wherever in the module; relative names made absolute."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                for alias in node.names:
                    yield node.lineno, f"{base}.{alias.name}"

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        here = [PACKAGE, *filter(None, self.name.split("."))]
        up = node.level - 1 if self.is_package else node.level
        return ".".join(here[: len(here) - up] + ([node.module] if node.module else []))


def _parsed(text: str) -> ast.Module:
    """CPython 3.11 counts its depth wrongly where a garbage collection that runs Python falls into the middle of it, and
    raises SystemError (github.com/python/cpython/issues/106905): once more then."""
    for _ in range(5):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for file in sorted((REPOSITORY / PACKAGE).rglob("*.py")):
        path = file.relative_to(REPOSITORY)
        parts = path.with_suffix("").parts[1:]
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = file.read_text(encoding="utf-8")
        found.append(Module(name, str(path), text, _parsed(text), is_package))
    return tuple(found)


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository that people wrote."""

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.name in LEFT_BEHIND or entry.name.startswith(".venv") or entry.name.endswith("_cache"):
                continue
            if entry.is_dir():
                yield from walk(entry) if entry.name != ".hypothesis" else ()
            elif not entry.name.endswith(".pyc"):
                yield entry

    return tuple(walk(REPOSITORY))


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "" for what is no plain chain of names, whose tail is still told (`f().c` is ".c")."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
