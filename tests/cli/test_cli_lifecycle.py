"""`mailhub start`, `stop`, `restart`, `reload`, `abort`: a server in the background, and whom its pid file names."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.server import REPOSITORY, free_port

pytestmark = pytest.mark.slow

LISTENERS = '[[listener]]\nprotocol = "smtp"\n[[listener]]\nprotocol = "imap"\n'


class Host:
    """A folder with a configuration; `run` is a command of its operator's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "config.toml"
        self.configure()

    def configure(self, extra: str = "", listeners: str = LISTENERS) -> None:
        self.config.write_text(f'hostname = "mx.a.test"\n{extra}\n{listeners}')

    async def run(self, *words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailhub", "--config", str(self.config), *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return process.returncode, out.decode(), err.decode()

    async def start(self, *words: str) -> dict[str, int]:
        """The server's process, and its ports by listener."""
        code, out, err = await self.run("start", "--json", *words)
        assert code == 0, err
        answer = json.loads(out)
        ports = {door["name"]: int(door["address"].rpartition(":")[2]) for door in answer["listeners"]}
        return {"pid": answer["pid"], **ports}

    @property
    def pid_file(self) -> Path:
        return self.folder / "var" / "mailhub.pid"

    def processes(self) -> list[psutil.Process]:
        """Servers of this folder, started by whomever."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if str(self.config) in words and "serve" in words and alive(process.pid):
                found.append(process)
        return found


def alive(pid: int) -> bool:
    """One that has ended may wait for its new parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        yield made
    finally:
        for process in made.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


async def transaction(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One that is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"EHLO me\r\nMAIL FROM:<x@other.test>\r\n")
    await reader.readuntil(b"2.1.0 Ok\r\n")
    return reader, writer


async def test_start_returns_when_all_answer_and_stop_when_sessions_have_ended(host: Host) -> None:
    server = await host.start()
    assert host.pid_file.read_text() == f"{server['pid']}\n"
    process = psutil.Process(server["pid"])
    assert (process.ppid() != os.getpid(), os.getsid(process.pid), process.cwd()) == (True, process.pid, "/")
    assert (await host.run("start"))[0] == 4
    reader, writer = await transaction(server["smtp"])
    stopping = asyncio.create_task(host.run("stop"))
    with contextlib.suppress(OSError):
        while True:  # until nothing new begins
            _, other = await asyncio.open_connection("127.0.0.1", server["imap"])
            other.close()
    assert not stopping.done()
    writer.write(b"RSET\r\n")
    assert b"250 " in await reader.read()
    writer.close()
    assert (await stopping, alive(process.pid)) == ((0, "", ""), False)
    assert host.pid_file.read_text() == ""
    for words in ("stop", "reload", "abort", "status"):
        code, out, err = await host.run(words)
        assert (code, out, "no server runs" in err) == (3, "", True)


async def test_abort_waits_for_nobody(host: Host) -> None:
    server = await host.start()
    reader, writer = await transaction(server["smtp"])
    assert await host.run("abort") == (0, "", "")
    assert not alive(server["pid"])
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


async def test_a_server_that_hangs_is_told_of_and_ended(host: Host) -> None:
    server = await host.start()
    process = psutil.Process(server["pid"])
    process.suspend()
    code, _, err = await host.run("stop", "--timeout", "0.1")
    assert (code, err) == (
        5,
        f"mailhub: process {process.pid} still runs after 0.1 s; `mailhub abort` ends it at once\n",
    )
    assert (await host.run("abort"))[0] == 0
    assert not alive(process.pid)
    again = await host.start()
    assert again["pid"] != process.pid


async def test_reload_says_what_it_came_to_and_keeps_sessions(host: Host) -> None:
    server = await host.start()
    reader, writer = await transaction(server["smtp"])
    host.configure("[smtp]\nmessage_size_limit = 1000\n[store]\nsync_interval = 1")
    assert await host.run("reload") == (
        0,
        "changed: smtp.message_size_limit\nneeds a restart: store.sync_interval\n",
        "",
    )
    host.configure("[smtp]\nmessage_size_limit = -1")
    code, _, err = await host.run("reload")
    assert (code, "config.toml:3: smtp.message_size_limit: found -1" in err) == (1, True)
    host.configure('[tls]\ncertificate = "none.pem"\nkey = "none.pem"')
    code, _, err = await host.run("reload")
    assert (code, "none.pem" in err) == (1, True)
    writer.write(b"NOOP\r\n")
    assert (await reader.readline()).startswith(b"250 ")
    writer.close()


async def test_restart_changes_the_process_and_a_wrong_file_stops_nothing(host: Host) -> None:
    first = await host.start()
    code, out, _ = await host.run("restart", "--json")
    assert code == 0
    second = json.loads(out)["pid"]
    assert (second != first["pid"], alive(first["pid"])) == (True, False)
    host.configure("hostnam = 1")
    assert (await host.run("restart"))[0] == 1
    assert alive(second)
    host.configure()
    assert (await host.run("stop"))[0] == 0
    assert (await host.run("restart"))[0] == 0


async def test_a_start_that_fails_names_the_listener(host: Host) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        host.configure(listeners=f'{LISTENERS}[[listener]]\nprotocol = "pop3"\nport = {port}\n')
        code, out, err = await host.run("start")
    assert (code, out) == (1, "")
    assert err.startswith(f"mailhub: listener pop3: 127.0.0.1 port {port} is in use by another program")
    assert host.processes() == []


async def test_one_that_is_not_ready_in_time_is_told_of(host: Host) -> None:
    host.configure(listeners=f'[[listener]]\nprotocol = "pop3"\nport = {free_port()}\n')
    code, _, err = await host.run("start", "--timeout", "0.1")  # Python alone needs more
    assert (code, " is not ready after 0.1 s, and goes on, do not answer: pop3 (127.0.0.1:" in err) == (5, True), err
    while (await host.run("status"))[0] != 0:
        pass
    assert (await host.run("stop"))[0] == 0


async def test_of_several_starts_at_once_one_starts(host: Host) -> None:
    codes = sorted(code for code, _, _ in await asyncio.gather(*(host.run("start") for _ in range(4))))
    assert codes == [0, 4, 4, 4]
    assert len(host.processes()) == 1


async def test_a_pid_that_another_process_has_is_nobody(host: Host) -> None:
    """As after a crash, when the number was given again."""
    host.pid_file.parent.mkdir()
    other = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220
    try:
        host.pid_file.write_text(f"{other.pid}\n")
        for words in ("stop", "abort"):
            assert (await host.run(words))[0] == 3
        server = await host.start()
        assert host.pid_file.read_text() == f"{server['pid']}\n"
        psutil.Process(server["pid"]).kill()
        while host.processes():
            await asyncio.sleep(0)
        assert (await host.run("stop"))[0] == 3
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could signal others")
async def test_no_file_makes_root_signal_a_process_of_somebody_else(host: Host) -> None:
    """Whoever owns the data folder may lock what he likes by whatever process."""
    data = host.pid_file.parent
    data.mkdir()
    host.pid_file.write_text("1\n")
    holder = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); time.sleep(60)"
    os.chown(data, 65534, 65534)
    other = subprocess.Popen([sys.executable, "-c", holder, str(host.pid_file)], stdout=subprocess.PIPE)  # noqa: ASYNC220
    try:
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == b"1\n"
        for words in ("stop", "abort"):
            code, _, err = await host.run(words)
            assert (code, f"process {other.pid} is neither yours" in err) == (1, True)
        assert other.poll() is None
    finally:
        other.kill()
        other.communicate()
    target = host.folder / "elsewhere"
    target.write_text("kept")
    host.pid_file.unlink()
    host.pid_file.symlink_to(target)
    code, _, err = await host.run("start")
    assert (code, "symbolic links" in err) == (1, True)
    assert target.read_text() == "kept"
