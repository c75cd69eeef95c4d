"""A message through ten aliases, a list, a program and a forward, its server killed (SIGKILL) and started again at every step: each
gets one copy, and the program at least one, with the queue id in its environment.

Each step waits for something of the test's: an alias for its table, which the test has locked; the list for its file; the program for a
gate; the far host for its greeting.
"""

import asyncio
import contextlib
import smtplib
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.server import Server, free_port
from support.smtp_sink import sink

DEPTH = 10
ACCOUNTS = [f"{name}@example.test" for name in ("alice", "bob", "carol", "boss")]
CONFIG = """
[queue]
retry = [1]
destination_pause = 1
[aliases]
alias_maps = [{tables}]
[delivery]
transport = {{ "far.test" = "smtp:[127.0.0.1]:{port}" }}
"""


class Chain:
    """Aliases a0 to a10, each in a table of its own, and what the last one holds."""

    def __init__(self, folder: Path, shared: Path) -> None:
        self.folder, self.list, self.runs, self.gate = folder, shared / "list", shared / "runs", shared / "gate"
        self.runs.touch()
        self.runs.chmod(0o666)
        command = f'"|echo $QUEUE_ID >> {self.runs}; cat > /dev/null; while [ -e {self.gate} ]; do sleep 0.05; done"'
        for n in range(DEPTH + 1):
            to = f"a{n + 1}" if n < DEPTH else f'alice, {command}, ":include:{self.list}"'
            with contextlib.closing(sqlite3.connect(self._path(n))) as db:
                db.executescript("create table alias(name text primary key, target text)")
                db.executemany("insert into alias values (?, ?)", [(f"a{n}", to), (f"owner-a{n}", "boss")])
                db.commit()
            (folder / f"a{n}.cf").write_text(
                f"dbpath = {self._path(n)}\nquery = SELECT target FROM alias WHERE name = '%s'\n"
            )

    def _path(self, n: int) -> Path:
        return self.folder / f"a{n}.db"

    @property
    def tables(self) -> str:
        return ", ".join(f'"sqlite:{self.folder}/a{n}.cf"' for n in range(DEPTH + 1))

    @contextlib.contextmanager
    def locked(self, n: int) -> Iterator[None]:
        """Nobody is told what is in that table."""
        with contextlib.closing(sqlite3.connect(self._path(n), isolation_level=None)) as db:
            db.execute("begin exclusive")
            yield
            db.execute("rollback")


def rows(server: Server) -> list[str]:
    """Recipients that are still to be dealt with."""
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/var/mailhub.db?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("select address from recipient").fetchall()]


async def until(server: Server, happened: Callable[[], object]) -> None:
    """A process of its own can not tell us."""
    while not happened():
        assert server.process is not None
        assert server.process.returncode is None, server.log()[-4000:]
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def life(server: Server) -> AsyncIterator[None]:
    await server.start()
    yield
    await server.kill()


def sent(server: Server) -> str:
    """The queue id that the server told with its 250."""
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.ehlo()
        client.mail("s@else.test")
        assert client.rcpt("a0@example.test")[0] == 250
        return client.data(b"Subject: once\r\nX-Number: 1\r\n\r\ntext\r\n")[1].split()[-1].decode()


def copies(server: Server, account: str) -> int:
    name, domain = account.split("@")
    folder = server.folder / "var/mail" / domain / name / "Maildir"
    return sum(1 for sub in ("new", "cur") for _ in folder.glob(f"{sub}/*"))


@pytest.mark.slow
@pytest.mark.timeout(45)
async def test_one_copy_each_whenever_it_is_killed(tmp_path: Path) -> None:
    with short_folder() as shared:
        shared.chmod(0o777)
        chain, port = Chain(tmp_path, shared), free_port()
        server = Server(tmp_path, CONFIG.format(tables=chain.tables, port=port))
        await server.accounts(*ACCOUNTS)
        await _forward(server)
        with chain.locked(1):
            async with life(server):
                number = await asyncio.to_thread(sent, server)
        for n in range(1, DEPTH + 1):  # an alias stands in the queue, and can not be followed
            with chain.locked(n):
                async with life(server):
                    await until(server, lambda n=n: rows(server) == [f"a{n}@example.test"])
        chain.gate.touch()
        async with life(server):  # the list can not be read, the program does not end
            await until(server, lambda: chain.runs.read_text() and f":include:{chain.list}" in rows(server))
        async with life(server):  # it runs again
            await until(server, lambda: len(chain.runs.read_text().split()) == 2)
        chain.gate.unlink()
        async with life(server):
            await until(server, lambda: not any(row.startswith("|") for row in rows(server)))
        chain.list.write_text("bob, carol\nalice\n")
        async with life(server):
            await until(server, lambda: "bob@example.test" in rows(server) or copies(server, "bob@example.test"))
        greeting = asyncio.Event()

        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeting.set()
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()

        silent = await asyncio.start_server(silence, "127.0.0.1", port)
        async with life(server):  # the far host takes the connection and says nothing
            await until(server, greeting.is_set)
        silent.close()
        with sink(port=port) as host:
            async with life(server):
                await until(server, lambda: not rows(server))
            async with life(server):  # and nothing comes of it after that
                pass
            await server.start()
            assert await server.stop() == 0
            assert host.taken().count(b"X-Number: 1") == 1
        assert {account: copies(server, account) for account in ACCOUNTS} == {
            "alice@example.test": 1, "bob@example.test": 1, "carol@example.test": 1, "boss@example.test": 0,
        }  # fmt: skip
        runs = chain.runs.read_text().split()
        assert len(runs) >= 3
        assert set(runs) == {number}


async def _forward(server: Server) -> None:
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mailhub",
        "--config",
        str(server.config),
        "user",
        "forward",
        "alice@example.test",
        "x@far.test",
        "--keep",
    )
    assert await done.wait() == 0
