"""The shape of modules and of the repository."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping

import pytest
from support.source import REPOSITORY, Module, dotted, files, modules

SIZE = 400  # lines: a module of more wants to be two
LARGER: Mapping[str, int] = {}  # a module that has a reason to be longer, and how long it may be

MUTABLE = {"dict", "list", "set", "OrderedDict", "defaultdict", "deque", "Counter", "WeakSet", "WeakValueDictionary"}
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ".cfg", ".html", ".css", ".js", ".sql", ""}


def test_a_module_can_be_read_at_one_sitting() -> None:
    sizes = {module.name: module.text.count("\n") for module in modules()}
    too_large = {name: lines for name, lines in sizes.items() if lines > LARGER.get(name, SIZE)}
    assert too_large == {}, f"more than {SIZE} lines: each wants to be two modules"
    assert all(sizes[name] > SIZE for name in LARGER), "an exception that is not needed any more"


def test_a_module_says_what_it_is() -> None:
    silent = [module.path for module in modules() if not ast.get_docstring(module.tree)]
    assert silent == []


def test_a_room_says_whom_it_serves() -> None:
    found = []
    for module in modules():
        if not module.is_package or "." in module.name or module.name in ("", "cli"):
            continue
        head = ast.get_docstring(module.tree) or ""
        found += [
            f"{module.path}: {part}?"
            for part in ("Comes from", "Gives to", "May import", "Invariant")
            if part not in head
        ]
    assert found == []


def test_a_value_is_cheap_to_make() -> None:
    """Python writes and compiles each dataclass anew at every start, 0.4 ms; a Struct of msgspec takes 0.01 ms, and its values are made in a
    tenth of the time. A dataclass is for what a Struct cannot do: a field that is not shown or not compared, cached properties, no slots.
    Hook modules and tests of others see dataclasses, which everybody knows."""
    found = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules()
        if module.room not in ("hooks", "testing")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and any("slots=True" in ast.unparse(one) for one in node.decorator_list)
        if not re.search(r"\bfield\(.*(repr|compare|init)=", ast.unparse(node))
    ]
    assert found == []


def test_a_struct_is_changed_by_its_own_replace() -> None:
    """The type checker takes a Struct for a dataclass there; `dataclasses.replace` does not, when it is called."""
    demands = {
        "delivery.relay.demand",
        "delivery.relay.transport",
        "protocols.pop3.authorization",
    }  # dataclasses that they copy
    names = {f"dataclasses.{name}" for name in ("replace", "fields", "asdict", "astuple")}
    found = [
        f"{m.path}:{line} {name}"
        for m in modules()
        for line, name in m.imports()
        if name in names and m.name not in demands
    ]
    assert found == []


def test_no_globals_with_state() -> None:
    """Two hubs run in one process: nothing is kept in a module."""
    assert [found for module in modules() for found in state(module)] == []


def state(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"{module.path}:{node.lineno} global {', '.join(node.names)}"
    for node in module.tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or is_mapping(node):
            continue
        value = node.value
        empty = isinstance(value, ast.Dict | ast.List | ast.Set) and not ast.unparse(value).strip("{}[]")
        made = isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in MUTABLE and not value.args
        if empty or made:
            yield f"{module.path}:{node.lineno} {ast.unparse(node)}"


def is_mapping(node: ast.stmt) -> bool:
    """`NAME: Mapping[...]` and `Sequence[...]` can not be written to, says mypy."""
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(("Mapping[", "Sequence["))


@pytest.mark.parametrize(
    "text", ["x = {}", "x: list[int] = []", "x = collections.deque()", "def f():\n    global y\n    y = 1"]
)
def test_state_is_found(text: str) -> None:
    assert len(list(state(Module("x", "x.py", text, ast.parse(text), is_package=False)))) == 1


def test_no_possessive_groups() -> None:
    """`(...)*+` and `(?>...)` forget to step back after half an iteration in Python before 3.11.5, and Debian 12 has 3.11.2
    (github.com/python/cpython/issues/106052). On a single set of characters, `[...]*+`, they are sound."""
    wrong = re.compile(r"[^\\]\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>")
    found = [
        f"{module.path}:{node.lineno} {node.value!r}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and wrong.search(node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value))
    ]
    assert found == []


def test_test_files_have_names_of_their_own() -> None:
    """`--import-mode=importlib`: a folder named like a module of Python must not be a package."""
    tests = [file for file in files() if file.is_relative_to(REPOSITORY / "tests") and file.suffix == ".py"]
    assert [file for file in tests if file.name == "__init__.py"] == []
    names = [file.name for file in tests if file.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_nothing_is_left_to_do_and_no_machine_is_named() -> None:
    left = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    machine = re.compile("/ro" + "ot/|/wo" + "rk/|/ho" + r"me/\w|py" + r"env\b|file" + ":///")
    found = []
    for file in files():
        if file.suffix not in TEXT or file.name == "LICENSE":
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
            if left.search(line) or machine.search(line):
                found.append(f"{file.relative_to(REPOSITORY)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_a_lock_names_versions_and_hashes_and_no_address(lock: str) -> None:
    text = (REPOSITORY / "requirements" / f"{lock}.txt").read_text()
    for line in text.splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [^/\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_the_locks_agree_and_cover_what_is_asked_for() -> None:
    def pins(lock: str) -> dict[str, str]:
        text = (REPOSITORY / "requirements" / f"{lock}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    def wanted(requirements: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9-]", requirement.lower())[0] for requirement in requirements}

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert wanted(project["project"]["dependencies"]) <= set(pins("run"))
    assert wanted(project["dependency-groups"]["dev"]) <= set(pins("dev"))
    assert pins("run").items() <= pins("dev").items()
