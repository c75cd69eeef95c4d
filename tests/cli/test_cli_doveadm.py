"""doveadm's core verbs beside a running server, and beside the original on a copy of the same Maildir."""

import json
import os
import shutil
import subprocess
import tempfile
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.dovecot_imap import configuration
from support.hubs import PASSWORD, running, send

from mailhub.cli.names import Fatal
from mailhub.cli.names import doveadm_query as queries
from mailhub.cli.root import root
from mailhub.config.schema import Mailbox
from mailhub.hub import Hub
from mailhub.model.mailbox import FLAGGED, SEEN, FlagOp

ANN = "ann@mailhub.test"
TEXTS = (
    b"From: a@b.test\r\nTo: ann@mailhub.test\r\nSubject: one\r\nDate: Thu, 26 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@x>\r\n\r\nfirst body\r\n",
    b"From: c@d.test\r\nTo: ann@mailhub.test\r\nSubject: =?utf-8?q?z=C3=BCrich?=\r\nDate: Wed, 1 Jan 2020 00:00:00 +0000\r\n\r\nsecond \xc3\xbc\r\n",
    b"From: a@b.test\r\nSubject: three\r\nX-Big: yes\r\n\r\n" + b"x" * 70 + b"\r\n",
)


class Place:
    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self.hub = folder, hub

    async def run(self, *words: str) -> Result:
        arguments = ["--config", str(self.folder / "config.toml"), "as", "doveadm", *words]
        return await to_thread(CliRunner().invoke, root, arguments, catch_exceptions=False)

    async def out(self, *words: str) -> list[str]:
        done = await self.run(*words)
        assert done.exit_code == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "config.toml").write_text('data = "."\n')
    async with running(tmp_path, ANN, "bob@mailhub.test", mailbox=Mailbox(quota_storage=10 << 20)) as hub:
        for text in TEXTS:
            await send(hub, "a@b.test", ANN, text)
            await hub.queue.idle()
        mail = hub.mailboxes.account(ANN)
        await mail.create("A")
        await mail.create("A.B")
        view = await mail.open_view(await mail.find("INBOX"), read_only=False)
        await view.set_flags([1], FlagOp.ADD, SEEN | FLAGGED, ["work"])
        view.close()
        yield Place(tmp_path, hub)


