"""What `mailhub serve` gives up by Landlock: all files but its own, and programs; each thread of it, and the server works."""

import imaplib
import json
import os
import random
import smtplib
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.server import REPOSITORY, free_port
from support.system_server import serving
from support.system_users import system_users

from mailhub.config.aliasing import Aliases
from mailhub.config.hooks import Hooks
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Config, Local, Store, Transport
from mailhub.hub_confine import needed, programs
from mailhub.net import landlock

confined = pytest.mark.skipif(landlock.version() < landlock.NEEDED, reason="this kernel has no Landlock")

CONFIG = """
domains = ["a.test"]
landlock = "{landlock}"
{more}
[store]
free_space_floor = 0
[smtp]
greet_pause = 0.0
{sections}
[[listener]]
protocol = "smtp"
port = {port}
"""

# Each line: what is tried, and how it went.
TRIED = """
import os, subprocess, sys
from pathlib import Path

def tried(outside, data):
    def attempt(name, act):
        try:
            act()
        except OSError as error:
            return f"{name} {error.errno}"
        return f"{name} done"
    return [
        attempt("write", lambda: open(f"{outside}/new", "w")),
        attempt("change", lambda: open(f"{outside}/old", "a")),
        attempt("cut", lambda: os.truncate(f"{outside}/old", 0)),
        attempt("read", lambda: open(f"{outside}/old").read()),
        attempt("list", lambda: os.listdir(outside)),
        attempt("remove", lambda: os.unlink(f"{outside}/old")),
        attempt("move", lambda: os.rename(f"{data}/mine", f"{outside}/mine")),
        attempt("run", lambda: subprocess.run(["/bin/true"])),
        attempt("own", lambda: open(f"{data}/mine", "w").write("x")),
        attempt("system", lambda: open("/etc/passwd").read()),
    ]
"""
FORBIDDEN = [f"{name} 13" for name in ("write", "change", "cut", "read", "list", "remove", "move")]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the configuration's own, with a file."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "old").write_text("somebody's\n")
    return folder


def _place(tmp_path: Path, landlock: str, more: str = "", sections: str = "") -> tuple[Path, int]:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (home / "config.toml").write_text(CONFIG.format(landlock=landlock, more=more, sections=sections, port=port))
    return home / "config.toml", port


def _mailhub(config: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "mailhub", "--config", str(config), *words], capture_output=True, text=True, check=False,
        timeout=100, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, input="x\n",
    )  # fmt: skip


def _without_new_rights(pid: int) -> int:
    """How many threads a process has: none may gain any."""
    threads = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/status")]
    assert all("NoNewPrivs:\t1\n" in text for text in threads)
    return len(threads)


