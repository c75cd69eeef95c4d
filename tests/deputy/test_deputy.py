"""The deputy as root, with users of its own: whom it acts for, what it refuses, what it leaves behind."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import psutil
import pytest
from support.system_users import SystemUsers, system_users

from mailhub.deputy import words
from mailhub.deputy.client import Deputy
from mailhub.deputy.words import Answer, Argument, Deliver, Forward, Look, Program, Request, Run, Settings, Start
from mailhub.model.clock import SystemClock
from mailhub.model.errors import Temporary

SETTINGS = Settings(
    mail_spool_directory="/var/mail", home_mailbox="", mailbox_command="", delimiter="+", forward=True, forward_limit=10_000,
    forward_count=100, mailbox_size_limit=0, lock_timeout=0.0, stale_lock_time=500.0, lookup_timeout=60.0, file_timeout=60.0,
    command_timeout=60.0, output_limit=1_000, concurrency=5,
)  # fmt: skip
FROM = "From s@x.test  Thu Jan  1 00:00:00 1970\n"
DONE, NOINPUT, NOUSER, TEMPFAIL = 0, 66, 67, 75


@pytest.fixture
def place() -> Iterator[SystemUsers]:
    with system_users("bob", "eve") as users:
        yield users


@contextlib.asynccontextmanager
async def deputy(place: SystemUsers, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Deputy]:
    monkeypatch.setattr("sys.executable", place.python)
    one = await Deputy.start(msgspec.structs.replace(SETTINGS, **settings), SystemClock())
    try:
        yield one
    finally:
        await one.close()


@contextlib.contextmanager
def spooled(text: str, mark: str = "Q1R0") -> Iterator[int]:
    """As the server writes it for a mailbox file."""
    file = os.memfd_create("message")
    os.write(file, message(text, mark).encode())
    try:
        yield file
    finally:
        os.close(file)


def message(text: str, mark: str = "Q1R0") -> str:
    return f"{FROM}X-Delivery-Id: {mark}\n{text}\n"


async def deliver(
    one: Deputy, user: str, text: str = "Subject: x\n\nhello\n", mark: str = "Q1R0", **more: Any
) -> Answer:
    with spooled(text, mark) as file:
        return await one.ask(Deliver(user, mark, **more), file)


async def run(one: Deputy, user: str, command: str, *environment: str) -> Answer:
    with spooled("Subject: x\n\nhello\n") as file:
        return await one.ask(Run(user, command, environment), file)


async def test_a_user_who_is_known_to_nss_alone(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    async with deputy(place, monkeypatch) as one:
        answer = await one.ask(Look("bob"))
        assert (answer.status, answer.said.decode()) == (DONE, str(place.uid("bob")))
        assert (await one.ask(Look("nobody-of-that-name"))).status == NOUSER


async def test_a_mailbox_of_the_users_own(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    async with deputy(place, monkeypatch) as one:
        answer = await deliver(one, "bob")
        assert answer == Answer(answer.id, DONE, b"")
        await deliver(one, "bob", "Subject: second\n\nends without a line end", "Q2R0")
        await deliver(one, "bob", "Subject: third\n\n", "Q3R0")
    found = (place.mail / "bob").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (place.uid("bob"), 0o600)
    second = message("Subject: second\n\nends without a line end", "Q2R0")
    assert place.inbox("bob") == message("Subject: x\n\nhello\n") + second + "\n" + message(
        "Subject: third\n\n", "Q3R0"
    )
    assert os.listdir(place.mail) == ["bob"]  # no lock is left


async def test_a_maildir_and_a_mailbox_at_home(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    async with deputy(place, monkeypatch, home_mailbox="Maildir/") as one:
        assert (await deliver(one, "bob")).status == DONE
        assert (await deliver(one, "bob", again=True)).status == DONE
        (file,) = (place.home("bob") / "Maildir/new").iterdir()
        assert (file.name, file.stat().st_uid) == ("Q1R0", place.uid("bob"))
        file.rename(place.home("bob") / "Maildir/cur/Q1R0:2,S")
        assert (await deliver(one, "bob", again=True)).status == DONE
        assert list((place.home("bob") / "Maildir/new").iterdir()) == []
    async with deputy(place, monkeypatch, home_mailbox="mbox") as one:
        assert (await deliver(one, "bob")).status == DONE
    assert (place.home("bob") / "mbox").read_text() == message("Subject: x\n\nhello\n")


async def test_what_may_have_been_done_is_done_once(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    async with deputy(place, monkeypatch) as one:
        await deliver(one, "bob", mark="Q1R0")
        await deliver(one, "bob", "\nX-Delivery-Id: Q3R0\n\n>From x\nX-Delivery-Id: Q3R0\n", mark="Q2R0")
        before = place.inbox("bob")
        assert (await deliver(one, "bob", mark="Q1R0", again=True)).status == DONE
        assert place.inbox("bob") == before
        await deliver(one, "bob", mark="Q3R0", again=True)  # a sender's words are no mark
        assert place.inbox("bob") == before + message("Subject: x\n\nhello\n", "Q3R0")


async def test_nobody_is_root(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    place.add("toor")
    passwd = place.folder / "extrausers/passwd"
    async with deputy(place, monkeypatch, mailbox_command="id > /tmp/never") as one:
        for what in (Deliver("root", "Q1R0"), Forward("root"), Run("root", "")):
            with spooled("x") as file:
                answer = await one.ask(what, file)
            assert (answer.status, answer.said[:5]) == (TEMPFAIL, b"4.3.5"), answer
    assert passwd.exists()
    assert os.listdir(place.mail) == []


async def test_what_runs_has_the_users_rights_alone(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "id -u; id -Gn; pwd; cat; env | sort; ls -l /proc/self/fd | wc -l"
    async with deputy(place, monkeypatch, mailbox_command=command) as one:
        answer = await run(one, "bob", "", "EXTENSION=tag", "SENDER=s@x.test")
    home = place.home("bob")
    said = answer.said.decode().splitlines()
    assert answer.status == DONE
    assert said[:3] == [str(place.uid("bob")), "bob", str(home)]
    assert "hello" in said
    environment = {line.partition("=")[0] for line in said if "=" in line}
    assert environment == {"EXTENSION", "SENDER", "PATH", "LANG", "HOME", "SHELL", "USER", "LOGNAME", "PWD"} | (
        environment & {"_", "OLDPWD", "SHLVL"}
    )
    assert int(said[-1]) <= 5  # "total", 0, 1, 2 and ls's own


async def test_the_deputy_has_no_network_and_no_files(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    async with deputy(place, monkeypatch, mailbox_command="readlink /proc/self/ns/net") as one:
        mine, its = os.readlink("/proc/self/ns/net"), os.readlink(f"/proc/{one.pid}/ns/net")
        if its == mine:
            pytest.skip("this system lets nobody leave its network")
        open_files = [os.readlink(f"/proc/{one.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{one.pid}/fd")]
        kinds = sorted(name.partition(":")[0] for name in open_files if not name.startswith(("/", "pipe:")))
        assert kinds == ["anon_inode", "net", "net", "socket"], open_files  # its selector, two networks, our door
        assert (await run(one, "bob", "")).said.decode().strip() == mine  # users' programs have what users have


async def test_only_what_stands_in_forward_is_run_and_written(
    place: SystemUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.home("bob") / "list"
    place.write("bob", ".forward", f'"|cat >> ~/out; echo ran", {file}, eve@x.test\n')
    async with deputy(place, monkeypatch) as one:
        answer = await one.ask(Forward("bob"))
        assert json.loads(answer.said) == [
            ["command", "cat >> ~/out; echo ran"],
            ["file", str(file)],
            ["address", "eve@x.test"],
        ]
        assert (await run(one, "bob", "cat >> ~/out; echo ran")).said == b"ran\n"
        assert "hello" in (place.home("bob") / "out").read_text()
        assert (await deliver(one, "bob", path=str(file))).status == DONE
        assert file.read_text() == message("Subject: x\n\nhello\n")
        for answer in (
            await run(one, "bob", "cat >> ~/out"),
            await run(one, "bob", "true"),
            await run(one, "eve", "cat >> ~/out; echo ran"),
            await run(one, "bob", ""),  # no mailbox_command
            await deliver(one, "bob", path="/etc/passwd"),
            await deliver(one, "eve", path=str(file)),
        ):
            assert (answer.status, answer.said[:5]) == (TEMPFAIL, b"4.3.5"), answer


async def test_a_forward_that_does_not_count(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Postfix it is passed over, and the log says so."""
    home, forward = place.home("bob"), place.home("bob") / ".forward"

    async def why(one: Deputy) -> str:
        answer = await one.ask(Forward("bob"))
        forward.unlink(missing_ok=True)
        assert answer.status == NOINPUT
        return answer.said.decode().partition("is not used: ")[2]

    async with deputy(place, monkeypatch) as one:
        assert await why(one) == ""
        forward.symlink_to("/etc/passwd")
        assert await why(one) == "it is a symbolic link"
        os.mkfifo(forward)
        os.chown(forward, place.uid("bob"), -1)
        assert await why(one) == "it is no plain file"
        place.write("bob", ".forward", "eve", 0o666)
        assert await why(one) == "everybody may write it"
        place.write("bob", ".forward", "eve", 0o644)
        os.chown(forward, place.uid("eve"), -1)
        assert await why(one) == "it belongs to another user"
        with forward.open("w") as file:
            file.truncate(1 << 30)
        os.chown(forward, place.uid("bob"), -1)
        answer = await one.ask(Forward("bob"))
        assert (answer.status, answer.said) == (TEMPFAIL, b"4.3.5 .forward is longer than 10000 octets")
        forward.unlink()
        place.write("bob", ".forward", "eve@x.test\n:include:list\n")
        place.write("bob", "list", "# friends\nann@x.test, :include:list\n:include:other")
        place.write("bob", "other", "ann@x.test, zoe@x.test")
        found = json.loads((await one.ask(Forward("bob"))).said)
        assert [text for _, text in found] == ["eve@x.test", "ann@x.test", "zoe@x.test"]
        place.write("bob", "other", "|id")
        assert (await one.ask(Forward("bob"))).status == TEMPFAIL
        place.write("bob", ".forward+tag", "tagged@x.test")
        assert json.loads((await one.ask(Forward("bob", "tag"))).said) == [["address", "tagged@x.test"]]
        home.rename(home.with_name("away"))
        answer = await one.ask(Forward("bob"))
        assert (answer.status, answer.said) == (TEMPFAIL, b"4.3.0 the home directory is not there")
        assert (await one.ask(Forward("nobody"))).status == NOINPUT  # who has none: /nonexistent


