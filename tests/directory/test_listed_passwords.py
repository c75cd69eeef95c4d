"""Passwords in files and tables, and whom other providers know: passwd-file, table, default_domain, create_accounts."""

import asyncio
import contextlib
import logging
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import passlib.hash
import pytest
from support.daemons import dovecot_auth
from support.hubs import running

from mailhub.config import schema
from mailhub.directory import Account, Hasher
from mailhub.directory.providers.daemons import DovecotAuth
from mailhub.directory.providers.listed import ListedPasswords, passwd_file
from mailhub.directory.signin import Peer, SignedIn
from mailhub.hub import Hub
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.model.errors import Temporary
from mailhub.tables.files import LOOK
from mailhub.tables.tables import Pairs

CRYPT = passlib.hash.sha512_crypt.using(rounds=1_000).hash("crypt pw")
# Dovecot's passwd-file, all fields and few; Postfix's and others' lists of user:hash; what passwd(5) and shadow(5) lock.
FILE = f"""# who may come in

ann@mailhub.test:{{PLAIN}}pénc il::::::
Bob@Mailhub.test:{{SHA512-CRYPT}}{CRYPT}:1000:1000:Bob:/srv/bob::userdb_quota_rule=*:storage=1G userdb_mail=maildir:~/Maildir
cid@mailhub.test:{CRYPT}
dee@mailhub.test:{{PLAIN}}one
dee@mailhub.test:{{PLAIN}}two
eve:{{PLAIN}}bare
locked@mailhub.test:!{CRYPT}
starred@mailhub.test:*:1:1::/:/bin/false
elsewhere@mailhub.test:x:1:1::/:/bin/sh
empty@mailhub.test::1:1::/:
near@mailhub.test:{{PLAIN}}pw::::::allow_nets=192.0.2.0/24
shut@mailhub.test:{{PLAIN}}pw::::::userdb_x=y nologin
"""
RIGHT = {
    "ann@mailhub.test": "pénc il",
    "bob@mailhub.test": "crypt pw",
    "BOB@MAILHUB.TEST": "crypt pw",
    "cid@mailhub.test": "crypt pw",
    "eve": "bare",
}
WRONG = [
    ("ann@mailhub.test", "pencil"), ("ann@mailhub.test", ""), ("ann", "pénc il"), ("bob@mailhub.test", CRYPT), ("cid@mailhub.test", CRYPT),
    ("locked@mailhub.test", "crypt pw"), ("locked@mailhub.test", f"!{CRYPT}"), ("starred@mailhub.test", "*"), ("elsewhere@mailhub.test", "x"),
    ("empty@mailhub.test", ""), ("empty@mailhub.test", "x"), ("# who may come in", ""), ("nobody@mailhub.test", "x"), ("", ""),
]  # fmt: skip
CLOSED = [("near@mailhub.test", "pw"), ("shut@mailhub.test", "pw")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passwd"
    path.write_text(FILE)
    return path


async def ask(provider: ListedPasswords | DovecotAuth, login: str, password: str, client: str = "") -> str | None:
    return await provider.verify(login, password, service="imap", client=client)


async def test_a_passwd_file(file: Path) -> None:
    provider = ListedPasswords("passwd-file", passwd_file(str(file), SystemClock()), Hasher(2, 100))
    for login, password in RIGHT.items():
        assert await ask(provider, login, password) == login
    for login, password in WRONG + CLOSED:
        assert await ask(provider, login, password) is None, login
    assert await ask(provider, "dee@mailhub.test", "one")
    assert await ask(provider, "dee@mailhub.test", "two") is None


async def test_dovecot_reads_the_same_file_alike() -> None:
    """But for names in capitals and given twice, which it does not take."""
    text = FILE.replace("dee@mailhub.test:{PLAIN}two\n", "").replace("Bob@Mailhub", "bob@mailhub")
    with dovecot_auth(text) as path:
        provider = DovecotAuth(str(path), SystemClock())
        for n, (login, password) in enumerate(RIGHT.items()):
            assert await ask(provider, login, password, f"2001:db8:{n}::1") == login.lower()
        for n, (login, password) in enumerate(WRONG):
            if login:
                assert await ask(provider, login, password, f"2001:db9:{n}::1") is None, login


async def test_hashes_that_doveadm_makes(tmp_path: Path) -> None:
    doveadm = shutil.which("doveadm")
    if doveadm is None:
        pytest.skip("dovecot-core is not installed")
    schemes = ("BLF-CRYPT", "SHA512-CRYPT", "SSHA512", "PBKDF2", "SCRAM-SHA-256", "CRAM-MD5", "ARGON2ID")
    (tmp_path / "empty.conf").touch()

    def made(scheme: str) -> str:
        command = [doveadm, "-c", str(tmp_path / "empty.conf"), "pw", "-s", scheme, "-p", "pénc il"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    file = tmp_path / "passwd"
    file.write_text("".join(f"{scheme}@a.test:{made(scheme)}::::::\n" for scheme in schemes))
    provider = ListedPasswords("passwd-file", passwd_file(str(file), SystemClock()), Hasher(2, 100))
    for scheme in schemes:
        assert await ask(provider, f"{scheme}@a.test", "pénc il"), scheme
        assert await ask(provider, f"{scheme}@a.test", "pencil") is None, scheme


async def test_a_changed_file_is_read_again_and_a_broken_one_leaves_the_old(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    provider = ListedPasswords("passwd-file", passwd_file(str(file), clock), Hasher(2, 100))
    assert await ask(provider, "eve", "bare")
    for text, password in (("eve:{PLAIN}new\n", "new"), ("eve\n", "new"), ("eve:{PLAIN}newer\n", "newer")):
        (tmp_path / "passwd").write_text(text)
        await clock.advance(LOOK)
        assert await ask(provider, "eve", password)
    assert "line 1: not user:password" in caplog.text
    (tmp_path / "passwd").unlink()
    absent = ListedPasswords("passwd-file", passwd_file(str(file), clock), Hasher(2, 100))
    with pytest.raises(Temporary):
        await ask(absent, "eve", "bare")


async def test_every_answer_costs_a_hash(file: Path) -> None:
    verified: list[str] = []

    class Counting(Hasher):
        async def verify(self, stored: str, password: bytes, client: str = "") -> bool:
            verified.append(stored)
            return await super().verify(stored, password, client)

    provider = ListedPasswords("passwd-file", passwd_file(str(file), SystemClock()), Counting(2, 100))
    for login, password in WRONG:
        await ask(provider, login, password)
    assert len(verified) == len(WRONG)
    assert all(verified)


async def test_names_without_a_domain_are_of_the_default_one() -> None:
    stored = Pairs({"eve": "{PLAIN}bare", "ann@a.test": "{PLAIN}whole", "ann": "{PLAIN}other"})
    provider = ListedPasswords("table", stored, Hasher(2, 100), "A.test")
    assert await ask(provider, "eve@a.test", "bare")
    assert await ask(provider, "eve@b.test", "bare") is None
    assert await ask(provider, "ann@a.test", "whole")
    assert await ask(provider, "ann@a.test", "other") is None
    secret = await provider.secret("eve@a.test")
    assert secret is not None
    assert secret.account == "eve@a.test"


# --- in a hub ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def hub_of(folder: Path, **auth: object) -> AsyncIterator[Hub]:
    async with running(folder / "var", auth=schema.Auth(failure_delay=0, **auth)) as hub:  # type: ignore[arg-type]
        yield hub


async def signed(hub: Hub, login: str, password: str, service: str = "imap") -> Account | None:
    return await hub.authenticator.authenticate(login, password, service=service, client="192.0.2.1")


async def test_tables_of_every_kind(tmp_path: Path, file: Path) -> None:
    (tmp_path / "hash").write_text(f"h@mailhub.test {{SHA512-CRYPT}}{CRYPT}\n")
    with contextlib.closing(sqlite3.connect(tmp_path / "db")) as database:
        database.execute("CREATE TABLE users (name TEXT, password TEXT)")
        database.execute("INSERT INTO users VALUES ('s@mailhub.test', '{PLAIN}sql')")
        database.commit()
    (tmp_path / "cf").write_text(f"dbpath = {tmp_path}/db\nquery = SELECT password FROM users WHERE name = '%s'\n")
    providers = (
        "directory", f"passwd-file:{file}", f"table:hash:{tmp_path}/hash", f"table:sqlite:{tmp_path}/cf",
        "table:inline:{i@mailhub.test={PLAIN}inline}",
    )  # fmt: skip
    async with hub_of(tmp_path, providers=providers, create_accounts=True) as hub:
        await hub.directory.add_account("own@mailhub.test", "own")
        for login, password in {
            "own@mailhub.test": "own", "ann@mailhub.test": "pénc il", "h@mailhub.test": "crypt pw", "s@mailhub.test": "sql",
            "i@mailhub.test": "inline",
        }.items():  # fmt: skip
            assert await signed(hub, login, password) == Account(login)
            assert await signed(hub, login, password + "!") is None
        for login in ("s' OR '1'='1", "%@mailhub.test", "x" * 2_000):
            assert await signed(hub, login, "sql") is None


async def test_a_table_that_can_not_be_asked_is_temporary_unless_another_says_yes(tmp_path: Path) -> None:
    providers = ("table:fail:away", "table:inline:{i@mailhub.test={PLAIN}inline}")
    async with hub_of(tmp_path, providers=providers) as hub:
        assert await signed(hub, "i@mailhub.test", "inline", "submission")
        with pytest.raises(Temporary):
            await signed(hub, "i@mailhub.test", "wrong", "submission")


async def test_scram_and_cram_md5_of_a_listed_password(tmp_path: Path, file: Path) -> None:
    """Challenge-response by what the file holds: the made-up secret of a name that is in no provider never matches."""
    async with hub_of(tmp_path, providers=(f"passwd-file:{file}",), scheme="PLAIN") as hub:
        await hub.directory.add_account("ann@mailhub.test", None)
        assert await hub.authenticator.secret("ann@mailhub.test") == "{PLAIN}pénc il"
        assert await hub.authenticator.secret("shut@mailhub.test") == ""
        exchange = hub.authenticator.begin("PLAIN", Peer("imap", secure=True))
        assert exchange is not None
        assert isinstance(await exchange.step("\0ann@mailhub.test\0pénc il".encode()), SignedIn)


async def test_whom_another_provider_knows_has_a_mailbox_with_an_account_alone(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with hub_of(tmp_path, providers=(f"passwd-file:{file}",)) as hub:
        for service in ("imap", "pop3", "managesieve", "web"):
            assert await signed(hub, "ann@mailhub.test", "pénc il", service) is None
        assert "auth.create_accounts" in caplog.text
        assert await signed(hub, "ann@mailhub.test", "pénc il", "submission") == Account("ann@mailhub.test")
        assert await hub.directory.account("ann@mailhub.test") is None
        await hub.directory.add_account("ann@mailhub.test", None)
        assert await signed(hub, "ann@mailhub.test", "pénc il") == Account("ann@mailhub.test")


async def test_accounts_are_made_at_the_first_login_in_domains_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    providers = (
        "table:inline:{a@mailhub.test={PLAIN}pw, b@elsewhere.test={PLAIN}pw, c={PLAIN}pw, a/../b@mailhub.test={PLAIN}pw}",
    )
    async with hub_of(tmp_path, providers=providers, create_accounts=True) as hub:
        assert await signed(hub, "a@mailhub.test", "wrong") is None
        assert await hub.directory.account("a@mailhub.test") is None
        both = await asyncio.gather(
            *(signed(hub, "A@mailhub.test", "pw", service) for service in ("imap", "pop3", "imap"))
        )
        assert both == [Account("a@mailhub.test")] * 3
        assert await hub.directory.account("a@mailhub.test") == Account("a@mailhub.test")
        for login in ("b@elsewhere.test", "c", "a/../b@mailhub.test"):
            assert await signed(hub, login, "pw") is None, login
        assert [account.name for account in await hub.directory.accounts()] == ["a@mailhub.test"]


async def test_the_default_domain(tmp_path: Path, file: Path) -> None:
    providers = ("directory", f"passwd-file:{file}")
    async with hub_of(tmp_path, providers=providers, default_domain="mailhub.test", create_accounts=True) as hub:
        await hub.directory.add_account("own@mailhub.test", "own")
        assert await signed(hub, "own", "own") == Account("own@mailhub.test")
        assert await signed(hub, "ann", "pénc il") == Account("ann@mailhub.test")
        assert await signed(hub, "eve", "bare") == Account("eve@mailhub.test")  # without a domain in the file, too
        assert await signed(hub, "eve@elsewhere.test", "bare") is None
        assert await signed(hub, "", "own") is None
    async with hub_of(tmp_path) as hub:
        assert await signed(hub, "own", "own") is None
