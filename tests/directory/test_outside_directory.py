"""[directory] kind = "mysql" against a real MariaDB: PostfixAdmin's and ExtMail's tables, and queries."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mariadb import Mariadb, mariadb
from support.postfixadmin import EXTMAIL, POSTFIXADMIN

from mailhub.config.schema import Directory as Section
from mailhub.directory.outside.directory import OutsideDirectory
from mailhub.directory.outside.source import opened
from mailhub.model.clock import SystemClock
from mailhub.model.errors import Permanent, Temporary
from mailhub.tables.mysql import READ_ONLY, Pool


@pytest.fixture(scope="module")
def server() -> Iterator[Mariadb]:
    with mariadb() as running:
        running.run(POSTFIXADMIN)
        running.run(EXTMAIL)
        yield running


async def outside(server: Mariadb, folder: Path, **options: Any) -> OutsideDirectory:
    (folder / "secret").write_text("pa ss\n")
    options = {"user": "mail", "database": "postfix", "cache_seconds": 0.0, "negative_seconds": 0.0, **options}
    section = Section(
        kind="mysql", hosts=(f"inet:127.0.0.1:{server.port}",), password_file=str(folder / "secret"), **options
    )
    nothing: Any = None  # the embedded store and hasher, which are never asked
    made = OutsideDirectory(nothing, nothing, nothing, domains=["conf.test"])
    return made.read(await opened(section, SystemClock()))


@pytest.fixture
async def directory(server: Mariadb, tmp_path: Path) -> AsyncIterator[OutsideDirectory]:
    made = await outside(server, tmp_path)
    yield made
    made.close()


async def test_domains(directory: OutsideDirectory) -> None:
    wanted = {"a.test": True, "A.TEST": True, "alias.test": True, "conf.test": True, "off.test": False, "backup.test": False,
              "ALL": False, "all": False, "dead.test": False, "a.test ": False, "": False, "zoë.test": False}  # fmt: skip
    assert {name: await directory.domain(name) for name in wanted} == wanted
    assert [domain.name for domain in await directory.domains()] == ["a.test", "alias.test", "b.test", "conf.test"]


async def test_accounts(directory: OutsideDirectory) -> None:
    wanted = {"ann@a.test": "ann@a.test", "ANN@a.test": "ann@a.test", "cara@a.test": "cara@a.test", "null@a.test": "null@a.test",
              "o'hara@a.test": "o'hara@a.test", "gone@a.test": None, "x@off.test": None, "nobody@a.test": None, "ann": None,
              "@a.test": None}  # fmt: skip
    found = {name: await directory.account(name) for name in wanted}
    assert {name: account and account.name for name, account in found.items()} == wanted
    nobody, crypted = await directory.stored("null@a.test"), await directory.stored("bob@a.test")
    assert nobody is not None
    assert crypted is not None
    assert nobody.password == ""
    assert crypted.password.startswith("{CRYPT}$1$")
    page = [account.name for account in await directory.accounts(limit=2)]
    assert page == ["ann@a.test", "bob@a.test"]
    assert [account.name for account in await directory.accounts("bob@a.test")] == [
        "cara@a.test",
        "null@a.test",
        "o'hara@a.test",
    ]


async def test_aliases(directory: OutsideDirectory) -> None:
    wanted = {"team@a.test": ("ann@a.test", "bob@a.test"), "old@a.test": None, "nothing@a.test": None, "nobody@a.test": None,
              "team@alias.test": ("team@a.test",), "ann@alias.test": ("ann@a.test",), "nobody@alias.test": None,
              "ann@dead.test": None}  # fmt: skip
    assert {name: await directory.alias(name) for name in wanted} == wanted
    assert (await directory.catch_all("b.test"), await directory.catch_all("a.test")) == (("bob@a.test",), None)


@pytest.mark.parametrize("name", [
    "' or 1=1 -- @a.test", "\\' or 1=1 -- @a.test", "\\", "'", '"', "ann@a.test'", "ann@a.test\\", "ann@a.test\0", "\0", "%s@a.test",
    "%(x)s@a.test", "%%@a.test", "%@a.test", "_nn@a.test", "ann@a.test ", " ann@a.test", "ann@a.test\u3000", "ann @a.test", "änn@a.test",
    "ánn@a.test", "\U0001f600@a.test", "\udcff@a.test", "ann@a.test; drop table mailbox", "/*@a.test", "a" * 5000, "ann@á.test",
])  # fmt: skip
async def test_a_strange_name_finds_nothing(
    directory: OutsideDirectory, server: Mariadb, tmp_path: Path, name: str
) -> None:
    queries = await outside(
        server, tmp_path, schema="queries",
        user_query="select maildir from mailbox where username = '%u'",
        alias_query=("select goto from alias where address = '%s'",),
        domain_query=("select 1 from domain where domain = '%s'",),
    )  # fmt: skip
    for asked in (directory, queries):
        assert (await asked.account(name), await asked.alias(name), await asked.domain(name)) == (None, None, False)
        assert await asked.catch_all(name) is None
        assert asked.state.away == 0  # the database itself is not to blame
    queries.close()
    assert server.run("select count(*) from postfix.mailbox").strip() == "7"


async def test_admins(directory: OutsideDirectory) -> None:
    every = ["old@elsewhere.test", "root@elsewhere.test"]
    assert await directory.admins("A.test") == ["bob@a.test", "gone@a.test", *every]
    assert await directory.admins("b.test") == ["cara@a.test", *every]
    assert await directory.admins("' or 1=1 -- ") == []
    wanted = {("bob@a.test", "a.test"): True, ("Bob@A.test", "a.test"): True, ("bob@a.test", "b.test"): False,
              ("cara@a.test", "b.test"): True, ("cara@a.test", "a.test"): False, ("ann@a.test", "a.test"): False,
              ("gone@a.test", "a.test"): False, ("root@elsewhere.test", "a.test"): False}  # fmt: skip
    assert {pair: await directory.administers(*pair) for pair in wanted} == wanted
    assert await directory.administered("Bob@A.test") == ("a.test",)
    assert await directory.administered("cara@a.test") == ("b.test",)
    assert await directory.administered("ann@a.test") == await directory.administered("' or 1=1 -- ") == ()
    every = {domain.name for domain in await directory.domains() if domain.source == "store"}
    assert set(await directory.administered("root@elsewhere.test")) == every
    with pytest.raises(Permanent, match="change it there"):
        await directory.add_admin("a.test", "ann@a.test")


async def test_extmail(server: Mariadb, tmp_path: Path) -> None:
    made = await outside(server, tmp_path, schema="extmail", database="extmail", user="ext")
    assert (await made.domain("a.test"), await made.domain("off.test")) == (True, False)
    ann = await made.stored("ann@a.test")
    assert ann is not None
    assert ann.password.startswith("{CRYPT}$1$")
    assert await made.account("gone@a.test") is None
    assert (await made.source.name("ann@a.test")).storage == 20_971_520
    assert await made.alias("team@a.test") == ("ann@a.test",)
    assert await made.admins("a.test") == ["ann@a.test", "root@extmail.org"]
    assert await made.administered("ann@a.test") == ("a.test",)
    assert "a.test" in await made.administered("root@extmail.org")
    assert (await made.administers("ann@a.test", "a.test"), await made.administers("ann@a.test", "b.test")) == (
        True,
        False,
    )
    made.close()


async def test_queries_of_postfix_and_dovecot(server: Mariadb, tmp_path: Path) -> None:
    made = await outside(
        server, tmp_path, schema="queries", password_scheme="PLAIN",
        user_query="SELECT maildir AS home, 1000 AS uid FROM mailbox WHERE username = '%n@%d' AND active = '1'",
        password_query="SELECT username AS user, password FROM mailbox WHERE username = '%{user}' AND active = '1'",
        alias_query=(
            "SELECT goto FROM alias WHERE address='%s' AND active = '1'",
            "SELECT goto FROM alias,alias_domain WHERE alias_domain.alias_domain = '%d' and"
            " alias.address = CONCAT('%u', '@', alias_domain.target_domain) AND alias.active = 1",
        ),
        domain_query=("SELECT domain FROM domain WHERE domain='%s' AND active = '1'", "select 1 from alias_domain where alias_domain='%d'"),
    )  # fmt: skip
    ann = await made.stored("ann@a.test")
    assert ann is not None
    assert (ann.name, ann.password) == ("ann@a.test", "{PLAIN}an easy password")
    assert (await made.account("gone@a.test"), await made.account("nobody@a.test")) == (None, None)
    assert await made.alias("team@alias.test") == ("ann@a.test", "bob@a.test")
    assert await made.catch_all("b.test") == ("bob@a.test",)
    assert [await made.domain(name) for name in ("a.test", "alias.test", "off.test")] == [True, True, False]
    made.close()


@pytest.mark.parametrize(("query", "told"), [
    ("select 1 where x = %u", "must stand inside quotes"), ("select '%w'", "%w is not known here"), ("select '%{cert}'", "is not known here"),
])  # fmt: skip
async def test_a_query_that_can_not_be_bound(server: Mariadb, tmp_path: Path, query: str, told: str) -> None:
    with pytest.raises(Permanent, match=rf"directory\.user_query: .*{told}"):
        await outside(server, tmp_path, schema="queries", user_query=query)


async def test_it_is_never_written(directory: OutsideDirectory, server: Mariadb) -> None:
    row = await directory.stored("ann@a.test")
    assert row is not None
    for change in (
        directory.add_account("new@a.test", "x"), directory.set_password("ann@a.test", "x"), directory.rehash(row, "x"),
        directory.remove_account("ann@a.test"), directory.set_enabled("ann@a.test", False), directory.set_alias("n@a.test", ["ann@a.test"]), directory.remove_alias("team@a.test"),
        directory.set_forward("ann@a.test", ["x@b.test"], keep=True), directory.add_domain("n.test"), directory.remove_domain("a.test"),
    ):  # fmt: skip
        with pytest.raises(Permanent, match="read and never written: change it there"):
            await change
    server.run("create user 'root2'@'127.0.0.1' identified by 'p'; grant all on postfix.* to 'root2'@'127.0.0.1'")
    login = {"user": "root2", "password": "p", "db": "postfix"}
    pool = Pool([f"inet:127.0.0.1:{server.port}"], login, SystemClock(), size=1, seconds=20.0, first=READ_ONLY)
    with pytest.raises(Temporary, match="READ ONLY"):
        await pool.ask("delete from alias", [])
    pool.close()


async def test_a_query_that_fails_is_no_database_that_is_away(server: Mariadb, tmp_path: Path) -> None:
    made = await outside(server, tmp_path, schema="queries", user_query="select 1 from no_such_table where a = '%u'")
    with pytest.raises(Temporary, match="no_such_table"):
        await made.account("ann@a.test")
    assert made.state.away == 0
    made.close()


async def test_connections_are_bounded(server: Mariadb, tmp_path: Path) -> None:
    import asyncio

    made = await outside(server, tmp_path, connections=3)
    await asyncio.gather(*(made.account(f"n{n}@a.test") for n in range(100)))
    assert int(server.run("select count(*) from information_schema.processlist where user = 'mail'")) <= 3
    made.close()