async def test_links_in_the_spool(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, secret = place.mail / "bob", place.write("bob", "file", "mine\n")

    async def said(one: Deputy) -> str:
        answer = await deliver(one, "bob")
        inbox.unlink()
        assert answer.status == TEMPFAIL
        return answer.said.decode()

    async with deputy(place, monkeypatch) as one:
        inbox.symlink_to(secret)
        assert await said(one) == "4.3.0 /var/mail/bob: Too many levels of symbolic links"
        os.link(secret, inbox)
        assert await said(one) == "4.2.0 the mailbox has more than one name (hard link)"
        os.mkfifo(inbox)
        os.chown(inbox, place.uid("bob"), -1)
        assert await said(one) == "4.2.0 the mailbox is no plain file"
        inbox.touch()
        os.chown(inbox, place.uid("eve"), -1)
        inbox.chmod(0o666)
        assert await said(one) == "4.2.0 the mailbox belongs to another user"
    assert secret.read_text() == "mine\n"
    assert os.listdir(place.mail) == []


async def test_locks_of_other_programs_are_waited_for(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = place.mail / "bob.lock"
    async with deputy(place, monkeypatch) as one:
        lock.touch()
        answer = await deliver(one, "bob")
        assert (answer.status, answer.said) == (TEMPFAIL, b"4.2.0 the mailbox is locked by another program")
        os.utime(lock, (0, 0))  # too old to be held; the next delivery has the way free
        await deliver(one, "bob")
        assert (await deliver(one, "bob")).status == DONE
        holder = await asyncio.create_subprocess_exec(
            "python3", "-c", "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, 2); print(flush=True); sys.stdin.read()",
            str(place.mail / "bob"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        await holder.stdout.readline()
        answer = await deliver(one, "bob", mark="Q2R0")
        assert (answer.status, answer.said) == (TEMPFAIL, b"4.2.0 the mailbox is locked by another program")
        holder.stdin.close()
        await holder.wait()
        assert (await deliver(one, "bob", mark="Q2R0")).status == DONE
    assert place.inbox("bob") == message("Subject: x\n\nhello\n") + message("Subject: x\n\nhello\n", "Q2R0")


async def test_a_full_mailbox_and_a_full_disk_leave_it_as_it_was(
    place: SystemUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deputy(place, monkeypatch, mailbox_size_limit=300) as one:
        assert (await deliver(one, "bob")).status == DONE
        before = place.inbox("bob")
        answer = await deliver(one, "bob", "x" * 300)
        assert (answer.status, answer.said[:5]) == (TEMPFAIL, b"4.2.2")
    async with deputy(place, monkeypatch) as one:
        psutil.Process(one.pid).rlimit(psutil.RLIMIT_FSIZE, (1_000, 1_000))
        answer = await deliver(one, "bob", "x" * 2_000, mark="Q2R0")
        assert answer.status in (TEMPFAIL, -signal.SIGXFSZ)
        assert place.inbox("bob") == before
        assert os.listdir(place.mail) == ["bob"]


async def test_a_child_that_was_killed_leaves_no_half_message(
    place: SystemUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal as a killed child leaves it, and what it has written so far, in all lengths."""
    inbox, lock = place.mail / "bob", place.mail / "bob.lock"
    half = message("Subject: half\n\nof a message\n", "Q2R0")
    async with deputy(place, monkeypatch) as one:
        await deliver(one, "bob")
        first, third = place.inbox("bob"), message("Subject: x\n\nhello\n", "Q3R0")
        for length in range(0, len(half) + 1, 7):
            inbox.write_text(first + half[:length])
            lock.write_text(f"mailhub Q2R0 {inbox.stat().st_ino} {len(first)}\n")
            os.chown(lock, place.uid("bob"), -1)
            assert (await deliver(one, "bob", mark="Q3R0", again=True)).status == DONE
            assert place.inbox("bob") == first + third, length
        others = "From a  Thu Jan  1 00:00:00 1970\n\nof another program\n\n"
        inbox.write_text(first + half + others)  # who did not mind our lock: nothing of his is cut off
        lock.write_text(f"mailhub Q2R0 {inbox.stat().st_ino} {len(first)}\n")
        os.chown(lock, place.uid("bob"), -1)
        assert (await deliver(one, "bob", mark="Q3R0")).status == DONE
        assert place.inbox("bob") == first + half + others + third


async def test_a_child_that_dies_leaves_its_journal(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on disk before the mailbox grows: what is killed while it writes can be cut back."""
    inbox, lock = place.mail / "bob", place.mail / "bob.lock"
    async with deputy(place, monkeypatch) as one:
        await deliver(one, "bob")
        first = place.inbox("bob")
        with spooled("Subject: large\n", "Q2R0") as file:
            os.ftruncate(file, 400_000_000)
            writing = asyncio.create_task(one.ask(Deliver("bob", "Q2R0"), file))
            while inbox.stat().st_size == len(first):
                await asyncio.sleep(0)
            for child in psutil.Process(one.pid).children():
                child.kill()
            assert (await writing).status == -signal.SIGKILL
        assert lock.read_text() == f"mailhub Q2R0 {inbox.stat().st_ino} {len(first)}\n"
        assert inbox.stat().st_size > len(first)
        assert (await deliver(one, "bob", mark="Q3R0")).status == DONE
    assert place.inbox("bob") == first + message("Subject: x\n\nhello\n", "Q3R0")
    assert os.listdir(place.mail) == ["bob"]


async def test_a_journal_of_somebody_else_cuts_nothing(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a spool folder that everybody may write, another user might say that a message of bob's is half a one."""
    inbox, lock = place.mail / "bob", place.mail / "bob.lock"
    async with deputy(place, monkeypatch) as one:
        await deliver(one, "bob")
        before = place.inbox("bob")
        lock.write_text(f"mailhub Q1R0 {inbox.stat().st_ino} 0\n")
        lock.chmod(0o666)
        os.chown(lock, place.uid("eve"), -1)
        assert (await deliver(one, "bob", mark="Q2R0")).status == TEMPFAIL
        assert place.inbox("bob") == before


async def test_hostile_requests(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server that was taken over could say."""
    mark = {"type": "Deliver", "mark": "Q1R0"}
    hostile: list[Any] = [
        {"type": "Deliver", "user": name, "mark": "Q1R0"}
        for name in ("../etc/passwd", "-bob", "", ".", "..", "bob.lock", "bob\0", "a" * 70, "b/b", "bob\n", "Bob", "é")
    ]
    hostile += [
        {**mark, "user": "bob", "mark": "../x"},
        {**mark, "user": "bob", "mark": "x\ny"},
        {**mark, "user": "bob", "path": "etc/passwd"},
        {**mark, "user": "bob", "extension": "../../x"},
        {**mark, "user": "bob", "uid": 0},
        {**mark, "user": ["bob"]},
        {"type": "Run", "user": "bob", "command": "", "environment": ["LD_PRELOAD=/x"]},
        {"type": "Run", "user": "bob", "command": "", "environment": ["PATH=/x"]},
        {"type": "Run", "user": "bob", "command": "", "environment": ["SENDER=" + "x" * 5_000]},
        {"type": "Shell", "user": "bob"},
        {"type": "Start", "program": "none", "argv": ["/bin/sh"]},
        [],
        "x",
        None,
    ]
    monkeypatch.setattr("sys.executable", place.python)
    async with deputy(place, monkeypatch, mailbox_command="echo $SENDER") as one:
        for n, what in enumerate(hostile, 1_000):
            assert (await _raw(one, n, json.dumps({"id": n, "what": what}).encode(), [])).status == TEMPFAIL, what
        for packet in (b"{", b"\xff" * 100, b"x" * words.PACKET, b"[" * 10_000):
            assert (await _raw(one, 0, packet, [])).status == TEMPFAIL
        with spooled("x") as file:
            request = words.encoded(Request(1, Deliver("bob", "Q1R0")))
            assert (await _raw(one, 1, request, [file, file])).said == b"4.3.0 not served: too much of it"
        assert (await one.ask(Deliver("bob", "Q1R0"))).status == TEMPFAIL  # and no file
        read_end, write_end = os.pipe()
        assert (await one.ask(Deliver("bob", "Q1R0"), read_end)).said == b"4.3.0 there is no message with the request"
        os.close(read_end)
        os.close(write_end)
        injected = await run(one, "bob", "", "SENDER=$(id); `id`")
        assert injected.said == b"$(id); `id`\n"
        open_files = len(os.listdir(f"/proc/{one.pid}/fd"))
        assert (await deliver(one, "bob")).status == DONE  # it is as well as before
        assert len(os.listdir(f"/proc/{one.pid}/fd")) == open_files
    assert place.inbox("bob") == message("Subject: x\n\nhello\n")


async def test_the_operators_programs(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """As whom he says, with what in their arguments he says; a server that was taken over can fill in what it is told to, no more."""
    script = 'id -un; id -Gn; pwd; echo "$0|$*|$SENDER|$OWN|$PATH"; cat'
    line = (
        Argument("/bin/sh"), Argument("-c"), Argument(script), Argument("-a"), Argument("", filled=True, several=True),
        Argument("x:", filled=True),
    )  # fmt: skip
    programs = (
        Program("prog", "bob", line, "/usr", ("OWN=o",), 60.0),
        Program("other", "bob:eve", line, "/", (), 60.0),
        Program("root", "root", line, "/", (), 60.0),
    )

    async def start(name: str, *argv: str, environment: tuple[str, ...] = ()) -> Answer:
        with spooled("Subject: x\n\nhello") as file:
            return await one.ask(Start(name, ("/bin/sh", "-c", *argv), environment), file)

    async with deputy(place, monkeypatch, programs=programs) as one:
        answer = await start("prog", script, "-a", "b@x", "c@x", "x:$(id)", environment=("SENDER=s",))
        said = answer.said.decode().splitlines()
        assert said[:4] == ["bob", "bob", "/usr", "-a|b@x c@x x:$(id)|s|o|/usr/local/bin:/usr/bin:/bin"]
        assert said[-1] == "hello"
        assert (await start("other", script, "-a", "b@x", "x:")).said.decode().splitlines()[:2] == ["bob", "eve"]
        for name, argv in (
            ("prog", (script, "-a", "-b", "x:")),
            ("prog", (script, "-a", "b@x", "y:")),
            ("prog", (script, "-a", "x:")),
            ("prog", ("id", "-a", "b@x", "x:")),
            ("prog", (script, "-a", "b@x", "x:", "more")),
            ("root", (script, "-a", "b@x", "x:")),
        ):
            assert (await start(name, *argv)).status == TEMPFAIL, argv
        refused = await start("prog", script, "-a", "b@x", "x:", environment=("LD_PRELOAD=/x",))
        assert refused.status == TEMPFAIL


async def _raw(one: Deputy, number: int, packet: bytes, files: list[int]) -> Answer:
    turn: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    one._waiting[number] = turn
    socket.send_fds(one._door, [packet], files)
    try:
        return await turn
    finally:
        del one._waiting[number]


async def test_time_and_output_are_bounded(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short time is over at once; nothing of the program is left, and no memory goes to what it says."""
    place.write("bob", ".forward", '"|echo $$ > ~/pid; sleep 1000 & exec sleep 1000", "|yes | head -c 100000000"')
    async with deputy(place, monkeypatch, command_timeout=0.3) as one:
        answer = await run(one, "bob", "echo $$ > ~/pid; sleep 1000 & exec sleep 1000")
        assert (answer.status, answer.late) == (-signal.SIGKILL, True)
        pid = place.home("bob") / "pid"
        if pid.exists() and pid.read_text():
            assert not psutil.pid_exists(int(pid.read_text()))
    async with deputy(place, monkeypatch) as one:
        answer = await run(one, "bob", "yes | head -c 100000000")
        assert (answer.status, len(answer.said)) == (DONE, SETTINGS.output_limit)


async def test_an_nss_that_hangs_or_fails(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    passwd = place.folder / "extrausers/passwd"
    text = passwd.read_text()
    async with deputy(place, monkeypatch, lookup_timeout=0.5, concurrency=2) as one:
        passwd.unlink()
        os.mkfifo(passwd)
        answers = await asyncio.gather(*(one.ask(Look("bob")) for _ in range(4)))
        assert [(answer.status, answer.late) for answer in answers] == [(-signal.SIGKILL, True)] * 4
        passwd.unlink()
        passwd.write_text(text)
        assert (await one.ask(Look("bob"))).status == DONE


async def test_many_at_once(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """All into one mailbox, each whole."""
    async with deputy(place, monkeypatch, lock_timeout=60.0, concurrency=8) as one:
        answers = await asyncio.gather(*(deliver(one, "bob", f"{n}\n" * 1_000, f"Q{n}R0") for n in range(20)))
        assert {answer.status for answer in answers} == {DONE}
    found = place.inbox("bob").split("\nFrom ")
    assert len(found) == 20
    assert sorted(int(one.split("\n")[2]) for one in found) == list(range(20))
    assert all(one.count("\n") >= 1_001 for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["procmail", "maildrop"])
async def test_beside_another_program(place: SystemUsers, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Which delivers into the same mailbox at the same time, by the locks that both know: all is whole."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    place.write("bob", "rules", "" if program == "procmail" else "to '/var/mail/bob'\n")

    async def theirs(n: int) -> None:
        process = await asyncio.create_subprocess_exec(
            *place.as_user("bob"), program, str(place.home("bob") / "rules"), stdin=asyncio.subprocess.PIPE
        )
        await process.communicate(f"{FROM}Subject: theirs\n\n{lines(n)}".encode())
        assert process.returncode == 0

    def lines(n: int) -> str:
        return f"line of {n}\n" * 20_000

    async with deputy(place, monkeypatch, lock_timeout=60.0) as one:
        ours = (deliver(one, "bob", f"Subject: ours\n\n{lines(n)}", f"Q{n}R0") for n in range(6))
        answers = await asyncio.gather(*ours, *(theirs(n) for n in range(6, 12)))
        assert [answer.status for answer in answers if answer is not None] == [DONE] * 6
    found = re.split(r"^From ", place.inbox("bob"), flags=re.MULTILINE)[1:]
    assert sorted(int(one.split("line of ")[1].split("\n")[0]) for one in found) == list(range(12))
    assert {one.count("line of ") for one in found} == {20_000}
    assert all(len(set(one.partition("\n\n")[2].split("\n")) - {""}) == 1 for one in found)
    assert os.listdir(place.mail) == ["bob"]


async def test_a_deputy_that_dies_is_noticed(place: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("bob", ".forward", '"|sleep 1000"')
    async with deputy(place, monkeypatch) as one:
        asking = asyncio.create_task(run(one, "bob", "sleep 1000"))
        while not psutil.Process(one.pid).children():
            await asyncio.sleep(0)
        for child in psutil.Process(one.pid).children():
            child.kill()
        answer = await asking
        assert answer.status == -signal.SIGKILL
        os.kill(one.pid, signal.SIGKILL)
        await one.run()
        with pytest.raises(Temporary):
            await one.ask(Look("bob"))


@pytest.fixture
def unprivileged(place: SystemUsers) -> SystemUsers:
    """The same place, where programs are started by bob."""
    place.started_by("bob")
    return place


async def test_without_root_it_serves_its_own_user(unprivileged: SystemUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    place = unprivileged
    async with deputy(place, monkeypatch, home_mailbox="mbox") as one:
        assert (await deliver(one, "bob")).status == DONE
        answer = await deliver(one, "eve")
        assert (answer.status, answer.said) == (TEMPFAIL, b"4.3.5 only root can act for this user")
    assert (place.home("bob") / "mbox").stat().st_uid == place.uid("bob")
