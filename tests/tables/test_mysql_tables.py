"""mysql: against a real MariaDB: accounts of a tutorial, injection, a server that goes away and comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mariadb import Mariadb, mariadb

from mailhub.model.clock import SystemClock
from mailhub.model.errors import Temporary
from mailhub.tables import Tables

SETUP = r"""
create database mail; use mail;
create table users(email varchar(200) primary key, password varchar(200), maildir varchar(200)) character set utf8mb4;
insert into users values ('ann@a.test', '{PLAIN}x', 'a.test/ann'), ('o''hara@a.test', 'y', 'q'), ('zoë@a.test', 'z', 'ë'),
  ('back\\slash@a.test', 'b', 'bs');
create user 'mail'@'127.0.0.1' identified by 'pa ss'; grant select on mail.* to 'mail'@'127.0.0.1';
create user 'mail'@'localhost' identified by 'pa ss'; grant select on mail.* to 'mail'@'localhost';
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Mariadb]:
    with mariadb() as running:
        running.run(SETUP)
        yield running


def table_file(folder: Path, server: Mariadb, hosts: str = "") -> str:
    hosts = hosts or f"inet:127.0.0.1:{server.port}"
    query = "SELECT maildir FROM users WHERE email='%s' AND '%d' = 'a.test'"
    (folder / "t.cf").write_text(f"hosts = {hosts}\nuser = mail\npassword = pa ss\ndbname = mail\nquery = {query}\n")
    return f"mysql:{folder}/t.cf"


@pytest.mark.parametrize("hosts", ["", "unix:{socket}", "inet:127.0.0.1:1, unix:{socket}"])
async def test_accounts_are_found(tmp_path: Path, server: Mariadb, hosts: str) -> None:
    tables = Tables(SystemClock())
    table = tables.named(table_file(tmp_path, server, hosts.format(socket=server.socket)))
    wanted = {
        "ann@a.test": "a.test/ann", "o'hara@a.test": "q", "zoë@a.test": "ë", "back\\slash@a.test": "bs",
        "nobody@a.test": None, "ann@b.test": None, "ann": None, "' or 1=1 -- @a.test": None, "\\' or 1=1 -- @a.test": None,
        "%@a.test": None, "\0@a.test": None, "\U0001f600@a.test": None,
    }  # fmt: skip
    assert {key: await table.lookup(key) for key in wanted} == wanted
    tables.close()


async def test_connections_are_kept_bounded_and_made_anew(tmp_path: Path, server: Mariadb) -> None:
    import asyncio

    tables = Tables(SystemClock())
    table = tables.named(table_file(tmp_path, server))
    assert await asyncio.gather(*(table.lookup("ann@a.test") for _ in range(50))) == ["a.test/ann"] * 50
    listed = server.run("select id from information_schema.processlist where user='mail'").split()
    assert 1 <= len(listed) <= 4
    server.run("".join(f"kill {number};" for number in listed))
    assert await table.lookup("ann@a.test") == "a.test/ann"
    tables.close()


async def test_a_server_that_is_away_is_temporary(tmp_path: Path, server: Mariadb) -> None:
    tables = Tables(SystemClock())
    with pytest.raises(Temporary, match=r"mysql inet:127\.0\.0\.1:1"):
        await tables.named(table_file(tmp_path, server, "inet:127.0.0.1:1")).lookup("ann@a.test")
