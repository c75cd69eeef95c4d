"""Time, names, databases and mail files are reached through the seams alone: proved by reading the source."""

import ast
from collections.abc import Callable, Iterator

import pytest
from support.source import Module, dotted, modules

# The seam; the detector that watches what virtual time can not see; and the other process, which serves no test's time.
CLOCKS = {"model.clock", "stall", "deputy.process", "deputy.mailbox", "deputy.dotlock"}

# Calls that read a clock or wait for one, by the module they come from.
TIMED = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "sleep",
        "localtime",
        "ctime",
    },
    "asyncio": {"timeout", "timeout_at", "wait_for"},
    "datetime": {"now", "utcnow", "today"},
    "threading": {"Timer"},
    "email.utils": {"localtime", "make_msgid"},
}
NAMING = {"getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn", "getnameinfo"}
RESOLVERS = {"aiodns", "pycares", "dns"}
DATABASES = {"sqlite3", "aiomysql", "pymysql"}

# Who opens files, and which.
FILES = {
    "jobs.webhooks": "the secrets that sign events",
    "config.load": "the operator's config.toml",
    "config.edit": "the same, to write",
    "jobs.dropped": "mail that programs of this host leave",
    "moving.mail": "mail of other servers",
    "moving.sending": "the copy that an export makes",
    "cli.check_host": "what lies in the data folder, looked at",
    "log_output": "the log",
    "cli.lifecycle": "the log of a server in the background",
    "control.pid_file": "var/mailhub.pid",
    "cli.names.install": "scripts that stand for mailhub",
    "cli.moving_mail": "a password of the operator's",
    "store.sqlite.incoming": "mail that moves in",
    "moving.importing": "files of Postfix and Dovecot",
    "hub_confine": "links in the data folder",
    "net.landlock": "the kernel's handles of files",
    "cli.setup_unit": "the unit of systemd that setup leaves",
    "cli.setup": "the config.toml of a new host",
    "cli.importing": "the config.toml that an import makes",
    "tables.files": "lookup tables of the operator",
    "net.tls": "certificates and keys",
    "net.certificates": "certificates and keys",
    "net.peers": "authorities that vouch for peers",
    "protocols.doors": "unix sockets",
    "net.local": "what the system says of its routes and addresses",
    "control.socket_path": "the folder of the control socket",
    "cli.newaliases": "alias files of the operator",
    "hooks.runner": "the operator's hooks",
    "cli.junk": "messages that the operator teaches",
    "control.demo": "var/demo-accounts.txt",
    "directory.oauth.files": "keys of token issuers, our credentials with them",
    "delivery.aliases.includes": ":include: files of the operator's lists",
    "delivery.sieve.files": "the operator's Sieve scripts",
    "testing.server": "the data folder of a test, thrown away",
    "cli.dev": "the data folder of a sink, thrown away",
    "web.pages": "the pages' own files",
    "web.setup.page": "the page's own files",
    "testing.authority": "certificates of a test's own",
    "testing.recording": "transcripts of a project's own tests",
    "testing.hub_faults": "a certificate that is wrong on purpose",
    "hub_local": "the data folder",
    "delivery.system.spooled": "its own file without a name, a second time",
    "deputy.rights": "networks, of the other process",
    "deputy.child": "/dev/null, for users' programs",
    "deputy.mailbox": "mailboxes of the system's users, as they",
    "deputy.dotlock": "their locks",
    "deputy.maildir": "their Maildirs",
    "deputy.forward": "their .forward files",
    "hub_status": "the system's word on the memory in use",
}
FILE_CALLS = {
    "open", "io.open", "os.open", "os.fdopen", "os.rename", "os.replace", "os.link", "os.unlink", "os.remove", "os.mkdir",
    "os.makedirs", "os.listdir", "os.scandir", "shutil.rmtree", "shutil.copyfile", "tempfile.mkstemp",
}  # fmt: skip
FILE_METHODS = {"read_bytes", "read_text", "write_bytes", "write_text", "iterdir", "rglob", "touch"}

Rule = Callable[[Module, ast.Call, dict[str, str]], bool]


def names(module: Module) -> dict[str, str]:
    """What each imported name stands for: `from time import sleep as nap` gives {"nap": "time.sleep"}."""
    known = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def meant(call: ast.expr, known: dict[str, str]) -> str:
    """The full name of what is called or named."""
    head, dot, tail = dotted(call).partition(".")
    return known.get(head, head) + dot + tail


