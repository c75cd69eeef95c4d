"""`mailhub check` on the folders, files, certificates, disk and clock of a host; `mailhub status` on the same of a server."""

import json
import os
import shutil
from asyncio import to_thread
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result
from support.hubs import config, running

from mailhub.cli.root import root
from mailhub.config import load
from mailhub.config.schema import Store
from mailhub.hub import Hub


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(root, ["--config", str(folder / "config.toml"), *words], catch_exceptions=False)


@pytest.fixture
async def place(tmp_path: Path) -> Path:
    """The folder of a host whose server has run."""
    (tmp_path / "config.toml").write_text('data = "./var"\n')
    (tmp_path / "config.toml").chmod(0o644)
    async with running(tmp_path / "var", "ann@mailhub.test"):
        pass
    return tmp_path


def test_a_host_without_fault(place: Path) -> None:
    done = run(place, "check")
    assert (done.exit_code, done.stdout) == (0, f"{place}/config.toml: ok\n")
    answer = json.loads(run(place, "check", "--json").stdout)
    assert (answer["problems"], answer["host"]) == ([], [])


def age(place: Path, seconds: float) -> None:
    file = place / "var/mailhub.db"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime + seconds))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "the configuration": (lambda place: (place / "config.toml").chmod(0o666), "chmod go-w {place}/config.toml"),
    "the data folder": (lambda place: (place / "var").chmod(0o770), "chmod go-w {place}/var"),
    "mail": (lambda place: (place / "var/mail").chmod(0o777), "chmod go-w {place}/var/mail"),
    "the spool": (lambda place: (place / "var/spool").chmod(0o500), "chmod u+rwx {place}/var/spool"),
    "the database": (lambda place: (place / "var/mailhub.db").chmod(0o644), "chmod go= {place}/var/mailhub.db"),
    "a file for a folder": (
        lambda place: (shutil.rmtree(place / "var/spool"), (place / "var/spool").touch()),
        "{place}/var/spool: it is no folder",
    ),
    "the clock": (lambda place: age(place, 5000), "clock: {place}/var/mailhub.db was written"),
    "the disk": (
        lambda place: (place / "config.toml").write_text(f'data = "./var"\n[store]\nfree_space_floor = {1 << 40}\n'),
        "make room, or lower store.free_space_floor",
    ),
    "a maildrop for all": (
        lambda place: (place / "config.toml").write_text(
            'data = "./var"\n[maildrop]\npath = "./drop"\neverybody = true\n'
        ),
        "{place}/drop: there is no such folder: install -d -o USER {place}/drop",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_with_its_fix(place: Path, what: str) -> None:
    change, said = WRONG[what]
    change(place)
    try:
        done = run(place, "check")
    finally:
        (place / "var/spool").chmod(0o700)
    assert done.exit_code == 1
    assert said.replace("{place}", str(place)) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made by root")
def test_files_of_others(place: Path) -> None:
    os.chown(place / "var/mail", 65534, -1)
    os.chown(place / "var/mailhub.db", 65534, -1)
    done = run(place, "check")
    assert f"{place}/var/mail: it belongs to user id 65534: chown -R 0 {place}/var/mail" in done.stderr
    assert f"{place}/var/mailhub.db: it belongs to user id 65534: chown 0 " in done.stderr


def test_certificates_and_keys(place: Path) -> None:
    authority = trustme.CA()
    for days, code, said in ((400, 0, ""), (5, 0, "renew it"), (-3, 1, "ago: renew it")):
        issued = authority.issue_cert("mailhub.test", not_after=datetime.now(UTC) + timedelta(days=days, hours=1))
        (place / "c.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        (place / "k.pem").write_bytes(issued.private_key_pem.bytes())
        (place / "k.pem").chmod(0o600)
        (place / "config.toml").write_text('data = "./var"\n[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n')
        done = run(place, "check")
        assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    (place / "k.pem").chmod(0o644)
    assert f"{place}/k.pem: everybody may read this key: chmod o= {place}/k.pem" in run(place, "check").stderr


async def test_leftovers_are_told_of_and_are_no_fault(place: Path) -> None:
    drop = place / "var/maildrop"
    (drop / "x.bad").touch()
    (drop / f"{1:016x}-{1:024x}.mail").touch()
    (place / ".config.toml.99").touch()
    (place / "var/control.sock").touch(0o600)
    (place / "var/demo-accounts.txt").touch(0o600)
    (place / "var/mailhub.db.before-7").write_bytes(bytes(2_000))
    (place / "var/mailhub.db.before-8.part").touch()
    done = await to_thread(run, place, "check")
    assert done.exit_code == 0
    for said in (
        f"{drop}: 1 files were no messages (*.bad)", f"{drop}: 1 messages wait for a server: mailhub start",
        ".config.toml.99: an edit", "the last server did not end by itself", "passwords of the demo accounts",
        "mailhub.db.before-7: the store as it was before an upgrade", "before-8.part: a copy before an upgrade was broken off",
    ):  # fmt: skip
        assert said in done.stderr


async def test_status_tells_limits_disk_and_trouble(place: Path) -> None:
    (place / "config.toml").write_text('data = "./var"\n')
    (place / "var/maildrop/x.bad").touch()
    async with running(place / "var") as hub:
        answer = json.loads((await to_thread(run, place, "status", "--json")).stdout)
        assert answer["limits"]["queue.concurrency"] == hub.config.queue.concurrency
        assert answer["disk"]["free"] > 0
        assert (answer["trouble"], answer["maildrop"]) == ("", 1)
    async with Hub(config(place / "var", store=Store(free_space_floor=1 << 40))):
        done = await to_thread(run, place, "status")
        assert "alert     no mail is taken: " in done.stdout
        assert "maildrop  1 messages wait" in done.stdout


def test_half_a_restore_is_told_of_with_the_way_on(place: Path) -> None:
    (place / "var/restore.unfinished").write_text("20261127T060000Z")
    done = run(place, "check")
    assert done.exit_code == 1
    assert "half of the backup '20261127T060000Z'" in done.stderr
    assert "run the same `mailhub restore` again" in done.stderr


def test_the_systems_configuration_is_found_where_there_is_none_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "etc/config.toml", tmp_path / "here"
    for folder in (there.parent, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(load, "SYSTEM_FILE", there)
    assert "no config.toml: the defaults apply" in CliRunner().invoke(root, ["check"]).stdout
    there.write_text('hostname = "there.test"\ndata = "./var"\n')
    there.chmod(0o644)
    assert f"{there}: ok" in CliRunner().invoke(root, ["check"]).stdout
    assert CliRunner().invoke(root, ["config", "--value", "hostname"]).stdout == '"there.test"\n'
    assert CliRunner().invoke(root, ["config", "-e", "hostname=new.test"]).exit_code == 0
    assert 'hostname = "new.test"' in there.read_text()
    assert str(tmp_path / "etc/var") in CliRunner().invoke(root, ["status"]).stderr
    (here / "config.toml").write_text('hostname = "here.test"\n')
    assert CliRunner().invoke(root, ["config", "--value", "hostname"]).stdout == '"here.test"\n'
