"""What a backup that somebody else wrote can not do: names that lead out, digests that do not fit, links."""

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from mailhub.config.schema import Store
from mailhub.model.clock import VirtualClock
from mailhub.store.api import AccountRow
from mailhub.store.backup.layout import DATABASE, HEAD, MANIFEST, Folder, Head, Trouble
from mailhub.store.backup.manifest import Entry, checked
from mailhub.store.backup.pruning import prune
from mailhub.store.backup.taking import take
from mailhub.store.backup.verifying import verify
from mailhub.store.backup.whole import Whole
from mailhub.store.files import Files
from mailhub.store.sqlite import SqliteStore

DIGEST = hashlib.sha256(b"hi\r\n").hexdigest()
ANN = "ann@a.example"


def unheard(done: int, total: int) -> None:
    return None


async def _made(folder: Path) -> None:
    store = SqliteStore(folder / "var", Store(), VirtualClock(), "mx.a.example")
    await store.open()
    await store.directory.put_account(AccountRow(ANN, ""))
    await store.close()


def backed_up(folder: Path) -> tuple[Folder, str]:
    """A folder with one backup: an account, and a message that another program left in its Maildir."""
    asyncio.run(_made(folder))
    new = folder / "var/mail/a.example/ann/Maildir/new"
    for part in ("new", "cur", "tmp"):
        (new.parent / part).mkdir(parents=True)
    (new / "1.M1.host").write_bytes(b"hi\r\n")
    backups = Folder(folder / "backups", create=True)
    with backups.locked():
        name, head = take(backups, folder / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert (head.messages, head.passed_over) == (1, ())
    return backups, name


def restored(backups: Folder, name: str, target: Path) -> list[str]:
    return Whole(backups, name, target, "", None).run(unheard, hold=False).wrong


def forged(backups: Folder, name: str, *lines: bytes) -> None:
    """Its manifest is these lines, and its head says so."""
    place = backups.path / name
    text = b"".join(line + b"\n" for line in lines)
    (place / MANIFEST).write_bytes(text)
    head = msgspec.structs.replace(backups.head(name), manifest=hashlib.sha256(text).hexdigest())
    (place / HEAD).write_bytes(msgspec.json.encode(head))


def test_it_is_whole_before_anybody_touches_it(tmp_path: Path) -> None:
    backups, name = backed_up(tmp_path)
    assert list(verify(backups, name, unheard)) == []
    assert restored(backups, name, tmp_path / "new") == []
    assert (tmp_path / "new/mail/a.example/ann/Maildir/new/1.M1.host").read_bytes() == b"hi\r\n"


MAIL = {"kind": "mail", "digest": DIGEST, "size": 4, "account": ANN, "folder": "INBOX", "file": "1.M1.host"}
RIGHT = [
    {},
    {"folder": "a.b"},
    {"folder": "a/b"},
    {"account": "x"},
    {"kind": "data", "file": "tls/key.pem"},
    {"kind": "spool", "file": "1f"},
]
LEADS_OUT = [
    {"folder": ".", "kind": "mail"},
    {"folder": ".."},
    {"folder": "../../../../x"},
    {"folder": "a..b"},
    {"folder": ""},
    {"folder": "inbox"},
    {"file": "../../../../../../x"},
    {"file": "../x"},
    {"file": ".."},
    {"file": "a/b"},
    {"file": "a\x00b"},
    {"file": "a\nb"},
    {"file": "a:2,S"},
    {"file": ""},
    {"file": "a" * 300},
    {"account": ""},
    {"kind": "spool", "file": "../x"},
    {"kind": "spool", "file": "12/../../x"},
    {"kind": "data", "file": "/etc/x"},
    {"kind": "data", "file": "tls/../../x"},
    {"kind": "data", "file": "tls"},
    {"kind": "data", "file": "mailhub.db"},
    {"kind": "data", "file": "tls/.."},
    {"kind": "side", "file": "cur/x"},
    {"kind": "side", "file": "dovecot-uidlist", "folder": ".."},
    {"kind": "other"},
    {"size": -1},
    {"digest": "../../../etc/passwd"},
    {"digest": DIGEST.upper()},
    {"name_flags": -2},
    {"uid": 1 << 32},
]


@pytest.mark.parametrize("change", RIGHT, ids=str)
def test_a_line_that_a_backup_may_have_is_taken(tmp_path: Path, change: dict[str, object]) -> None:
    """The test of the next one."""
    backups, name = backed_up(tmp_path)
    forged(backups, name, msgspec.json.encode(MAIL | change))
    assert restored(backups, name, tmp_path / "new") == []


@pytest.mark.parametrize("change", LEADS_OUT, ids=str)
def test_a_line_that_no_backup_has_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    backups, name = backed_up(tmp_path)
    forged(backups, name, msgspec.json.encode(MAIL | change))
    with pytest.raises(Trouble):
        restored(backups, name, tmp_path / "new")
    assert not (tmp_path / "new" / DATABASE).exists()
    assert [path.name for path in tmp_path.rglob("x")] == []
    assert list(verify(backups, name, unheard)) != []


@pytest.mark.parametrize("account", ["../../x@a.example", "..@..", "a/b@c", "@", "x@../../y", "\x00@a", "."])
def test_no_account_leads_out(account: str) -> None:
    entry = msgspec.convert(MAIL | {"account": account}, Entry)
    assert checked(entry)  # any address may be an account; its path is ours to write
    path = os.path.normpath(f"/data/{entry.path()}")
    assert path.startswith("/data/mail/")
    assert path.count("/") == 7, path


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"nothing", b'{"kind":"mail"}', b"x" * 100_000])
def test_lines_of_noise_are_refused(tmp_path: Path, text: bytes) -> None:
    backups, name = backed_up(tmp_path)
    forged(backups, name, text)
    with pytest.raises(Trouble):
        restored(backups, name, tmp_path / "new")


