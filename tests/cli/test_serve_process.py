"""`python -m mailhub` as a process: what it prints, what signals do, and what stops a start."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.server import REPOSITORY

LISTENERS = """
[[listener]]
protocol = "smtp"
[[listener]]
protocol = "imap"
[[listener]]
protocol = "imap"
tls = "implicit"
"""


class Program:
    """One run. `out` holds the lines of stdout, up to the blank one after the data folder's."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder, self.process = folder, process
        self.out: list[str] = []
        self.err: list[str] = []

    async def ready(self) -> None:
        """Read the table that says all listeners answer."""
        assert self.process.stdout is not None
        while not (self.out and self.out[-1].startswith("data ")):
            line = await self.process.stdout.readline()
            assert line, "".join([*self.err, (await self._stderr().read()).decode()])
            self.out.append(line.decode().rstrip("\n"))

    def port(self, name: str) -> int:
        row = next(line.split() for line in self.out if line.split()[:1] == [name])
        return int(row[2].rpartition(":")[2])

    async def logged(self, text: str) -> str:
        """Wait for a log line that holds `text`."""
        while line := (await self._stderr().readline()).decode():
            self.err.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.err))

    async def end(self) -> tuple[int, str, str]:
        """Exit code, the rest of stdout, all of stderr."""
        out, err = await self.process.communicate()
        return await self.process.wait(), out.decode(), "".join(self.err) + err.decode()

    def _stderr(self) -> asyncio.StreamReader:
        assert self.process.stderr is not None
        return self.process.stderr


async def launch(folder: Path, *args: str, path: str = "") -> Program:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailhub", *args,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{REPOSITORY}" if path else str(REPOSITORY)},
    )  # fmt: skip
    return Program(folder, process)


@contextlib.asynccontextmanager
async def serving(folder: Path, extra: str = "", path: str = "") -> AsyncIterator[Program]:
    """The program without arguments, in a folder with this config; killed at the end where it still runs."""
    configure(folder, extra)
    program = await launch(folder, path=path)
    try:
        await program.ready()
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.process.kill()
        await program.process.communicate()


def configure(folder: Path, extra: str = "") -> None:
    (folder / "config.toml").write_text(f"{extra}\n{LISTENERS}")


async def command(folder: Path, *args: str) -> tuple[int, str, str]:
    return await (await launch(folder, *args)).end()


async def test_it_prints_where_everything_is_and_the_demo_accounts_once(tmp_path: Path) -> None:
    async with serving(tmp_path, "demo = true") as program:
        rows = [line.split() for line in program.out[2:6]]
        assert rows[0] == ["LISTENER", "PROTOCOL", "ADDRESS", "TLS"]
        assert [(row[0], row[1], row[2].rpartition(":")[0], row[3]) for row in rows[1:]] == [
            ("smtp", "smtp", "127.0.0.1", "STARTTLS"),
            ("imap", "imap", "127.0.0.1", "STARTTLS"),
            ("imaps", "imap", "127.0.0.1", "implicit"),
        ]
        assert program.out[-2:] == ["domains  mailhub.test", f"data     {tmp_path / 'var'}"]
        program.process.terminate()
        code, out, _ = await program.end()
        assert code == 0
        file = tmp_path / "var" / "demo-accounts.txt"
        assert file.stat().st_mode & 0o777 == 0o600
        accounts = [line.split() for line in file.read_text().splitlines()]
        assert [line.split() for line in out.splitlines()[-2:]] == accounts
        assert [address for address, _ in accounts] == ["alice@mailhub.test", "bob@mailhub.test"]
    async with serving(tmp_path, "demo = true") as program:
        program.process.terminate()
        code, out, _ = await program.end()
        assert (code, out) == (0, "")


async def test_sigterm_lets_a_transaction_end_and_says_goodbye(tmp_path: Path) -> None:
    async with serving(tmp_path) as program:
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", program.port("imap"))
        assert (await idle.readline()).startswith(b"* OK")
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        writer.write(b"EHLO me\r\nMAIL FROM:<x@other.test>\r\n")
        await reader.readuntil(b"2.1.0 Ok\r\n")
        program.process.terminate()
        assert (await idle.read()).startswith(b"* BYE ")
        assert program.process.returncode is None
        writer.write(b"RSET\r\n")
        assert (await reader.read()).startswith(b"250 ")
        code, _, err = await program.end()
        assert code == 0
        assert "stopped" in err
        writer.close()
        idle_writer.close()
    assert not (tmp_path / "var" / "control.sock").exists()


