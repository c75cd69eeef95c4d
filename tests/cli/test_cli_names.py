"""Postfix's commands by their names, beside a running server and beside the originals: the same options, lines and exit codes."""

import asyncio
import json
import re
import shutil
import smtplib
import subprocess
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.hubs import messages, running, send
from support.postfix import postfix_in

from mailhub.cli.names import NAMES
from mailhub.cli.root import root
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery
from mailhub.hub import Hub

NOBODY = Delivery(transport=Lookup(((("far.test", "smtp:[127.0.0.1]:1"), ("held.test", "hold:for inspection")),)))
TEXT = b"Subject: test\r\nX-A: b\r\n\r\ntext\r\nmore\r\n"
ORIGINALS = ("postqueue", "postsuper", "postcat", "postmap")


class Names:
    """`hub` with a deferred and a held message; `run` is a command beside it."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.config, self.hub = folder / "config.toml", hub

    async def run(self, name: str, *words: str, stdin: str | bytes = "") -> Result:
        return await to_thread(self.blocking, name, *words, stdin=stdin)

    def blocking(self, name: str, *words: str, stdin: str | bytes = "") -> Result:
        arguments = ["--config", str(self.config), "as", name, *words]
        return CliRunner().invoke(root, arguments, input=stdin, catch_exceptions=False)

    async def ids(self) -> list[str]:
        return re.findall(r"^([0-9A-Z]{11})", (await self.run("mailq")).stdout, re.M)


@pytest.fixture
async def names(tmp_path: Path) -> AsyncIterator[Names]:
    (tmp_path / "config.toml").write_text('data = "."\n')
    async with running(tmp_path, "ann@mailhub.test", delivery=NOBODY) as hub:
        await send(hub, "ann@here.test", "x@far.test", TEXT)
        await send(hub, "", "y@held.test")
        await hub.queue.idle()
        yield Names(tmp_path, hub)


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """The folder of a Postfix with one deferred message; what its commands print is what ours have to."""
    options = {"mynetworks": "127.0.0.0/8", "default_transport": "smtp:[127.0.0.1]:1"}
    with postfix_in("smtp unix - - n - - smtp\n", **options) as (folder, port):
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("ann@here.test", ["x@far.test"], TEXT)
        yield folder


def theirs(folder: Path, name: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which(name, path="/usr/sbin:/usr/bin")
    assert program is not None
    return subprocess.run(
        [program, *(() if name == "postmap" else ("-c", str(folder / "etc"))), *words],
        input=stdin, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def deferred(folder: Path) -> str:
    """The ID of its message, once that is deferred."""
    while True:
        rows = theirs(folder, "postqueue", "-j").stdout.splitlines()
        found = [row for row in map(json.loads, rows) if row["queue_name"] == "deferred"]
        if found:
            return str(found[0]["queue_id"])


def shape(text: str) -> list[str]:
    """Lines without what differs from message to message: IDs, sizes, times, reasons; spaces that fill up columns."""
    text = re.sub(r"\b(?=[0-9A-Z]*[0-9])[0-9A-Z]{8,14}\b", "ID", text)
    text = re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"(?m)^ *\(.*\)$", "(REASON)", text)
    return [re.sub(r" +", " ", re.sub(r"\b\d+\b", "N", line)) for line in text.splitlines()]


async def test_the_queue_is_printed_as_postfix_does(names: Names, original: Path) -> None:
    deferred(original)
    first = (await names.run("postsuper", "-d", "ALL", "hold")).exit_code
    assert first == 0
    for words in (("postqueue", "-p"), ("mailq",)):
        ours = await names.run(*words)
        assert shape(ours.stdout) == shape(theirs(original, "postqueue", "-p").stdout)
    assert shape((await names.run("sendmail", "-bp")).stdout) == shape(ours.stdout)
    ours_json = json.loads((await names.run("postqueue", "-j")).stdout)
    their_json = json.loads(theirs(original, "postqueue", "-j").stdout)
    assert list(ours_json) == list(their_json)
    assert list(ours_json["recipients"][0]) == list(their_json["recipients"][0])
    assert {k: ours_json[k] for k in ("queue_name", "sender", "forced_expire")} == {
        k: their_json[k] for k in ("queue_name", "sender", "forced_expire")
    }


@pytest.mark.parametrize("name", ORIGINALS)
async def test_wrong_usage_ends_as_postfix_does(names: Names, original: Path, name: str) -> None:
    ours, their = await names.run(name, "-Z"), theirs(original, name, "-Z")
    assert ours.stdout == their.stdout == ""
    for line in (ours.stderr.splitlines()[-1], their.stderr.splitlines()[-1]):
        assert re.match(f"(?:/usr/sbin/)?{name}: fatal: usage: (?:/usr/sbin/)?{name} ", line)
    assert ours.exit_code == their.returncode


async def test_postsuper_says_what_postfix_says(names: Names, original: Path) -> None:
    """Hold, release, delete; one by one and ALL; what is not there, and what can not be."""
    their_one = deferred(original)
    await names.run("postsuper", "-d", "ALL", "hold")
    (our_one,) = await names.ids()
    for words in ("-h ID", "-h ID", "-H ID", "-H ID", "-h ALL", "-H ALL", "-d NOSUCH1", "-d ../x", "-d ID", "-d ALL", "-h ALL -d ALL",
                  "-d ALL nosuch", "", "-p", "-s"):  # fmt: skip
        mine = await names.run("postsuper", *words.replace("ID", our_one).split())
        their = theirs(original, "postsuper", *words.replace("ID", their_one).split())
        assert shape(mine.stderr) == shape(their.stderr), words
        assert (mine.exit_code, mine.stdout) == (their.returncode, their.stdout), words
        await names.hub.queue.idle()
    assert (await names.run("mailq")).stdout == "Mail queue is empty\n" == theirs(original, "postqueue", "-p").stdout


async def test_postsuper_on_many(names: Names) -> None:
    first, second = await names.ids()
    done = await names.run("postsuper", "-h", first)
    assert done.stderr == f"postsuper: {first}: placed on hold\npostsuper: Placed on hold: 1 message\n"
    done = await names.run("postsuper", "-H", "ALL")
    assert done.stderr.splitlines()[-1] == "postsuper: Released from hold: 2 messages"
    await names.hub.queue.idle()
    assert (await names.run("postsuper", "-r", "ALL", "deferred")).stderr.endswith(": Requeued: 1 message\n")
    await names.hub.queue.idle()
    done = await names.run("postsuper", "-d", "-", stdin=f"{second}\nNOTHERE\n*\n")
    assert f"postsuper: {second}: removed\n" in done.stderr
    assert "warning: invalid mail queue id: *" in done.stderr
    assert await names.ids() == [first]


async def test_postcat_prints_the_message_as_postfix_does(names: Names, original: Path) -> None:
    with smtplib_to(original) as one:
        ours = (await names.ids())[0]
        whole, their = await names.run("postcat", "-q", ours), theirs(original, "postcat", "-q", one).stdout
        stars = [line.split(" ")[:3] for line in whole.stdout.splitlines() if line.startswith("*** ")]
        assert stars == [line.split(" ")[:3] for line in their.splitlines() if line.startswith("*** ")]
        for line in ("sender: ann@here.test", "recipient: x@far.test", "Subject: test"):
            assert line in whole.stdout.splitlines()
            assert line in their.splitlines()
        assert theirs(original, "postcat", "-bq", one).stdout == (await names.run("postcat", "-bq", ours)).stdout
        header = (await names.run("postcat", "-hq", ours)).stdout
        assert header.endswith("Subject: test\nX-A: b\n")
        assert "\nSubject: test\nX-A: b\n" in theirs(original, "postcat", "-hq", one).stdout
        both = (await names.run("postcat", "-bhq", ours)).stdout
        assert both.endswith("Subject: test\nX-A: b\n\ntext\nmore\n")
        mine, their_end = await names.run("postcat", "-q", "NOSUCH"), theirs(original, "postcat", "-q", "NOSUCH")
        assert mine.exit_code == their_end.returncode == 1
        assert mine.stderr == their_end.stderr.removeprefix("/usr/sbin/")


class smtplib_to:
    """A deferred message of the original's, gone afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> str:
        port = int(re.findall(r"127\.0\.0\.1:(\d+) inet", (self.folder / "etc/master.cf").read_text())[0])
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("ann@here.test", ["x@far.test"], TEXT)
        self.one = deferred(self.folder)
        return self.one

    def __exit__(self, *_: object) -> None:
        theirs(self.folder, "postsuper", "-d", self.one)


