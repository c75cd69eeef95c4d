"""A fresh Debian, made by debootstrap, where nothing is installed but what README.md asks for: its commands work there as they stand."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debian_root import PACKAGES, DebianRoot, Running, make, missing
from support.server import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
ASKED_FOR = (
    "python3",
    "make",
    "git",
)  # by README.md; curl is for its first message, and certificates are this machine's
PASSWORD = "correct horse battery"
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


def used(host: Running, mailhub: tuple[str, ...], sendmail: str) -> str:
    """Set up, started, a message sent by the command that programs know, and read by IMAP; what `start` said."""
    zone = host.do("mailhub", "setup", "example.org", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert "example.org. IN MX 10 mail.example.org." in zone
    assert host.do(*mailhub, "check").endswith(": ok\n")
    started = host.do(*mailhub, "start")
    if sendmail == "/opt/names/sendmail":
        host.do("install", "-d", "/opt/names")
        host.do(*mailhub, "install-names", "/opt/names")
    host.do(sendmail, "-f", "root@elsewhere.test", "postmaster@example.org", stdin="Subject: Fresh\n\nhello\n")
    assert "Subject: Fresh" in host.do("python3", "-c", FETCH, "postmaster@example.org", PASSWORD)
    return started


@only_long
def test_the_debian_package(root: DebianRoot, tmp_path: Path) -> None:
    """Made by Debian's tools, installed by apt, used, removed, purged."""
    built = subprocess.run(
        [REPOSITORY / "scripts/deb", sys.executable, str(tmp_path)], capture_output=True, text=True, check=True
    )
    shutil.copy(built.stdout.splitlines()[-1], root.path / "mailhub.deb")
    install = "apt-get -qq update; apt-get -qq -y install /mailhub.deb"
    leftovers = "find / -xdev -name '*mailhub*' -not -path '/src*' -not -path '/mailhub.deb' -not -path '/var/log/*'"
    enabled = "test -L /etc/systemd/system/multi-user.target.wants/mailhub.service; ls /etc/rc2.d/S*mailhub"
    before = root.do("sh", "-ec", leftovers)
    root.do("sh", "-ec", install)
    root.do(
        "sh", "-ec", f"{enabled}; mailhub version; readlink -f /usr/sbin/sendmail /usr/bin/mailq /usr/bin/newaliases"
    )
    root.do("sh", "-ec", "apt-get -qq -y purge mailhub; ! getent passwd mailhub; ! test -e /usr/sbin/sendmail")
    assert root.do("sh", "-ec", leftovers) == before

    root.do("sh", "-ec", install)
    with root.running(tmp_path / "log", "sh", "-c", "echo here; trap 'exit 0' TERM; tail -f /dev/null & wait") as host:
        host.said("here")
        used(host, ("mailhub", "--config", "/etc/mailhub/config.toml"), "/usr/sbin/sendmail")
        assert host.do("mailq").startswith("Mail queue is empty")
        assert host.run("/etc/init.d/mailhub", "status").returncode == 0
        host.do("apt-get", "-qq", "-y", "remove", "mailhub")
        host.do("sh", "-ec", "test -e /etc/mailhub/config.toml; test -e /var/lib/mailhub/mailhub.db")
        purged = host.run("apt-get", "-qq", "-y", "purge", "mailhub")
        assert "/var/lib/mailhub holds mail, and stays" in purged.stdout + purged.stderr
        kept = "/etc/group\n/etc/passwd\n/var/lib/mailhub\n"
        found = host.do("sh", "-ec", f"grep -l mailhub /etc/passwd /etc/group | sort; {leftovers} -maxdepth 3")
        assert found == kept + before
        host.do("sh", "-ec", "rm -r /var/lib/mailhub; userdel mailhub")


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
        mailhub = ("mailhub", "--config", "/etc/mailhub/config.toml")
        doors = [line.split()[:3] for line in used(host, mailhub, "/opt/names/sendmail").splitlines()]
        assert ["https", "http", "0.0.0.0:443"] in doors
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