Deed = Callable[[Path, Path, Path], None]


def _other_octets(place: Path, octets: Path, secret: Path) -> None:
    octets.write_bytes(b"ha\r\n")


def _short(place: Path, octets: Path, secret: Path) -> None:
    octets.write_bytes(b"hi")


def _gone(place: Path, octets: Path, secret: Path) -> None:
    octets.unlink()


def _link(place: Path, octets: Path, secret: Path) -> None:
    octets.unlink()
    octets.symlink_to(secret)


def _pipe(place: Path, octets: Path, secret: Path) -> None:
    octets.unlink()
    os.mkfifo(octets)


@pytest.mark.parametrize("deed", [_other_octets, _short, _gone, _link, _pipe])
def test_octets_that_are_not_those_are_left_out_and_named(tmp_path: Path, deed: Deed) -> None:
    backups, name = backed_up(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(b"hi\r\n")  # the very octets: a link is refused for what it is
    deed(backups.path / name, Path(backups.object(DIGEST)), secret)
    assert any("1.M1.host" in line for line in verify(backups, name, unheard))
    wrong = restored(backups, name, tmp_path / "new")
    assert len(wrong) == 1
    assert "1.M1.host" in wrong[0]
    assert list((tmp_path / "new/mail").rglob("1.M1.host*")) == []


def _database(place: Path, octets: Path, secret: Path) -> None:
    with (place / DATABASE).open("r+b") as file:
        file.seek(200)
        file.write(b"\xff")


def _manifest(place: Path, octets: Path, secret: Path) -> None:
    with (place / MANIFEST).open("ab") as file:
        file.write(b"\n")


def _database_link(place: Path, octets: Path, secret: Path) -> None:
    (place / DATABASE).rename(secret)
    (place / DATABASE).symlink_to(secret)


def _manifest_link(place: Path, octets: Path, secret: Path) -> None:
    (place / MANIFEST).rename(secret)
    (place / MANIFEST).symlink_to(secret)


def _head_link(place: Path, octets: Path, secret: Path) -> None:
    (place / HEAD).rename(secret)
    (place / HEAD).symlink_to(secret)


def _head_without_database(place: Path, octets: Path, secret: Path) -> None:
    head = msgspec.json.decode((place / HEAD).read_bytes(), type=Head)
    (place / HEAD).write_bytes(msgspec.json.encode(msgspec.structs.replace(head, databases={"../../x": DIGEST})))


def _newer_store(place: Path, octets: Path, secret: Path) -> None:
    head = msgspec.json.decode((place / HEAD).read_bytes(), type=Head)
    (place / HEAD).write_bytes(msgspec.json.encode(msgspec.structs.replace(head, store=10_000)))


DEEDS = [_database, _manifest, _database_link, _manifest_link, _head_link, _head_without_database, _newer_store]


@pytest.mark.parametrize("deed", DEEDS)
def test_a_backup_that_is_not_what_it_was_is_refused(tmp_path: Path, deed: Deed) -> None:
    backups, name = backed_up(tmp_path)
    deed(backups.path / name, Path(backups.object(DIGEST)), tmp_path / "secret")
    with pytest.raises((Trouble, OSError)):
        restored(backups, name, tmp_path / "new")
    assert not (tmp_path / "new" / DATABASE).exists()
    with pytest.raises(Trouble) as found:
        raise Trouble("\n".join(verify(backups, name, unheard)))
    assert str(found.value)


def test_a_link_is_no_backup_and_a_folder_without_a_head_is_none(tmp_path: Path) -> None:
    backups, name = backed_up(tmp_path)
    (backups.path / name).rename(tmp_path / "elsewhere")
    (backups.path / name).symlink_to(tmp_path / "elsewhere")
    assert backups.names() == []
    (backups.path / name).unlink()
    shutil.copytree(tmp_path / "elsewhere", backups.path / name)
    (backups.path / name / HEAD).unlink()
    assert (backups.names(), backups.broken()) == ([], [name])


def test_pruning_keeps_what_others_name_and_stops_where_it_can_not_know(tmp_path: Path) -> None:
    backups, first = backed_up(tmp_path)
    new = tmp_path / "var/mail/a.example/ann/Maildir/new"
    (new / "2.M2.host").write_bytes(b"ho\r\n")
    second, _ = take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    (new / "1.M1.host").unlink()
    third, _ = take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert prune(backups, 2)[0] == [first]
    assert list(verify(backups, second, unheard)) == list(verify(backups, third, unheard)) == []
    assert prune(backups, 1)[0] == [second]
    assert list(verify(backups, third, unheard)) == []
    assert not Path(backups.object(DIGEST)).exists()
    before = sorted(path.name for path in (backups.path / "objects").rglob("*"))
    with (backups.path / third / MANIFEST).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(Trouble):
        prune(backups, 1)
    assert sorted(path.name for path in (backups.path / "objects").rglob("*")) == before


def test_octets_that_a_broken_backup_left_short_are_written_again(tmp_path: Path) -> None:
    backups, first = backed_up(tmp_path)
    shutil.rmtree(backups.path / first)  # as if it had been broken off, its last octets not on disk
    Path(backups.object(DIGEST)).write_bytes(b"\0\0\0\0")
    second, _ = take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert list(verify(backups, second, unheard)) == []


def test_a_full_disk_ends_a_backup_that_is_none_then(tmp_path: Path) -> None:
    class Full(Files):
        def append(self, descriptor: int, blocks: Iterable[bytes]) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    backups, first = backed_up(tmp_path)
    (tmp_path / "var/mail/a.example/ann/Maildir/new/2.M2.host").write_bytes(b"ho\r\n")
    backups.files = Full()
    with pytest.raises(Trouble, match="No space left") as found:
        take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert found.value.kind == "temporary"
    assert (backups.names(), len(backups.broken())) == ([first], 1)


def test_a_clock_that_goes_back_leaves_the_newest_the_newest(tmp_path: Path) -> None:
    backups, first = backed_up(tmp_path)
    (backups.path / first).rename(backups.path / "2099-01-01T00-00-00Z")
    second, _ = take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert (second, backups.newest()) == ("2099-01-01T00-00-01Z", second)


def test_octets_that_were_lost_are_copied_again(tmp_path: Path) -> None:
    backups, first = backed_up(tmp_path)
    Path(backups.object(DIGEST)).unlink()
    assert len(list(verify(backups, first, unheard))) == 1
    second, _ = take(backups, tmp_path / "var", "mx.a.example", "0", VirtualClock(), unheard)
    assert list(verify(backups, second, unheard)) == list(verify(backups, first, unheard)) == []
