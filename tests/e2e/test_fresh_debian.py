"""A fresh Debian, made by debootstrap, where nothing is installed but what README.md asks for: its commands work there as they stand."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debian_root import PACKAGES, DebianRoot, make, missing
from support.server import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
ASKED_FOR = (
    "python3",
    "make",
    "git",
)  # by README.md; curl is for its first message, and certificates are this machine's
LONG = "MAILHUB_FRESH" in os.environ  # `make fresh`

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 900)]
only_long = pytest.mark.skipif(not LONG, reason="`make fresh` does it")

FETCH = """
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=ssl._create_unverified_context(), timeout=30) as imap:
    imap.login(sys.argv[1], sys.argv[2])
    for _ in range(20_000):
        if imap.select()[1] == [b"1"]:
            break
    print(imap.fetch("1", "BODY[]")[1][0][1].decode())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRoot]:
    if lacking := missing("nsenter", "git"):
        pytest.skip(f"no fresh Debian is made without {', '.join(lacking)}")
    path = tmp_path_factory.mktemp("fresh") / "root"
    try:
        make(path)
        fresh = DebianRoot(path)
        fresh.copy_repository("/src")
        yield fresh
    finally:
        shutil.rmtree(path, ignore_errors=True)


def block(heading: str) -> list[str]:
    """The lines of the first indented block with `make run`, or of that section."""
    text = README.partition(heading)[2]
    found = re.search(r"(?m)^    .*(?:\n    .*)*", text)
    assert found is not None
    return [line[4:] for line in found[0].splitlines()]


def test_the_readme_says_what_it_needs() -> None:
    assert "`python3` (3.11 or newer), `make` and `git`" in README
    assert {"python3", "make", "git"} <= set(PACKAGES)


def test_make_run_and_a_first_message(root: DebianRoot, tmp_path: Path) -> None:
    assert block("# mailhub")[0].startswith("make run ")
    # Set up on this machine's network; the server itself, on a loopback of its own, is the second call.
    set_up = root.run("env", "MAILHUB_USER=nobody-of-that-name", "make", "-C", "/src", "run")
    assert "there is no such user" in set_up.stderr, set_up.stdout[-3000:] + set_up.stderr[-3000:]
    script = "set -e\ncd /src\n" + "\n".join(block("## A first message"))
    with root.running(tmp_path / "log", "make", "-s", "-C", "/src", "run") as server:
        server.said("demo-accounts.txt")
        message = server.do("sh", "-c", script)
        assert "Subject: Hello" in message
        assert "The first message." in message


@only_long
def test_pip_and_setup(root: DebianRoot, tmp_path: Path) -> None:
    """As docs/operator.md begins: installed from the lock, set up, started, used."""
    guide = (REPOSITORY / "docs/operator.md").read_text().partition("## Start")[2].partition("\n    mailhub setup")[0]
    install = [line[4:] for line in guide.splitlines() if line.startswith("    ") and "/opt/mailhub" in line]
    assert len(install) == 2
    root.do(
        "sh", "-c", "set -e\ncd /src\napt-get -qq update\napt-get -qq -y install python3-venv\n" + "\n".join(install)
    )
    with root.running(tmp_path / "log", "sh", "-c", "echo here; trap 'exit 0' TERM; tail -f /dev/null & wait") as host:
        host.said("here")
        password = "correct horse battery"
        zone = host.do("mailhub", "setup", "example.org", "--password-stdin", stdin=f"{password}\n")
        assert "The system has a new user, mailhub." in zone
        assert "example.org. IN MX 10 mail.example.org." in zone
        mailhub = ("mailhub", "--config", "/etc/mailhub/config.toml")
        assert host.do(*mailhub, "check").endswith(": ok\n")
        doors = [line.split()[:3] for line in host.do(*mailhub, "start").splitlines()]
        assert ["https", "http", "0.0.0.0:443"] in doors
        host.do("install", "-d", "/opt/names")
        host.do(*mailhub, "install-names", "/opt/names")
        host.do(
            "/opt/names/sendmail",
            "-f",
            "root@elsewhere.test",
            "postmaster@example.org",
            stdin="Subject: Fresh\n\nhello\n",
        )
        assert "Subject: Fresh" in host.do("python3", "-c", FETCH, "postmaster@example.org", password)
        owner = host.do("stat", "-c", "%U %a", "/var/lib/mailhub", "/etc/mailhub/config.toml")
        assert owner.splitlines() == ["mailhub 700", "root 644"]
        host.do(*mailhub, "stop")


@only_long
def test_make_test(root: DebianRoot) -> None:
    """The second command, with fewer tests than it has: linting, types, the rules of the rooms, and one that sends and reads mail."""
    said = root.do(
        "make", "-C", "/src", "test", "TESTS=tests/e2e/test_first_message.py tests/architecture", "SECOND=none"
    )
    assert " passed" in said
