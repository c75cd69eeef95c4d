"""`mailhub setup` as root, on a host of its own (a network namespace): it starts, every port answers, nobody is root, mail comes and is read."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import REPOSITORY
from support.system_users import SystemUsers, system_users

pytestmark = pytest.mark.slow

RUNS_AS = "mailer"
PORTS = (25, 465, 587, 110, 995, 143, 993, 4190, 80, 443)
PASSWORD = "correct horse battery"

# A stranger's mail by 25, one of our own by 587; both read by IMAP. Prints what each port says, and the subjects.
TALK = """
import imaplib, json, smtplib, socket, ssl, sys
account, password, ports = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
trusting = ssl._create_unverified_context()
said = {}
for port in ports:
    with socket.create_connection(("127.0.0.1", port), 30) as door:
        if port in (465, 995, 993, 443):
            door = trusting.wrap_socket(door)
        if port in (80, 443):
            door.sendall(b"GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
        said[port] = door.recv(200).decode().splitlines()[0]
with smtplib.SMTP("127.0.0.1", 25, timeout=30) as smtp:
    smtp.starttls(context=trusting)
    smtp.sendmail("far@elsewhere.test", [account], "Subject: by 25\\r\\n\\r\\nhello\\r\\n")
with smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
    smtp.starttls(context=trusting)
    smtp.login(account, password)
    smtp.sendmail(account, [account], "Subject: by 587\\r\\n\\r\\nhello\\r\\n")
with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=trusting, timeout=30) as imap:
    imap.login(account, password)
    imap.select()
    subjects = []
    for _ in range(20_000):
        imap.noop()
        subjects = [part[1].decode().strip() for part in imap.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")[1] if isinstance(part, tuple)]
        if len(subjects) == 2:
            break
print(json.dumps([said, sorted(subjects)]))
"""


class Host:
    """`run`: a command of mailhub's there, as root."""

    def __init__(self, name: str, place: SystemUsers) -> None:
        self.name, self.place = name, place
        self.config = place.folder / "etc/config.toml"
        self.data = place.folder / "lib"

    def run(self, *words: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        command = [self.place.python, "-P", "-m", "mailhub", "--config", str(self.config), *words]
        return self.inside(*command, stdin=stdin, **{"PYTHONPATH": str(REPOSITORY), **environ})

    def inside(self, *command: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command], input=stdin, capture_output=True, text=True, check=False,
            timeout=100, cwd="/", env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
        )  # fmt: skip


@pytest.fixture
def host() -> Iterator[Host]:
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and iproute2")
    name = f"mailhub-{uuid.uuid4().hex[:8]}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("this kernel, or this container, gives no network namespace")
    try:
        with system_users(RUNS_AS) as place:
            here = Host(name, place)
            here.inside("ip", "link", "set", "lo", "up")
            try:
                yield here
            finally:
                here.run("abort")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_from_setup_to_mail(host: Host) -> None:
    options = ("--user", RUNS_AS, "--data", str(host.data), "--password-stdin", "--address", "192.0.2.25")
    done = host.run("setup", "example.org", *options, stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    records = [line for line in done.stdout.splitlines() if " IN " in line]
    assert "example.org. IN MX 10 mail.example.org." in records
    assert "mail.example.org. IN A 192.0.2.25" in records
    assert sum("_domainkey.example.org. IN TXT" in line for line in records) == 2
    assert any(line.startswith("_25._tcp.mail.example.org. IN TLSA 3 1 1 ") for line in records)
    uid = host.place.uid(RUNS_AS)
    assert {path.lstat().st_uid for path in (host.data, *host.data.rglob("*"))} == {uid}
    assert (host.config.stat().st_uid, host.config.stat().st_mode & 0o777) == (0, 0o644)

    before = host.config.read_text()
    again = host.run("setup", "other.org", *options, stdin="x\n")
    assert again.returncode == 4
    assert "--replace" in again.stderr
    assert host.config.read_text() == before

    checked = host.run("check")
    assert checked.returncode == 0, checked.stderr
    started = host.run("start", "--json")
    assert started.returncode == 0, started.stderr + (host.data / "mailhub.log").read_text()
    told = json.loads(started.stdout)
    assert {int(row["address"].rpartition(":")[2]) for row in told["listeners"]} == set(PORTS)
    status = Path(f"/proc/{told['pid']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(uid)] * 4
    assert "0" not in fields["Groups"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0

    talked = host.inside(sys.executable, "-c", TALK, "postmaster@example.org", PASSWORD, json.dumps(PORTS))
    assert talked.returncode == 0, talked.stderr + (host.data / "mailhub.log").read_text()
    said, subjects = json.loads(talked.stdout)
    greetings = {
        25: "220 mail.example.org", 465: "220 mail", 587: "220 mail", 110: "+OK", 995: "+OK", 143: "* OK", 993: "* OK",
        4190: '"IMPLEMENTATION"', 80: "HTTP/1.1 200", 443: "HTTP/1.1 200",
    }  # fmt: skip
    assert {port: line for port, line in said.items() if not line.startswith(greetings[int(port)])} == {}
    assert subjects == ["Subject: by 25", "Subject: by 587"]
    # An account that root makes while no server runs is the server's all the same.
    assert host.run("stop").returncode == 0
    assert host.run("user", "add", "ann@example.org", "--password-stdin", stdin="x\n").returncode == 0
    assert {path.lstat().st_uid for path in host.data.rglob("*")} == {uid}
    assert host.run("start").returncode == 0


def test_replacing_keeps_what_was_there(host: Host) -> None:
    options = ("--user", RUNS_AS, "--data", str(host.data), "--generate", "--json")
    first = json.loads(host.run("setup", "example.org", *options).stdout)
    before = host.config.read_text()
    again = host.run(
        "setup", "example.org", "--hostname", "mx.example.org", *options, "--replace", "--acme", "letsencrypt"
    )
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert (told["made"], "password" in told) == (False, False)
    assert Path(told["kept"]).read_text() == before
    assert 'hostname = "mx.example.org"' in host.config.read_text()
    assert "[tls.acme]" in host.config.read_text()
    assert host.run("check").returncode == 0
    assert len(first["password"]) > 20
    asked = host.inside("python3", "-c", "import socket; s = socket.socket(); s.bind(('0.0.0.0', 25)); print('bound')")
    assert asked.stdout == "bound\n"


def test_in_chinese(host: Host) -> None:
    done = host.run(
        "setup",
        "例子.cn",
        "--user",
        RUNS_AS,
        "--data",
        str(host.data),
        "--generate",
        LC_ALL="zh_CN.UTF-8",
        PYTHONUTF8="1",
    )
    assert done.returncode == 0, done.stderr
    assert "DNS 中需要的记录" in done.stdout
    assert "xn--fsqu00a.cn. IN MX 10 mail.xn--fsqu00a.cn." in done.stdout
    assert host.config.read_text().startswith("# mailhub 的配置")
    assert host.run("check").returncode == 0
