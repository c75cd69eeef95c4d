"""Mail moves in from Maildirs, mbox files and IMAP servers, and out again: flags, keywords and dates stay, nothing comes twice."""

import asyncio
import json
import mailbox
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.daemons import short_folder
from support.dovecot_imap import dovecot_imap, messages
from support.hubs import PASSWORD, running

from mailhub.cli.root import root
from mailhub.moving import mail
from mailhub.store import maildir

TEXT = b"From: a@b.test\r\nSubject: number %d\r\n\r\nFrom the beginning\r\n>From further\r\ntext %d\r\n"
ANN = "ann@mailhub.test"


class Here:
    """A stopped server with one account."""

    def __init__(self, folder: Path) -> None:
        self.config, self.data = folder / "config.toml", folder / "var"
        self.config.write_text('domains = ["mailhub.test"]\n')
        self.run("user", "add", ANN, "--password-stdin", stdin=f"{PASSWORD}\n")

    def run(self, *words: str, stdin: str = "", code: int = 0) -> str:
        done = CliRunner().invoke(root, ["--config", str(self.config), *words], input=stdin, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def seen(self, folder: str = "INBOX") -> list[tuple[frozenset[str], str, bytes]]:
        """Flags, INTERNALDATE and text, by Dovecot's own program on what lies there."""
        with short_folder() as place, dovecot_imap(self.data / "mail/mailhub.test/ann/Maildir", place) as session:
            return [(flags, date, text) for flags, date, _, text in messages(session, folder).values()]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def a_maildir(root: Path, count: int = 30) -> Path:
    for name in ("", ".Work", ".B&APw-ro.2026"):
        for part in ("cur", "new", "tmp"):
            (root / name / part).mkdir(parents=True)
    (root / ".Work/dovecot-keywords").write_text("0 $Label1\n1 Blue\n")
    for n in range(count):
        name = ("", ".Work", ".B&APw-ro.2026")[n % 3]
        file = root / name / "cur" / f"{1_700_000_000 + n}.M{n}.host:2,{('FS', 'Sb', '')[n % 3]}"
        file.write_bytes(TEXT % (n, n))
        os.utime(file, (1_600_000_000 + n, 1_600_000_000 + n))
    (root / "new/1.new.host").write_bytes(TEXT % (count, count))
    return root


def test_a_maildir_comes_with_flags_keywords_and_dates_and_only_once(here: Here, tmp_path: Path) -> None:
    source = a_maildir(tmp_path / "old")
    assert here.json("import", "maildir", str(source), ANN) == {"account": ANN, "new": 31, "there": 0}
    assert here.json("import", "maildir", str(source), ANN) == {"account": ANN, "new": 0, "there": 31}
    work = here.seen("Work")
    assert {flags for flags, _, _ in work} == {frozenset(("\\Seen", "Blue"))}
    assert sorted(date for _, date, _ in work)[0].startswith("13-Sep-2020")
    inbox = here.seen()
    assert len(inbox) == 11
    assert {text for _, _, text in inbox} == {TEXT % (n, n) for n in (*range(0, 30, 3), 30)}
    assert len(here.seen("B&APw-ro.2026")) == 10
    assert json.loads(here.run("mailbox", "check", ANN, "--json"))["total"] == 0


def test_into_a_server_that_runs_and_out_again(tmp_path: Path) -> None:
    """The messages are there for a client that is signed in; what is exported is what came."""

    async def whole() -> None:
        (tmp_path / "config.toml").write_text('domains = ["mailhub.test"]\n')
        async with running(tmp_path / "var", ANN) as hub:
            place = ["--config", str(tmp_path / "config.toml")]

            def command(*words: str) -> str:
                done = CliRunner().invoke(root, [*place, *words], catch_exceptions=False)
                assert done.exit_code == 0, done.output
                return str(done.stdout)

            source = a_maildir(tmp_path / "old")
            told = await asyncio.to_thread(command, "import", "maildir", str(source), ANN, "--json")
            assert json.loads(told)["new"] == 31
            folders = {folder.name: folder.messages for folder in await hub.mailboxes.account(ANN).folders()}
            assert {name: folders[name] for name in ("INBOX", "Work", "Büro.2026")} == {
                "INBOX": 11,
                "Work": 10,
                "Büro.2026": 10,
            }
            await asyncio.to_thread(command, "export", ANN, str(tmp_path / "copy"))
            await asyncio.to_thread(command, "export", ANN, str(tmp_path / "boxes"), "--mbox")
            assert sorted(
                message.blocks and b"".join(message.blocks) for message in mail.from_maildir(tmp_path / "copy")
            ) == sorted(TEXT % (n, n) for n in range(31))

    asyncio.run(whole())
    box = mailbox.mbox(tmp_path / "boxes/Work", create=False)
    assert len(box) == 10
    first = box[0]
    assert first.get_flags() == "RO"
    assert first["X-Keywords"] == "Blue"
    assert first.get_payload().startswith(">From the beginning\n>>From further\ntext ")
    (tmp_path / "again").mkdir()
    again = Here(tmp_path / "again")
    assert again.json("import", "mbox", str(tmp_path / "boxes/Work"), ANN, "--folder", "Back")["new"] == 10
    back = again.seen("Back")
    assert {flags for flags, _, _ in back} == {frozenset(("\\Seen",))}
    assert all(b"\r\nFrom the beginning\r\n>From further\r\ntext " in text for _, _, text in back)


def test_an_mbox_of_pythons_and_one_that_is_none(here: Here, tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for n in range(5):
        message = mailbox.mboxMessage((TEXT % (n, n)).replace(b"\r\n", b"\n"))
        message.set_flags("RF" if n % 2 else "O")
        box.add(message)
    box.flush()
    assert here.json("import", "mbox", str(tmp_path / "box"), ANN)["new"] == 5
    assert here.json("import", "mbox", str(tmp_path / "box"), ANN)["there"] == 5
    found = here.seen()
    assert sorted(map(sorted, (flags for flags, _, _ in found))) == [
        [],
        [],
        [],
        ["\\Flagged", "\\Seen"],
        ["\\Flagged", "\\Seen"],
    ]
    (tmp_path / "none").write_bytes(b"just text\n")
    assert "no mbox" in str(
        CliRunner().invoke(root, ["--config", str(here.config), "import", "mbox", str(tmp_path / "none"), ANN]).output
    )
    assert "no account" in str(
        CliRunner()
        .invoke(root, ["--config", str(here.config), "import", "mbox", str(tmp_path / "box"), "x@mailhub.test"])
        .output
    )


async def filled(hub: Any, count: int) -> None:
    account = hub.mailboxes.account(ANN)
    await account.create("Work.Sub")
    for name in ("INBOX", "Work.Sub"):
        folder = await account.find(name, "i")
        for start in range(0, count, 100):
            new = []
            for n in range(start, min(count, start + 100)):
                writer = account.body_writer()
                writer.feed(TEXT % (n, n))
                new.append(
                    (await writer.finish(), 1_500_000_000 + n, 8 if n % 2 else 1, ("$Label1",) if n % 3 == 0 else ())
                )
            await account.append(folder, new)


def test_from_an_imap_server_broken_off_and_gone_on(here: Here, tmp_path: Path) -> None:
    """The source is a server of our own; killed in the middle of it again and again, each message comes once."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    async def whole() -> None:
        async with running(tmp_path / "source", ANN) as hub:
            await filled(hub, 300)
            words = [
                sys.executable, "-m", "mailhub", "--config", str(here.config), "import", "imap", ANN, "--from", f"127.0.0.1:{hub.port('imap')}",
                "--password-file", str(tmp_path / "password"), "--tls", "starttls", "--insecure",
            ]  # fmt: skip
            home = here.data / "mail/mailhub.test/ann/Maildir"
            for wanted in (50, 200, 380):
                process = await asyncio.create_subprocess_exec(
                    *words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
                while sum(1 for _ in home.glob("**/cur/*.import*")) < wanted and process.returncode is None:
                    await asyncio.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            done = await asyncio.create_subprocess_exec(
                *words, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            out, err = await done.communicate()
            assert done.returncode == 0, err.decode()
            told = json.loads(out)
            assert told["new"] < 300
            assert told["new"] + told["there"] == 600

    asyncio.run(whole())
    for folder in ("INBOX", "Work.Sub"):
        found = here.seen(folder)
        assert len(found) == len({text for _, _, text in found}) == 300
        by_text = {text: (flags, date) for flags, date, text in found}
        assert by_text[TEXT % (3, 3)][0] == {"\\Deleted", "$Label1"}
        assert by_text[TEXT % (2, 2)] == ({"\\Seen"}, "14-Jul-2017 02:40:02 +0000")


@pytest.fixture
def liar() -> Iterator[tuple[int, list[bytes]]]:
    """A server that says what `script` holds to each line."""
    script: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line, line.makefile("rb") as heard:
                line.sendall(b"* OK hi\r\n")
                for said in script:
                    tag = heard.readline().split(b" ")[0]
                    line.sendall(said.replace(b"TAG", tag))

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], script


CAPABLE = b"* CAPABILITY IMAP4rev1\r\nTAG OK x\r\n"
FOLDERS = [
    CAPABLE,
    b"TAG OK in\r\n",
    b'* LIST () "/" INBOX\r\nTAG OK x\r\n',
    b"* STATUS INBOX (MESSAGES 1)\r\nTAG OK x\r\n",
    b'* LIST () "/" INBOX\r\nTAG OK x\r\n',
    b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\nTAG OK x\r\n",
]


@pytest.mark.parametrize("said", [
    [*FOLDERS, b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "1-Jan-2020 00:00:00 +0000")\r\nTAG OK x\r\n', b"* 1 FETCH (UID 1 BODY[] {9999999999}\r\n"],
    [*FOLDERS, b"* 1 FETCH (UID 1 FLAGS " + b"(" * 2_000_000],
    [CAPABLE, b"TAG OK in\r\n", b"TAG BAD no\r\n"],
    [CAPABLE, b"TAG OK in\r\n", b"* LIST (\r\nTAG NO x\r\n"],
    [*FOLDERS[:3], b"* STATUS INBOX (MESSAGES " + b"9" * 5_000 + b")\r\nTAG OK x\r\n", *FOLDERS[2:3], b"TAG NO x\r\n"],
    [CAPABLE, b"TAG NO wrong\r\n"],
    [b"garbage\r\n"],
    [],
])  # fmt: skip
def test_a_server_that_lies_is_left_with_a_word(
    here: Here, tmp_path: Path, liar: tuple[int, list[bytes]], said: list[bytes]
) -> None:
    port, script = liar
    script += said
    (tmp_path / "password").write_text("x\n")
    words = [
        "import",
        "imap",
        ANN,
        "--from",
        f"127.0.0.1:{port}",
        "--password-file",
        str(tmp_path / "password"),
        "--tls",
        "none",
    ]
    done = CliRunner().invoke(root, ["--config", str(here.config), *words])
    assert done.exit_code == 5, (done.output, done.exception)
    assert here.seen() == []


def test_names_of_folders() -> None:
    assert mail._here("Work/A.B/B&APw-ro", "/", []) == "Work.A_B.Büro"
    assert mail._here("inbox", "/", []) == "INBOX"
    assert mail._here("[Gmail]/Sent Mail", "/", ["\\sent"]) == "Sent"
    assert maildir.encode_name("Büro") == "B&APw-ro"