class Original:
    """Dovecot's doveadm on a copy of ann's Maildir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "env", "USER=ann@mailhub.test",
             f"HOME={self.folder}/home", "doveadm", "-c", str(self.folder / "dovecot.conf"), *words],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture
async def original(place: Place) -> AsyncIterator[Original]:
    if shutil.which("doveadm") is None or os.geteuid():
        pytest.skip("dovecot is not installed, or this is not root")
    await place.hub.store.mailboxes.sync()
    folder = Path(tempfile.mkdtemp(prefix="md"))
    try:
        await to_thread(shutil.copytree, place.folder / "mail/mailhub.test/ann/Maildir", folder / "home/Maildir")
        for name in ("run", "state"):
            (folder / name).mkdir()
        (folder / "dovecot.conf").write_text(
            configuration(folder, folder / "home")
            + "mail_plugins = quota\nplugin {\n quota = maildir:User quota\n quota_rule = *:storage=10M\n}\n"
        )
        await to_thread(subprocess.run, ["chown", "-R", "nobody:nogroup", folder], check=True)
        yield Original(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def comparable(text: str) -> list[list[str]]:
    """Lines in any order, columns wherever they stand, without \\Recent and line ends, which differ."""
    text = text.replace("\\r\\n", "\\n").replace(" \\Recent", "").replace("\\Recent", "")
    return sorted(line.replace("flags:", "flags: ").split() for line in text.splitlines() if line.strip("\f"))


SAME = (
    "mailbox list", "mailbox list A*", "mailbox status messages INBOX A", "-f tab mailbox status,messages unseen uidnext,*",
    "-f json mailbox list A", "-f pager mailbox status,unseen uidvalidity,INBOX", "-f table mailbox status,messages unseen,INBOX",
    "search all", "search mailbox INBOX unseen", "search mailbox A all", "search subject one", "search mailbox INBOX ( subject one or subject three )",
    "search not subject one", "search mailbox INBOX header X-Big yes", "search mailbox INBOX larger 1k", "search uid 2:3", "search mailbox INBOX flagged keyword work",
    "search mailbox INBOX uid 1:2 sentbefore 2021-01-01", "search mailbox INBOX sentsince 1-Jan-2026", "search mailbox INBOX since 2d", "search mailbox INBOX before 2d",
    "fetch,uid seq flags hdr.subject,mailbox INBOX", "-f flow fetch,mailbox uid flags user,all", "-f tab fetch,uid hdr.subject hdr.nosuch,all",
    "-f json fetch,uid body,mailbox INBOX uid 1", "fetch,uid body,mailbox INBOX uid 1:2", "fetch,uid date.sent date.sent.unixtime,mailbox INBOX uid 1:2", "fetch,uid imap.envelope,mailbox INBOX uid 1",
    "quota get", "-f tab quota get",
)  # fmt: skip


async def test_what_is_printed_is_what_dovecot_prints(place: Place, original: Original) -> None:
    different = []
    for line in SAME:
        head, *rest = line.split(",")
        words = head.split()
        verb = 3 if words[:1] == ["-f"] else 1
        if words[verb - 1] in ("mailbox", "quota"):
            verb += 1
        if rest:
            words += [rest[0], *rest[1].split()]
        ours = await place.run(*words[:verb], "-u", ANN, *words[verb:])
        theirs = await to_thread(original.run, *words)
        if (comparable(ours.stdout), ours.exit_code) != (
            comparable(theirs.stdout),
            theirs.returncode,
        ) or ours.exit_code:
            different.append((line, ours.stdout, theirs.stdout, ours.stderr, theirs.stderr))
    assert not different, "\n".join(map(repr, different))


WRONG = (
    "search mailbox nosuch all", "mailbox status messages nosuch", "mailbox status bogus INBOX", "fetch bogus all", "expunge all", "search bogus",
    "expunge mailbox INBOX or uid 1", "search subject one or unseen seen", "search mailbox INBOX ( all", "foo", "mailbox", "fetch", "-f bogus mailbox list",
)  # fmt: skip


async def test_what_is_wrong_ends_as_dovecot_ends(place: Place, original: Original) -> None:
    for line in WRONG:
        words = line.split()
        verb = 2 if words[0] == "mailbox" and len(words) > 1 else 1
        ours = await place.run(
            *words[:verb], *(("-u", ANN) if len(words) > verb and words[0] != "-f" else ()), *words[verb:]
        )
        theirs = await to_thread(original.run, *words)
        assert ours.exit_code == theirs.returncode, (line, ours.stderr, theirs.stderr)
        assert (ours.stdout, bool(ours.stderr)) == ("", True), line


async def test_expunge_takes_what_the_query_means(place: Place) -> None:
    assert await place.out("expunge", "-u", ANN, "mailbox", "INBOX", "subject", "three") == []
    assert await place.out("-f", "flow", "fetch", "-u", ANN, "uid", "all") == ["uid=1", "uid=2"]
    assert (
        await place.out("expunge", "-u", ANN, "mailbox", "A*", "or", "mailbox", "INBOX", "or", "mailbox", "A.B") == []
    )
    assert await place.out("search", "-u", ANN, "all") == []


async def test_several_users_and_none(place: Place) -> None:
    await send(place.hub, "a@b.test", "bob@mailhub.test")
    await place.hub.queue.idle()
    assert await place.out("-f", "flow", "fetch", "-A", "uid", "mailbox", "INBOX", "uid", "1") == [
        f"{ANN} uid=1", "bob@mailhub.test uid=1"
    ]  # fmt: skip
    lines = await place.out("-f", "tab", "mailbox", "status", "-u", "b*", "messages", "INBOX")
    assert lines == ["Username\tmailbox\tmessages", "bob@mailhub.test\tINBOX\t1"]
    assert (await place.run("mailbox", "list", "-u", "nobody")).exit_code == 67


async def test_user_and_auth_test(place: Place) -> None:
    lines = await place.out("user", "ann")
    assert lines[0] == "field\tvalue"
    fields = dict(line.split("\t") for line in lines[1:])
    assert fields["home"] == str(place.folder / "mail/mailhub.test/ann")
    assert (fields["uid"], fields["mail"]) == (str(os.geteuid()), "maildir:~/Maildir")
    assert await place.out("user", "-f", "home", ANN) == [fields["home"]]
    assert await place.out("user", "*") == [ANN, "bob@mailhub.test"]
    done = await place.run("user", "nosuch")
    assert (done.exit_code, "user nosuch@mailhub.test doesn't exist" in done.stderr) == (67, True)
    assert await place.out("auth", "test", ANN, PASSWORD) == [
        f"passdb: {ANN} auth succeeded", "extra fields:", f"  user={ANN}"
    ]  # fmt: skip
    assert (await place.run("auth", "test", "-x", "service=smtp", "ann", PASSWORD)).exit_code == 0
    done = await place.run("auth", "test", ANN, "wrong")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (77, f"passdb: {ANN} auth failed")


async def test_reload_and_no_server(place: Place, tmp_path: Path) -> None:
    done = await place.run("reload")  # this hub was not started with a file
    assert (done.exit_code, "nothing to reload" in done.stderr) == (75, True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other.toml").write_text('data = "./other"\n')
    asked = ["--config", str(tmp_path / "other.toml"), "as", "doveadm", "mailbox", "list", "-u", ANN]
    done = await to_thread(CliRunner().invoke, root, asked)
    assert (done.exit_code, "no server runs" in done.stderr) == (75, True)


async def test_texts_come_out_as_they_are_and_names_do_no_harm(place: Place) -> None:
    await send(place.hub, "a@b.test", ANN, b"Subject: \x1b[2Jred\r\n\r\n\xff\xfe raw\r\n")
    await place.hub.queue.idle()
    done = await place.run("-f", "pager", "fetch", "-u", ANN, "hdr.subject body", "uid", "4")
    assert done.stdout_bytes == b"hdr.subject: \\x1b[2Jred\nbody:\n\xff\xfe raw\n"
    assert json.loads((await place.run("-f", "json", "fetch", "-u", ANN, "uid", "uid", "1")).stdout) == [{"uid": "1"}]


@pytest.mark.parametrize(
    ("words", "inbox", "other"),
    [
        ("all", "ALL", "ALL"),
        ("mailbox INBOX", "ALL", None),
        ("mailbox inbox seen", "SEEN", None),
        ("not mailbox INBOX seen", None, "SEEN"),
        ("mailbox INBOX or subject x", "ALL", 'SUBJECT "x"'),
        ("( mailbox INBOX seen ) or ( mailbox O* unseen )", "SEEN", "UNSEEN"),
        ("seen or flagged or draft", "OR (SEEN) (OR (FLAGGED) (DRAFT))", "OR (SEEN) (OR (FLAGGED) (DRAFT))"),
        ('subject a"b\\', 'SUBJECT "a\\"b\\\\"', 'SUBJECT "a\\"b\\\\"'),
        ("since 1w", "YOUNGER 604800", "YOUNGER 604800"),
        ("larger 1M", "LARGER 1048576", "LARGER 1048576"),
    ],
)
def test_a_query_for_one_folder(words: str, inbox: str | None, other: str | None) -> None:
    query = queries.read(words.split(), 1_800_000_000.0)
    assert queries.within(query, "INBOX", "G1") == inbox
    assert queries.within(query, "Other", "G2") == other


@pytest.mark.parametrize(
    "words",
    [
        "subject",
        "subject a\r\nb",
        "uid 1)",
        "keyword a(b",
        "larger x",
        "since yesterday",
        "( " * 60 + "all",
        "not " * 60 + "all",
        "",
    ],
)
def test_a_query_that_is_none(words: str) -> None:
    with pytest.raises(Fatal):
        queries.read(words.split(" ") if words else [], 0.0)
