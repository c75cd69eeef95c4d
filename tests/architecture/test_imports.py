"""Rooms stand in the order a message walks; a room imports only rooms below it (docs/ARCHITECTURE.md, "Rooms")."""

import ast

from support.source import PACKAGE, Module, modules

# Room: what it may import besides itself. "store" means all of it, "store.api" the seam alone.
BELOW: dict[str, tuple[str, ...]] = {
    "config": (),
    "model": (),
    "log_output": ("config",),
    "log": ("log_output", "model", "config"),
    "stall": (),
    "heap": ("model",),
    "hooks": ("stall", "model", "config"),
    "trace": ("log", "model", "config"),
    "wire": ("model",),
    "message": ("model",),
    "net": ("model", "config"),
    "tables": ("net", "model", "config"),
    "scanners": ("net", "wire", "message", "model", "config"),
    "deputy": ("message", "model"),
    "store": ("net", "message", "model", "config"),
    "directory": ("tables", "store.api", "deputy", "wire", "message", "model", "config"),
    "mailbox": ("store.api", "trace", "wire", "message", "model", "config"),
    "delivery": ("mailbox", "directory", "tables", "store.api", "deputy", "net", "wire", "message", "model", "config"),
    "queue": ("delivery", "store.api", "trace", "message", "model", "config", "log"),
    "policy": (
        "hooks",
        "scanners",
        "queue",
        "delivery",
        "mailbox",
        "directory",
        "tables",
        "store.api",
        "trace",
        "net",
        "wire",
        "message",
        "model",
        "config",
    ),
    "control": (
        "policy",
        "queue",
        "delivery",
        "mailbox",
        "directory",
        "tables",
        "store",
        "trace",
        "net",
        "message",
        "model",
        "config",
        "log",
    ),
    "protocols": ("policy", "mailbox", "directory", "net", "wire", "message", "model", "config"),
}
BELOW["moving"] = ("store", "model", "config")
BELOW["jobs"] = ("queue", "delivery", "store.api", "net", "message", "model", "config")
BELOW["web"] = (
    "control",
    "policy",
    "queue",
    "mailbox",
    "directory",
    "trace",
    "log",
    "net",
    "message",
    "model",
    "config",
)
BELOW["hub_reload"] = ("config",)
BELOW["hub_sessions"] = ("protocols", "net")  # a part of hub
BELOW["hub_local"] = ("delivery", "directory", "deputy", "model", "config")  # a part of hub
BELOW["hub_confine"] = ("store", "deputy", "net", "model", "config")  # a part of hub
BELOW["hub_signin"] = tuple(BELOW)  # a part of hub
BELOW["hub_maildrop"] = ("hub", "jobs", "policy", "store", "wire", "model")  # a part of hub
BELOW["hub_hooks"] = ("hub", "policy", "delivery", "hooks", "model")  # a part of hub
BELOW["hub"] = (
    *BELOW,
    "hub_status",
    "hub_mail",
    "hub_web",
    "hub_speaking",
    "hub_filters",
    "hub_hooks",
    "hub_maildrop",
    "hub_alarms",
)
BELOW["hub_alarms"] = BELOW["hub_status"] = BELOW["hub_mail"] = BELOW["hub_web"] = BELOW["hub_speaking"] = BELOW[
    "hub_filters"
] = (
    *BELOW["hub"],
    "hub",
)  # parts of hub
BELOW["testing"] = (*BELOW["hub"], "hub")
BELOW["cli"] = tuple(BELOW)
BELOW["__main__"] = ("cli",)
BELOW[""] = ()

PROTOCOLS = ("auth", "smtp", "pop3", "imap", "managesieve")
IMPURE = {
    "asyncio", "concurrent", "fcntl", "glob", "io", "mmap", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
TEXT_ONLY = {"io.IncrementalNewlineDecoder"}  # turns a string into a string: no file, no net


def violations(module: Module) -> list[str]:
    found = []
    for line, imported in module.imports():
        package, _, name = imported.partition(".")
        if package != PACKAGE or name in ("", "__version__"):
            continue
        room = name.partition(".")[0]
        allowed = BELOW.get(module.room, ())
        if room != module.room and not any(name == door or name.startswith(door + ".") for door in allowed):
            found.append(f"{module.path}:{line} imports {imported}")
    return found


def test_every_room_has_a_place() -> None:
    assert {module.room for module in modules()} - set(BELOW) == set()


def test_a_room_imports_only_rooms_below_it() -> None:
    assert [found for module in modules() for found in violations(module)] == []


def test_protocols_do_not_import_each_other() -> None:
    found = []
    for module in modules():
        parts = module.name.split(".")
        if parts[0] != "protocols" or len(parts) < 2:
            continue
        mine = parts[1]
        for line, imported in module.imports():
            other = imported.removeprefix(f"{PACKAGE}.protocols.").partition(".")[0]
            foreign = imported.startswith(f"{PACKAGE}.protocols.") and other in PROTOCOLS and other != mine
            if foreign:
                found.append(f"{module.path}:{line} imports {imported}")
    assert found == []


def test_wire_and_message_are_pure() -> None:
    found = [
        f"{module.path}:{line} imports {imported}"
        for module in modules()
        if module.room in ("wire", "message")
        for line, imported in module.imports()
        if imported.partition(".")[0] in IMPURE and imported not in TEXT_ONLY
    ]
    assert found == []


def test_implementations_of_the_store_are_known_to_hub_control_and_moving_alone() -> None:
    found = [
        f"{module.path}:{line} imports {imported}"
        for module in modules()
        if module.room not in ("store", "hub", "hub_maildrop", "hub_confine", "control", "moving")
        for line, imported in module.imports()
        if imported.startswith(f"{PACKAGE}.store") and not imported.startswith(f"{PACKAGE}.store.api.")
    ]
    assert found == []


def test_the_reader_of_imports_sees_them_all() -> None:
    """The test of the test: each way to write an import."""
    text = (
        "import a.b\nfrom . import c\nfrom ..d import e\nfrom mailhub.f import g as h\ndef i():\n    from .j import k\n"
    )
    module = Module("x.y.z", "mailhub/x/y/z.py", text, ast.parse(text), is_package=False)
    names = {name for _, name in module.imports()}
    assert names == {"a.b", "mailhub.x.y.c", "mailhub.x.d.e", "mailhub.f.g", "mailhub.x.y.j.k"}
    package = Module("x.y", "mailhub/x/y/__init__.py", text, ast.parse(text), is_package=True)
    assert "mailhub.x.y.c" in {name for _, name in package.imports()}
    store = Module("protocols.z", "mailhub/protocols/z.py", "", ast.parse("from mailhub.store.api import Body"), False)
    assert violations(store) == ["mailhub/protocols/z.py:1 imports mailhub.store.api.Body"]
