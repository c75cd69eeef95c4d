"""bsd-mailx of the system's users, who send through mailhub (`mailhub sendmail`) and read what it brought to /var/mail."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.server import REPOSITORY, free_port
from support.system_server import DOMAIN, RUNS_AS, serving
from support.system_users import SystemUsers, system_users

pytestmark = pytest.mark.skipif(shutil.which("bsd-mailx") is None, reason="bsd-mailx is not installed")


@pytest.fixture
def place() -> Iterator[SystemUsers]:
    with system_users(RUNS_AS, "bob", "eve") as users:
        users.write("bob", ".mailrc", "set sendmail=" + str(users.folder / "sendmail") + "\n", 0o644)
        yield users


def on_port(place: SystemUsers) -> str:
    """A port that `mailhub sendmail` finds in the configuration, and the program that bsd-mailx starts."""
    program = place.folder / "sendmail"
    config = place.folder / "config.toml"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m mailhub --config {config} sendmail "$@"\n'
    )
    program.chmod(0o755)
    return f"\nport = {free_port()}"


async def command(place: SystemUsers, user: str, *words: str, stdin: str = "") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *place.as_user(user), *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, cwd=place.folder,
    )  # fmt: skip
    out, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, out.decode()


async def read(place: SystemUsers, user: str) -> str:
    return (await command(place, user, "bsd-mailx", stdin="print 1\nexit\n"))[1]


async def test_one_user_writes_to_another(place: SystemUsers) -> None:
    async with serving(place, door=on_port(place)) as server:
        code, said = await command(place, "bob", "bsd-mailx", "-s", "from bob", "eve", stdin="hello eve\n.\nno more\n")
        assert (code, said) == (0, "")
        await server.logged("status=sent")
        shown = await read(place, "eve")
    assert "Subject: from bob" in shown
    assert "hello eve" in shown
    text = place.inbox("eve")
    assert f"\nFrom: bob@{DOMAIN}\n" in text
    assert f"\nReturn-Path: <bob@{DOMAIN}>\n" in text
    assert "\nDate: " in text
    assert "\nMessage-ID: <" in text


async def test_an_alias_and_a_forward(place: SystemUsers) -> None:
    aliases = place.folder / "aliases"
    aliases.write_text("info: bob, eve\nroot: bob\n")
    place.write("bob", ".forward", "eve, \\bob")
    tables = f'[aliases]\nalias_maps = "aliases:{aliases}"'
    async with serving(place, extra=tables, door=on_port(place)) as server:
        for subject, to in (("to info", "info"), ("to bob", "bob"), ("to root", "root")):
            await command(place, "bob", "bsd-mailx", "-s", subject, to, stdin="hello\n")
            await server.logged("status=sent")
            await server.logged("status=sent")
    for user in ("bob", "eve"):
        assert [place.inbox(user).count(f"Subject: to {name}\n") for name in ("info", "bob", "root")] == [1, 1, 1], user


async def sent(place: SystemUsers, *words: str, stdin: str) -> tuple[int, str]:
    return await command(place, "bob", str(place.folder / "sendmail"), *words, stdin=stdin)


async def test_sendmail(place: SystemUsers) -> None:
    """Options, header fields and exit codes, as programs that call sendmail know them."""
    async with serving(place, door=on_port(place)) as server:
        text = "From: me@x.test\nTo: Eve <eve@mailhub.test>\nBcc: bob,\n mailer\nSubject: t\n\n.\n..\n.\nend\n"
        assert await sent(place, "-oi", "-t", "-f", "", stdin=text) == (0, "")
        for _ in range(3):
            await server.logged("status=sent")
        for user in ("eve", "bob", RUNS_AS):
            inbox = place.inbox(user)
            assert "Return-Path: <>\n" in inbox
            assert "Bcc" not in inbox
            assert "\n\n.\n..\n.\nend\n" in inbox
        assert await sent(place, "-f", "a@far.test", "-F", "A. Name", "eve", stdin="no header\n") == (0, "")
        await server.logged("status=sent")
        last = place.inbox("eve").split("\nFrom ")[-1]
        assert 'From: "A. Name" <a@far.test>\n' in last
        assert last.endswith("\n\nno header\n\n")
        code, said = await sent(place, "eve", "nobody-there", stdin="x\n")
        assert (code, "nobody-there@mailhub.test: 550" in said) == (67, True)
        assert (await sent(place, stdin="x\n"))[0] == 64
        assert (await sent(place, "-bd", stdin="x\n"))[0] == 64
        code, said = await sent(place, "-bs", stdin="EHLO me\r\nMAIL FROM:<bob@mailhub.test>\r\nQUIT\r\n")
        assert (code, said[:4], said.count("\n250 "), said.count("\n221 ")) == (0, "220 ", 2, 1)
        assert (await sent(place, "-t", stdin="Subject: nobody\n\n"))[0] == 64
        assert (await sent(place, "-i", "eve", stdin="x" * 100_000))[
            0
        ] == 69  # a line beyond smtp.text_line_length_limit
    assert len(place.inbox("eve").split("\nFrom ")) == 2
    code, said = await sent(place, "eve", stdin="x\n")
    assert (code, "can not be reached" in said) == (75, True)
    (place.folder / "config.toml").write_text("no = 1")
    assert (await sent(place, "eve", stdin="x\n"))[0] == 78


async def test_mail_of_all_users_waits_for_the_server(place: SystemUsers) -> None:
    """bsd-mailx, while nothing runs: taken once at the start, whoever left it; others can not read or take away what waits."""
    folder = place.folder / "drop"
    extra = f'[maildrop]\npath = "{folder}"\neverybody = true'
    folder.mkdir()
    os.chown(folder, place.uid(RUNS_AS), place.uid(RUNS_AS))
    door = on_port(place)
    async with serving(place, extra=extra, door=door):
        pass
    assert await command(place, "bob", "bsd-mailx", "-s", "from bob", "eve", stdin="hello eve\n") == (0, "")
    root = [place.inside, str(place.folder / "sendmail"), "eve"]
    await asyncio.to_thread(subprocess.run, root, input=b"hello eve\n", check=True, cwd=place.folder, timeout=60)
    waiting = sorted(folder.iterdir())
    assert len(waiting) == 2
    assert all((one.stat().st_mode & 0o777, one.stat().st_gid) == (0o640, folder.stat().st_gid) for one in waiting)
    for words in (("cat",), ("rm", "-f")):
        code, said = await command(place, "eve", *words, *map(str, waiting))
        assert (code, said.count("denied") + said.count("not permitted")) == (1, 2), said
    async with serving(place, extra=extra, door=door) as server:
        await server.delivered(f"eve@{DOMAIN}")
        await server.delivered(f"eve@{DOMAIN}")
    async with serving(place, extra=extra, door=door):
        assert list(folder.iterdir()) == []
    assert place.inbox("eve").count("\nhello eve\n") == 2
    assert "Received: by mailhub.test (mailhub) with local id" in place.inbox("eve")


async def test_root_starts_and_stops_a_server_that_gives_up_root(place: SystemUsers) -> None:
    async def run(word: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            place.python, "-m", "mailhub", "--config", str(place.folder / "config.toml"), word,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd=place.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async with serving(place, users=False) as server:
        for word, code in (("start", 4), ("status", 0), ("stop", 0), ("stop", 3)):
            assert (await run(word))[0] == code, word
        assert await server.process.wait() == 0
    code, said = await run("start")
    try:
        assert code == 0, said
        pid, log = place.folder / "var/mailhub.pid", place.folder / "var/mailhub.log"
        assert {file.stat().st_uid for file in (pid, log)} == {place.uid(RUNS_AS)}
    finally:
        assert (await run("abort"))[0] == 0