def reads_a_clock(module: Module, call: ast.Call, known: dict[str, str]) -> bool:
    name = meant(call.func, known)
    owner, _, what = name.rpartition(".")
    for source, calls in TIMED.items():
        if what in calls and (owner == source or owner.startswith(source + ".")):
            return True
    if name == "asyncio.sleep":
        return not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
    if name == "asyncio.wait":
        return any(keyword.arg == "timeout" for keyword in call.keywords)
    if name in ("time.gmtime", "email.utils.formatdate", "email.utils.format_datetime"):
        return not call.args
    if what in ("call_later", "call_at"):
        return owner.rpartition(".")[2] not in ("clock", "_clock")
    return what == "time" and owner.endswith(("loop", "get_running_loop()"))


def resolves_names(module: Module, call: ast.Call, known: dict[str, str]) -> bool:
    return meant(call.func, known).rpartition(".")[2] in NAMING


def touches_files(module: Module, call: ast.Call, known: dict[str, str]) -> bool:
    name = meant(call.func, known)
    if name in FILE_CALLS or name.rpartition(".")[2] in FILE_METHODS:
        return True
    mode = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    return name.endswith(".open") and isinstance(mode, str) and set(mode) <= set("rwaxbt+")


def imports_of(module: Module, packages: set[str]) -> Iterator[str]:
    for line, name in module.imports():
        if name.partition(".")[0] in packages:
            yield f"{module.path}:{line} imports {name}"


def broken(module: Module, rule: Rule) -> Iterator[str]:
    known = names(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and rule(module, node, known):
            yield f"{module.path}:{node.lineno} calls {ast.unparse(node.func)}"


def test_only_the_clock_knows_the_time() -> None:
    others = [module for module in modules() if module.name not in CLOCKS]
    assert [found for module in others for found in broken(module, reads_a_clock)] == []


def test_only_the_resolver_resolves() -> None:
    others = [module for module in modules() if module.name not in ("net.resolver", "net.dnssec", "testing.dns")]
    assert [found for module in modules() for found in broken(module, resolves_names)] == []
    assert [found for module in others for found in imports_of(module, RESOLVERS)] == []


def test_only_the_store_opens_databases_and_mail_files() -> None:
    others = [module for module in modules() if module.room != "store" or module.name.startswith("store.api")]
    strangers = [
        module for module in others if module.name not in ("tables.sql", "net.mysql")
    ]  # which ask the databases of others
    assert [found for module in strangers for found in imports_of(module, DATABASES)] == []
    assert [found for module in others if module.name not in FILES for found in broken(module, touches_files)] == []


def test_every_exception_is_needed() -> None:
    opening = {module.name for module in modules() if any(broken(module, touches_files))}
    assert set(FILES) - opening == set()


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (reads_a_clock, "import time\ntime.time()"),
        (reads_a_clock, "from time import monotonic as m\nm()"),
        (reads_a_clock, "import time\ntime.gmtime()"),
        (reads_a_clock, "import asyncio\nasyncio.sleep(0.1)"),
        (reads_a_clock, "import asyncio\nasyncio.wait_for(x, 1)"),
        (reads_a_clock, "import asyncio\nasyncio.wait(x, timeout=1)"),
        (reads_a_clock, "import asyncio as a\na.timeout(1)"),
        (reads_a_clock, "import datetime\ndatetime.datetime.now()"),
        (reads_a_clock, "from datetime import date\ndate.today()"),
        (reads_a_clock, "self._loop.call_later(1, f)"),
        (reads_a_clock, "loop.time()"),
        (resolves_names, "import socket\nsocket.getfqdn()"),
        (resolves_names, "loop.getaddrinfo('a', 1)"),
        (touches_files, "open('x')"),
        (touches_files, "from os import rename\nrename('a', 'b')"),
        (touches_files, "path.read_bytes()"),
        (touches_files, "path.open('rb')"),
    ],
)
def test_each_rule_finds_what_breaks_it(rule: Rule, text: str) -> None:
    module = Module("x", "x.py", text, ast.parse(text), is_package=False)
    assert len(list(broken(module, rule))) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (reads_a_clock, "import time\ntime.gmtime(when)\ntime.strftime('%a', when)"),
        (reads_a_clock, "import asyncio\nasyncio.sleep(0)\nasyncio.wait(tasks)"),
        (reads_a_clock, "self._clock.call_later(1, f)\nclock.now()\nclock.timeout(3)\nself.clock.sleep(1)"),
        (touches_files, "store.open()\nview.open(uid)\nopen_view(folder)"),
    ],
)
def test_no_rule_finds_more(rule: Rule, text: str) -> None:
    module = Module("x", "x.py", text, ast.parse(text), is_package=False)
    assert list(broken(module, rule)) == []