async def test_a_large_message_is_printed_whole(names: Names) -> None:
    lines = [b"%06d" % number + b"x" * 70 for number in range(20_000)]
    await send(names.hub, "ann@here.test", "x@far.test", b"Subject: large\r\n\r\n" + b"\r\n".join(lines) + b"\r\n")
    one = (await names.ids())[-1]
    assert (await names.run("postcat", "-bq", one)).stdout_bytes == b"\n" + b"\n".join(lines) + b"\n"


def test_postmap_asks_as_postfix_does(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a one\nb two\n")
    (tmp_path / "u").write_text("c three\na other\n")
    (tmp_path / "bad").write_text("lonely\n")
    made = Names.__new__(Names)
    made.config = tmp_path / "config.toml"
    made.config.write_text("")
    t, u = f"texthash:{tmp_path}/t", f"texthash:{tmp_path}/u"
    for words, stdin in (
        (("-q", "a", t), ""), (("-q", "c", t, u), ""), (("-q", "a", u, t), ""), (("-q", "x", t), ""), (("-q", "-", t, u), "a\nc\nx\n"),
    ):  # fmt: skip
        ours, their = made.blocking("postmap", *words, stdin=stdin), theirs(tmp_path, "postmap", *words, stdin=stdin)
        assert (ours.stdout, ours.exit_code) == (their.stdout, their.returncode), words
    assert (made.blocking("postmap", t).exit_code, made.blocking("postmap", str(tmp_path / "t")).exit_code) == (0, 0)
    wrong = made.blocking("postmap", f"hash:{tmp_path}/bad")
    assert (wrong.exit_code, f"{tmp_path}/bad" in wrong.stderr, "lonely" in wrong.stderr) == (1, True, False)


async def test_flush_makes_it_due(names: Names) -> None:
    for words in (
        ("postqueue", "-f"),
        ("sendmail", "-q"),
        ("postqueue", "-s", "far.test"),
        ("sendmail", "-qRfar.test"),
    ):
        before = await attempts(names)
        done = await names.run(*words)
        assert (done.exit_code, done.output) == (0, ""), words
        await names.hub.queue.idle()
        assert await attempts(names) == before + 1, words
    one = (await names.ids())[0]
    before = await attempts(names)
    assert (await names.run("postqueue", "-i", one)).exit_code == 0
    await names.hub.queue.idle()
    assert await attempts(names) == before + 1
    assert (await names.run("sendmail", "-q15m")).exit_code == 0


async def attempts(names: Names) -> int:
    from mailhub.control import words

    page = await names.hub.control.perform(words.QueueList(which=words.Which(recipient="@far.test")))
    return page[0].recipients[0].attempts


async def test_sendmail_verifies_and_checks_aliases(names: Names, tmp_path: Path) -> None:
    done = await names.run("sendmail", "-bv", "ann", "x@far.test")
    assert done.stdout == (
        "ann@mailhub.test... deliverable: mailer local, user ann@mailhub.test\n"
        "x@far.test... deliverable: mailer smtp, host [127.0.0.1]:1, user x@far.test\n"
    )
    wrong = await names.run("sendmail", "-bv", "nobody")
    assert (wrong.exit_code, wrong.stdout[:26]) == (67, "nobody@mailhub.test... 550")
    (tmp_path / "aliases").write_text("info: ann\nbad\n")
    names.config.write_text(f'data = "."\n[aliases]\nalias_maps = "aliases:{tmp_path}/aliases"\n')
    for words in (("newaliases",), ("sendmail", "-bi"), ("sendmail", "-I")):
        done = await names.run(*words)
        assert (done.exit_code, f"{tmp_path}/aliases:2: " in done.stderr) == (1, True), words


async def test_without_a_server_the_store_answers_and_mail_waits(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('data = "."\n[[listener]]\nprotocol = "smtp"\nport = 9\n')
    async with running(tmp_path, "ann@mailhub.test"):
        pass
    made = Names.__new__(Names)
    made.config = config
    assert (await made.run("mailq")).stdout == "Mail queue is empty\n"
    done = await made.run("sendmail", "-t", "-i", stdin="To: ann\nBcc: ann@mailhub.test\nSubject: waits\n\n.\ntext\n")
    assert (done.exit_code, done.output) == (0, "")
    assert len(list((tmp_path / "maildrop").iterdir())) == 1
    async with running(tmp_path) as hub:
        while list((tmp_path / "maildrop").iterdir()):
            await asyncio.sleep(0)
        (text,) = await messages(hub, "ann@mailhub.test")
    assert b"Bcc" not in text
    assert text.endswith(b"\r\n\r\n.\r\ntext\r\n")
    config.write_text("no = 1")
    assert (await made.run("mailq")).exit_code == 69
    assert (await made.run("sendmail", "ann")).exit_code == 78


def test_names_are_installed_and_nobody_elses_is_touched(tmp_path: Path) -> None:
    config, folder = tmp_path / "it's.toml", tmp_path / "bin"
    config.write_text('data = "."\n')
    (tmp_path / "t").write_text("a one\n")
    folder.mkdir()
    (folder / "sendmail").write_text("another's")
    (folder / "mailq").symlink_to("/usr/bin/true")

    def run(*words: str) -> Result:
        return CliRunner().invoke(root, ["--config", str(config), "install-names", str(folder), *words])

    done = run("--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["left"] == ["sendmail", "mailq"]
    assert (folder / "sendmail").read_text() == "another's"
    assert (folder / "mailq").is_symlink()
    assert {entry.name for entry in folder.iterdir()} == set(NAMES)
    text = (folder / "postmap").read_text()
    assert text.startswith("#!/bin/sh\n")
    hostile = tmp_path / "elsewhere"
    (hostile / "mailhub").mkdir(parents=True)
    (hostile / "mailhub" / "__init__.py").write_text("raise SystemExit('taken from where it was run')")
    from support.server import REPOSITORY

    asked = subprocess.run(
        [folder / "postmap", "-q", "a", f"hash:{tmp_path}/t"],
        cwd=hostile, env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (asked.stdout, asked.stderr, asked.returncode) == ("one\n", "", 0)
    assert run("postmap").exit_code == 0  # again, over its own
    assert run("--remove").exit_code == 4
    assert sorted(entry.name for entry in folder.iterdir()) == ["mailq", "sendmail"]
    assert CliRunner().invoke(root, ["install-names", str(folder)]).exit_code == 2


@pytest.mark.parametrize("runs", [True, False])
async def test_sendmail_asks_for_reports(tmp_path: Path, runs: bool) -> None:
    """-N, -R and -V, by SMTP and by the maildrop."""
    made = Names.__new__(Names)
    made.config = tmp_path / "config.toml"
    words = ("sendmail", "-N", "success", "-R", "hdrs", "-V", "an id=1", "-f", "ann@mailhub.test", "ann")
    async with running(tmp_path, "ann@mailhub.test") as hub:
        port = hub.port("smtp") if runs else 9
        made.config.write_text(f'data = "."\n[[listener]]\nprotocol = "smtp"\nport = {port}\n')
        done = await made.run(*words, stdin="Subject: wanted\n\ntext of it\n")
        assert (done.exit_code, done.output) == (0, "")
        while list((tmp_path / "maildrop").iterdir()):
            await asyncio.sleep(0)
        report = (await messages(hub, "ann@mailhub.test"))[1]
    assert b"Original-Envelope-Id: an id=1\r\n" in report
    assert b"\r\nAction: delivered\r\n" in report
    assert (b"Subject: wanted" in report, b"text of it" in report) == (True, False)
    for wrong in (("-N", "never,delay"), ("-N", "x"), ("-R", "all"), ("-V", "a\nb")):
        assert (await made.run("sendmail", *wrong, "ann")).exit_code == 64