async def test_a_balancer_hears_of_the_end_before_anybody_is_turned_away(tmp_path: Path) -> None:
    more = '[sessions]\nleave_delay = 3600.0\n[[listener]]\nprotocol = "http"\ntls = "none"'
    async with serving(tmp_path, more) as program:
        program.process.terminate()
        await program.logged("asked to stop")
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port("http"))
        writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"the server is stopping" in answer
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        program.process.kill()


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, "[sessions]\ndrain_timeout = 3600.0") as program:
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        writer.write(b"EHLO me\r\nMAIL FROM:<x@other.test>\r\n")
        await reader.readuntil(b"2.1.0 Ok\r\n")
        program.process.terminate()
        await program.logged("asked to stop: 1 sessions")
        again = asyncio.create_task(program.end())
        while not again.done():  # those that come too soon count as an echo of the first
            with contextlib.suppress(ProcessLookupError):
                os.kill(program.process.pid, signal.SIGTERM)
            await asyncio.sleep(0)
        code, _, err = await again
        assert code == 1
        assert "exit at once" in err
        writer.close()


async def test_sighup_takes_over_what_changed_and_keeps_sessions(tmp_path: Path) -> None:
    async with serving(tmp_path) as program:
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        assert (await reader.readline()).startswith(b"220 ")
        configure(tmp_path, 'hostname = "new.test"\n[smtp]\nmessage_size_limit = 1000')
        program.process.send_signal(signal.SIGHUP)
        await program.logged("changed: smtp.message_size_limit")
        await program.logged("these changes need a restart: hostname")
        configure(tmp_path, "[smtp]\nmessage_size_limit = -1")
        program.process.send_signal(signal.SIGHUP)
        line = await program.logged("not reloaded:")
        assert "config.toml:2: smtp.message_size_limit: found -1" in line
        writer.write(b"NOOP\r\n")
        assert (await reader.readline()).startswith(b"250 ")
        new, new_writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        new_writer.write(b"EHLO me\r\n")
        assert b"SIZE 1000" in await new.readuntil(b"250 ")
        writer.close()
        new_writer.close()


async def test_commands_beside_a_running_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as program:
        code, out, err = await command(tmp_path, "user", "add", "ann@mailhub.test", "--generate")
        assert (code, err) == (0, "")
        assert out.startswith("ann@mailhub.test ")
        code, out, _ = await command(tmp_path, "status", "--json")
        status = json.loads(out)
        assert (code, status["running"], status["pid"]) == (0, True, program.process.pid)
        assert [door["port"] for door in status["listeners"]] == [program.port(n) for n in ("smtp", "imap", "imaps")]
        code, out, _ = await command(tmp_path, "status", "--sessions", "5")
        assert code == 0
        assert f"process {program.process.pid}" in out
        code, out, err = await command(tmp_path, "user", "add", "ann@mailhub.test", "--generate")
        assert (code, out, err) == (4, "", "mailhub: account ann@mailhub.test exists\n")


async def refused(folder: Path) -> str:
    """Start where that can not be: exit code 1, nothing on stdout, no traceback. Returns stderr."""
    code, out, err = await (await launch(folder)).end()
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert all(line.startswith("mailhub: ") for line in err.splitlines())
    return err


async def test_what_stops_a_start_is_one_line_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "config.toml").write_text(f'[[listener]]\nprotocol = "pop3"\nport = {port}\n')
        assert await refused(tmp_path) == (
            f"mailhub: listener pop3: 127.0.0.1 port {port} is in use by another program: "
            "stop that one, or set another port in [[listener]]\n"
        )
    (tmp_path / "file").write_text("")
    configure(tmp_path, 'data = "./file/var"')
    assert "Not a directory: make it for this user, or set another `data`" in await refused(tmp_path)
    configure(tmp_path, "hostnam = 1")
    assert "config.toml:1: hostnam:" in await refused(tmp_path)


async def test_a_second_server_names_the_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as program:
        assert f"in use by process {program.process.pid}" in await refused(tmp_path)


async def test_it_runs_on_plain_asyncio_too(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "uvloop.py").write_text("raise ImportError('not here')\n")
    async with serving(tmp_path, '[log]\nformat = "json"\nlevel = "debug"', path=str(blocked)) as program:
        _, writer = await asyncio.open_connection("127.0.0.1", program.port("smtp"))
        program.process.send_signal(signal.SIGHUP)
        event = json.loads(await program.logged("read again"))
        assert (event["logger"], event["level"]) == ("mailhub.hub", "info")
        program.process.terminate()
        code, _, _ = await program.end()
        assert code == 0
        writer.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_either_signal_stops_an_idle_server(tmp_path: Path, number: int) -> None:
    async with serving(tmp_path) as program:
        program.process.send_signal(number)
        code, _, err = await program.end()
        assert code == 0
        assert "Traceback" not in err