@confined
def test_a_process_keeps_its_own_files_alone(tmp_path: Path, outside: Path) -> None:
    config, _ = _place(tmp_path, "auto")
    (config.parent / "var").mkdir()
    text = textwrap.dedent("""
        import sys
        from pathlib import Path
        from mailhub.config.load import load
        from mailhub.hub_confine import Narrowing
        file = Path(sys.argv[1])
        begun = []
        narrowing = Narrowing(load(file), file, lambda: begun.append(1), files=True)
        narrowing.apply()
        open(f"{file.parent}/var/mine", "w").close()
        print(narrowing.said, begun, *tried(sys.argv[2], f"{file.parent}/var"), sep="\\n")
        """)
    done = subprocess.run(
        [sys.executable, "-c", TRIED + text, str(config), str(outside)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, begun, *found = done.stdout.splitlines()
    assert said.startswith("on (version ")
    assert said.endswith("programs: none")
    assert begun == "[1]"
    assert found == [*FORBIDDEN, "run 13", "own done", "system done"]
    assert (outside / "old").read_text() == "somebody's\n"


@confined
def test_a_server_works_so_and_its_hooks_reach_nothing_else(tmp_path: Path, outside: Path) -> None:
    """ "on", where code of the operator's runs inside, that tries it in the server itself."""
    config, port = _place(tmp_path, "on", sections='[hooks]\nfile = "hooks.py"')
    answers = config.parent / "var" / "answers"
    code = f'{TRIED}\nasync def mail(event):\n    Path("{answers}").write_text("\\n".join(tried("{outside}", "{config.parent}/var")))\n'
    (config.parent / "hooks.py").write_text(code)
    assert _mailhub(config, "user", "add", "ann@a.test", "--password-stdin").returncode == 0
    started = _mailhub(config, "start", "--json")
    assert started.returncode == 0, started.stderr + (config.parent / "var/mailhub.log").read_text()
    try:
        pid = json.loads(started.stdout)["pid"]
        (config.parent / "var/mine").touch()
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            assert smtp.sendmail("far@b.test", ["ann@a.test"], "Subject: x\r\n\r\ny\r\n") == {}
        status = json.loads(_mailhub(config, "status", "--json").stdout)
        assert status["landlock"].endswith("programs: those of the system")
        assert "landlock  on (version" in _mailhub(config, "status").stdout
        assert answers.read_text().splitlines() == [*FORBIDDEN, "run done", "own done", "system done"]
        assert _without_new_rights(pid) > 2
        # What is named later, and lies elsewhere, needs a restart, and a reload says so.
        config.write_text(config.read_text().replace("[smtp]", f'[tls]\nclient_ca = "{outside}/ca.pem"\n[smtp]'))
        reloaded = _mailhub(config, "reload")
        assert "landlock" in reloaded.stdout, reloaded.stdout + reloaded.stderr
    finally:
        assert _mailhub(config, "stop").returncode == 0
    found = subprocess.run(
        ["find", str(config.parent / "var/mail"), "-path", "*/new/*", "-o", "-path", "*/cur/*"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(found.stdout.splitlines()) == 1


@confined
def test_what_a_confined_server_keeps_beside_its_store_works(tmp_path: Path) -> None:
    """SQLite wants files in /var/tmp for large units: the index of text was never made, and each search read all messages."""
    port = free_port()
    door = f'[auth]\nallow_plaintext = true\n[[listener]]\nprotocol = "imap"\nport = {port}\ntls = "none"'
    config, _ = _place(tmp_path, "on", sections=door)
    assert _mailhub(config, "user", "add", "ann@a.test", "--password-stdin").returncode == 0
    started = _mailhub(config, "start", "--json")
    assert started.returncode == 0, started.stderr
    try:
        with imaplib.IMAP4("127.0.0.1", port, timeout=60) as imap:
            imap.login("ann@a.test", "x")
            choice = random.Random(1)
            for n in range(
                200
            ):  # a second unit changes so many pages that it needs more than the 64 KB that stay in memory
                words = " ".join(f"word{choice.randrange(3_000)}x" for _ in range(300))
                imap.append("INBOX", "", "", f"Subject: {n}\r\n\r\n{words} number{n}x\r\n".encode())
            imap.select("INBOX")
            assert imap.search(None, "BODY", "number17x")[1] == [b"18"]
            index = config.parent / "var/search/a.test/ann.db"
            until = time.monotonic() + 60
            while _documents(index) < 200:
                assert time.monotonic() < until
                time.sleep(0.2)
            assert imap.search(None, "BODY", "number17x")[1] == [b"18"]
    finally:
        assert _mailhub(config, "stop").returncode == 0
    assert "search index" not in (config.parent / "var/mailhub.log").read_text()


def _documents(index: Path) -> int:
    """Messages in an account's index of text."""
    if not index.exists():
        return 0
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as db:
        try:
            return int(db.execute("select count(*) from document").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


@pytest.mark.slow
@confined
async def test_with_a_deputy_the_server_is_confined_and_the_deputy_is_not() -> None:
    with system_users("mailer", "sam") as place:
        async with serving(place, 'home_mailbox = "Maildir/"') as server:
            await server.send("sam@mailhub.test")
            await server.delivered("sam@mailhub.test")
            assert len(list((place.home("sam") / "Maildir/new").iterdir())) == 1
            assert _without_new_rights(server.pid) > 2
    assert any("landlock: on (version" in line for line in server.log)


def test_it_is_off_where_it_can_not_be(tmp_path: Path) -> None:
    """By a kernel's answer that is not this one's: the program that asks is told that there is no such call."""
    config, _ = _place(tmp_path, "on", more="no_new_privileges = true")
    text = textwrap.dedent("""
        import sys
        from pathlib import Path
        from mailhub.config.load import load
        from mailhub.hub_confine import Narrowing
        from mailhub.model.errors import Permanent
        from mailhub.net import landlock
        landlock._CREATE = 1_000_000
        file = Path(sys.argv[1])
        for word in ("on", "auto"):
            file.write_text(file.read_text().replace('landlock = "on"', f'landlock = "{word}"'))
            narrowing = Narrowing(load(file), file, lambda: None, files=True)
            try:
                narrowing.apply()
                print(narrowing.said)
            except Permanent as error:
                print(error)
        """)
    done = subprocess.run(
        [sys.executable, "-c", text, str(config)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    assert first.startswith('landlock = "on": this kernel has none')
    assert second == "off, this kernel has none"


def test_what_runs_programs_as_mailhub() -> None:
    pipe = {"ticket": Transport(protocol="pipe", command=("/bin/cat",), user="ticket")}
    assert programs(Config()) == ""
    assert programs(Config(transport=pipe)) == "[transport.ticket] runs a program"
    assert programs(Config(transport=pipe, user="mailhub", local=Local(system_users=True))) == ""
    tables = Lookup(("aliases:/etc/aliases",))
    assert programs(Config(aliases=Aliases(alias_maps=tables))).startswith("aliases.alias_maps")
    assert programs(Config(hooks=Hooks(enabled=True, file="/etc/mailhub/hooks.py"))) == "hooks.file runs code"


def test_which_files_are_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    elsewhere, former = tmp_path / "disk", tmp_path / "old"
    home = elsewhere / "a.test/ann"
    home.mkdir(parents=True)
    (former / "a.test/ann").mkdir(parents=True)
    (home / "Maildir").symlink_to(former / "a.test/ann")
    data.mkdir()
    (data / "mail").symlink_to(elsewhere)
    config = Config(
        store=Store(mail_location=f"{tmp_path}/vmail/%d/%n"),
        data=str(data),
        landlock_write=(str(tmp_path / "more"),),
        transport={"x": Transport(protocol="pipe", directory="/")},
    )
    (tmp_path / "more").mkdir()
    found = needed(config, tmp_path / "etc/config.toml")
    assert found.write == {str(data), str(elsewhere), str(former), str(tmp_path), str(tmp_path / "more"), "/dev/null"}
    assert str(tmp_path / "etc") in found.read
    assert "/" not in found.read
    assert "/var/mail" not in found.read


def test_a_cluster_may_write_the_folder_of_its_objects(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    for place, written in ((f"{tmp_path}/shared/objects", str(tmp_path / "shared")), ("s3://mail", None)):
        store = Store(kind="mysql", objects=place)
        assert needed(Config(store=store, data=str(tmp_path / "data")), None).write - {"/dev/null", str(tmp_path)} == (
            {written} if written else set()
        )
