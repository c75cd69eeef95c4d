"""mailhub under a real systemd, which is the first process of a fresh Debian: the unit that `mailhub setup` leaves, started at the boot's target,
reloaded, watched, killed, with sockets and credentials of systemd's, stopped. `make systemd` runs it: a Debian is made, some minutes."""

import os
import shutil
import ssl
import time
from collections.abc import Iterator

import pytest
from support.debian_root import DebianRoot, make
from support.server import REPOSITORY
from support.systemd_root import Booted, booted, lacking, prepare

from mailhub.net.tls import self_signed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("MAILHUB_SYSTEMD" not in os.environ, reason="`make systemd` does it"),
]

PASSWORD = "correct horse battery"
ACCOUNT = "postmaster@example.org"
NET_BIND = 1 << 10  # CAP_NET_BIND_SERVICE
DROP_INS = "/etc/systemd/system/mailhub.service.d"
READS = f"""
import imaplib, ssl
with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=ssl._create_unverified_context(), timeout=60) as imap:
    imap.login("{ACCOUNT}", "{PASSWORD}")
    imap.select()
    for number in imap.search(None, "ALL")[1][0].split():
        print(imap.fetch(number, "BODY[HEADER.FIELDS (SUBJECT)]")[1][0][1].decode().strip())
"""
# A session that is there before a signal and after it: its last word is what this prints.
STAYS = """
import socket, subprocess, sys
with socket.create_connection(("127.0.0.1", 143), 60) as session:
    lines = session.makefile("rb")
    lines.readline()
    subprocess.run(["systemctl", sys.argv[1], "mailhub"], check=True)
    session.sendall(b"a NOOP\\r\\n")
    print(lines.readline().decode())
"""
GREETED = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60) as session:
    print(session.makefile("rb").readline().decode())
"""
CERTIFICATE = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 993), timeout=60))"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Booted, with mailhub installed as docs/operator.md has it, set up and enabled."""
    if absent := lacking():
        pytest.skip(f"no systemd of its own is booted without {', '.join(absent)}")
    folder = tmp_path_factory.mktemp("systemd")
    try:
        make(folder / "root")
        root = DebianRoot(folder / "root")
        root.copy_repository("/src")
        prepare(root)
        guide = (
            (REPOSITORY / "docs/operator.md").read_text().partition("## Start")[2].partition("\n    mailhub setup")[0]
        )
        install = [line[4:] for line in guide.splitlines() if line.startswith("    ") and "/opt/mailhub" in line]
        root.do("sh", "-ec", "cd /src\n" + "\n".join(install))
        with booted(root, folder / "console") as running:
            running.do("mailhub", "setup", "example.org", "--password-stdin", stdin=f"{PASSWORD}\n")
            running.do("systemctl", "enable", "--now", "mailhub")
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drop_in(system: Booted, name: str, *lines: str) -> None:
    """Lines of [Service], above those of the unit."""
    text = "\n".join(("[Service]", *lines, ""))
    system.do("sh", "-ec", f"mkdir -p {DROP_INS}; cat >{DROP_INS}/{name}.conf; systemctl daemon-reload", stdin=text)


def undo(system: Booted, name: str) -> None:
    system.do("sh", "-ec", f"rm {DROP_INS}/{name}.conf; systemctl daemon-reload")


def status(system: Booted) -> dict[str, str]:
    """Of the main process, as proc(5) has it; "pid" besides."""
    pid = system.shown("mailhub", "MainPID")["MainPID"]
    lines = system.do("cat", f"/proc/{pid}/status").splitlines()
    return {"pid": pid, **dict(line.split(":\t", 1) for line in lines if ":\t" in line)}


def restarted(system: Booted, before: str) -> str:
    """Wait for another main process that serves; its number."""
    deadline = time.monotonic() + 120
    while True:
        shown = system.shown("mailhub", "ActiveState", "MainPID")
        if shown["ActiveState"] == "active" and shown["MainPID"] not in ("0", before):
            return shown["MainPID"]
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)


def posted(system: Booted, subject: str) -> list[str]:
    """A message by the program that all programs know; subjects of all that can be read, once it is there."""
    system.do("mailhub", "as", "sendmail", "-f", "root@elsewhere.test", ACCOUNT, stdin=f"Subject: {subject}\n\nhello\n")
    deadline = time.monotonic() + 120
    while f"Subject: {subject}" not in (found := system.do("/opt/mailhub/bin/python", "-c", READS).splitlines()):
        assert time.monotonic() < deadline, found
    return found


def test_systemd_is_told_when_it_serves(system: Booted) -> None:
    """`systemctl enable --now` has come back: with Type=notify that is when the listeners answer."""
    shown = system.shown(
        "mailhub", "Type", "ActiveState", "StatusText", "UnitFileState", "FragmentPath", "WatchdogUSec"
    )
    assert shown == {
        "Type": "notify", "ActiveState": "active", "StatusText": "0 sessions", "UnitFileState": "enabled",
        "FragmentPath": "/etc/systemd/system/mailhub.service", "WatchdogUSec": "1min",
    }  # fmt: skip
    assert "Subject: first" in posted(system, "first")
    assert system.do("mailhub", "check").endswith(": ok\n")


def test_it_has_the_rights_of_the_unit_and_no_more(system: Booted) -> None:
    fields = status(system)
    assert "0" not in fields["Uid"].split()
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {NET_BIND}
    inside = ("nsenter", "-t", fields["pid"], "-m", "sh", "-c")
    for folder in ("/etc", "/usr", "/var/log"):
        assert "Read-only file system" in system.run(*inside, f"touch {folder}/x").stderr
    assert system.run(*inside, "touch /var/lib/mailhub/x && rm /var/lib/mailhub/x").returncode == 0
    assert system.do(*inside, "find /root /home -mindepth 1") == ""


def test_a_reload_keeps_process_and_sessions(system: Booted) -> None:
    before = status(system)["pid"]
    assert system.do("/opt/mailhub/bin/python", "-c", STAYS, "reload").startswith("a OK")
    assert status(system)["pid"] == before


def test_one_that_gives_no_sign_of_life_is_begun_again(system: Booted) -> None:
    drop_in(system, "watchdog", "WatchdogSec=3", "TimeoutAbortSec=2")
    system.do("systemctl", "restart", "mailhub")
    before = status(system)["pid"]
    time.sleep(7)  # signs of life keep it: twice the time of the watchdog, by systemd's own clock
    assert status(system)["pid"] == before
    system.do("systemctl", "kill", "--signal=STOP", "mailhub")
    restarted(system, before)
    assert "Watchdog timeout" in system.do("journalctl", "-u", "mailhub", "--no-pager")
    undo(system, "watchdog")
    assert {"Subject: first", "Subject: watched"} <= set(posted(system, "watched"))


def test_one_that_is_killed_is_begun_again_with_its_mail(system: Booted) -> None:
    before = status(system)["pid"]
    system.do("systemctl", "kill", "--signal=KILL", "mailhub")
    restarted(system, before)
    assert {"Subject: first", "Subject: killed"} <= set(posted(system, "killed"))


def test_certificates_are_credentials_of_systemd(system: Booted) -> None:
    """Which root alone can read; the commands that people type go on meanwhile."""
    certificate, key = self_signed("mail.example.org", time.time())
    for name, text in (("certificate", certificate), ("key", key)):
        system.do(
            "sh",
            "-ec",
            f"umask 077; mkdir -p /etc/mailhub/secret; cat >/etc/mailhub/secret/{name}",
            stdin=text.decode(),
        )
    drop_in(
        system,
        "credentials",
        "LoadCredential=certificate:/etc/mailhub/secret/certificate",
        "LoadCredential=key:/etc/mailhub/secret/key",
    )
    system.do("cp", "/etc/mailhub/config.toml", "/etc/mailhub/before.toml")
    try:
        changes = ("tls.certificate=credential:certificate", "tls.key=credential:key")
        system.do("mailhub", "config", "-e", *changes)
        system.do("systemctl", "restart", "mailhub")
        shown = system.do("/opt/mailhub/bin/python", "-c", CERTIFICATE)
        assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(certificate.decode())
        for command in ("status", "check"):
            assert system.do("mailhub", command)
        assert "Subject: secret" in posted(system, "secret")
    finally:
        undo(system, "credentials")
        system.do("cp", "/etc/mailhub/before.toml", "/etc/mailhub/config.toml")
        system.do("systemctl", "restart", "mailhub")


def test_a_socket_of_systemd_begins_it_without_any_right(system: Booted) -> None:
    """Port 25 is systemd's; the first client starts the server, which has no capability, and is served."""
    system.do("systemctl", "stop", "mailhub")
    config = 'hostname = "mail.example.org"\ndomains = ["example.org"]\ndata = "/var/lib/mailhub"\n[[listener]]\nprotocol = "smtp"\nport = 25\naddress = "0.0.0.0"\n'
    system.do("sh", "-ec", "cat >/etc/mailhub/socket.toml", stdin=config)
    begin = "ExecStart=/opt/mailhub/bin/mailhub serve --config /etc/mailhub/socket.toml"
    drop_in(system, "socket", "ExecStart=", begin, "AmbientCapabilities=", "CapabilityBoundingSet=")
    try:
        system.do("cp", "/src/examples/systemd/mailhub.socket", "/etc/systemd/system/")
        system.do("sh", "-ec", "systemctl daemon-reload; systemctl start mailhub.socket")
        assert system.shown("mailhub", "ActiveState") == {"ActiveState": "inactive"}
        assert system.do("/opt/mailhub/bin/python", "-c", GREETED, "25").startswith("220 mail.example.org")
        fields = status(system)
        assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
        system.do("systemctl", "stop", "mailhub.socket", "mailhub")
    finally:
        undo(system, "socket")
        system.do("systemctl", "start", "mailhub")


def test_a_stop_says_goodbye_and_ends_well(system: Booted) -> None:
    assert system.do("/opt/mailhub/bin/python", "-c", STAYS, "stop").startswith("* BYE")
    shown = system.shown("mailhub", "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert system.do("systemctl", "--failed", "--no-legend").strip() == ""
