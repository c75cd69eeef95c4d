"""Mail for users of the system: the whole program, started by root, with users that NSS alone knows (libnss-extrausers)."""

import asyncio
import os
import shutil
import smtplib
from collections.abc import Iterator

import psutil
import pytest
from support.daemons import dovecot_lmtp
from support.system_server import DOMAIN, RUNS_AS, NotStarted, serving
from support.system_users import SystemUsers, system_users


@pytest.fixture
def place() -> Iterator[SystemUsers]:
    with system_users(RUNS_AS, "bob", "eve") as users:
        yield users


async def test_mail_in_a_users_mailbox(place: SystemUsers) -> None:
    async with serving(place) as server:
        await server.send(f"Bob@{DOMAIN}", f"eve+tag@{DOMAIN}", text="Subject: x\n\nFrom here\nhello\n")
        await server.delivered(f"eve+tag@{DOMAIN}")
    lines = place.inbox("bob").splitlines()
    assert lines[0].startswith("From s@far.test  ")
    assert lines[1].startswith("X-Delivery-Id: ")
    assert lines[2:5] == ["Return-Path: <s@far.test>", f"X-Original-To: Bob@{DOMAIN}", f"Delivered-To: Bob@{DOMAIN}"]
    assert lines[-4:] == ["", ">From here", "hello", ""]
    assert f"Delivered-To: eve+tag@{DOMAIN}\n" in place.inbox("eve")
    assert (place.mail / "bob").stat().st_uid == place.uid("bob")


async def test_root_is_given_up_and_one_process_keeps_it(place: SystemUsers) -> None:
    async with serving(place) as server:
        mine = psutil.Process(server.pid)
        assert set(mine.uids()) == {place.uid(RUNS_AS)}
        assert set(mine.gids()) == {place.uid(RUNS_AS)}
        assert server.status("CapPrm", "CapEff") == [f"CapPrm:\t{0:016x}", f"CapEff:\t{0:016x}"]
        (deputy,) = server.children
        assert set(deputy.uids()) == {0}
        assert deputy.net_connections() == []
        for line in (place.folder / "var").iterdir():
            assert line.stat().st_uid == place.uid(RUNS_AS)
        deputy.kill()
        await server.logged("the deputy has ended")
        assert await server.process.wait() == 1


async def test_who_is_nobody_is_refused_and_root_waits(place: SystemUsers) -> None:
    async with serving(place) as server:

        def codes() -> list[int]:
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
                client.ehlo()
                client.mail("s@far.test")
                names = ("bob", "nobody-there", '"../etc/passwd"', "-bob", "bob.lock", "root", "BOB", "bob+x")
                return [client.rcpt(f"{name}@{DOMAIN}")[0] for name in names]

        assert await asyncio.to_thread(codes) == [250, 550, 550, 550, 550, 250, 250, 250]
        await server.send(f"root@{DOMAIN}")
        assert "root needs an alias" in await server.delivered(f"root@{DOMAIN}")
    assert sorted(file.name for file in place.mail.iterdir()) == []


async def test_a_forward_with_all_kinds_of_targets(place: SystemUsers) -> None:
    """A copy each, also where it is addressed twice; one who names himself keeps one."""
    kept = place.home("bob") / "kept"
    command = "cat > ~/piped; env | sort > ~/env"
    place.write("bob", ".forward", f'"|{command}"\n{kept}\n\\bob, eve\n:include:more\n')
    place.write("bob", "more", "# who else\nEve@mailhub.test, mailer\n")
    place.write("eve", ".forward", "bob")  # back again: he has had it
    async with serving(place) as server:
        await server.send(f"bob+tag@{DOMAIN}", f"bob@{DOMAIN}", text="Subject: one\n\nhello\n")
        for _ in range(4):
            await server.logged("status=sent")
    copies = {
        "piped": (place.home("bob") / "piped").read_text(),
        "kept": kept.read_text(),
        "bob": place.inbox("bob"),
        "mailer": place.inbox("mailer"),
    }
    assert {name: text.count("Subject: one\n") for name, text in copies.items()} == dict.fromkeys(copies, 1)
    assert place.inbox("eve") == ""
    assert kept.stat().st_uid == place.uid("bob")
    environment = dict(line.split("=", 1) for line in (place.home("bob") / "env").read_text().splitlines())
    assert environment["SENDER"] == "s@far.test"
    assert environment["USER"] == "bob"
    assert environment["QUEUE_ID"]
    assert environment["RECIPIENT"] in (f"bob@{DOMAIN}", f"bob+tag@{DOMAIN}")


async def test_a_forward_that_leads_away_and_one_for_a_tag(place: SystemUsers) -> None:
    place.write("bob", ".forward", "far@elsewhere.test, \\bob")
    place.write("bob", ".forward+lists", "/dev/null/x")
    async with serving(place, extra='[delivery]\nsrs = true\ndefault_transport = "discard"') as server:
        await server.send(f"bob@{DOMAIN}")
        line = await server.logged("to=<far@elsewhere.test>")
        assert "relay=discard" in line
        await server.send(f"bob+lists@{DOMAIN}")
        line = await server.logged("to=</dev/null/x>")
        assert "status=deferred" in line
    assert place.inbox("bob").count("Subject: x") == 1


async def test_a_command_that_fails_is_reported_without_its_text(place: SystemUsers) -> None:
    place.write("bob", ".forward", '"|echo 5.7.1 not from you; exit 77 # secret"')
    async with serving(place) as server:
        await server.send(f"bob@{DOMAIN}", sender=f"eve@{DOMAIN}")
        await server.logged("status=bounced")
        await server.logged("status=sent")
    report = place.inbox("eve")
    assert f"Final-Recipient: rfc822; bob@{DOMAIN}" in report
    assert "5.7.1" in report
    assert "secret" not in report


async def test_a_home_that_is_not_there_makes_mail_wait(place: SystemUsers) -> None:
    home = place.home("bob")
    home.rename(home.with_name("away"))
    async with serving(place) as server:
        await server.send(f"bob@{DOMAIN}")
        assert "the home directory is not there" in await server.logged("no route for")
        home.with_name("away").rename(home)
        assert "status=sent" in await server.logged("status=sent")


@pytest.mark.parametrize("program", ["procmail", "maildrop"])
async def test_a_mailbox_command(place: SystemUsers, program: str) -> None:
    """As mail hosts run them: with the user's own rules, to which the environment and the exit codes are told."""
    rules = {
        "procmail": ("LOGFILE=$HOME/log\n:0\n* ^Subject: refuse\n{\n EXITCODE=77\n HOST\n}\n:0:\n* ^Subject: list\nlists\n",
                     'exec /usr/bin/procmail -a "$EXTENSION" -f "$SENDER"'),
        "maildrop": ('if (/^Subject: refuse/)\n{\n EXITCODE=77\n exit\n}\nif (/^Subject: list/)\n{\n to "$HOME/lists"\n}\n',
                     'exec /usr/bin/maildrop -f "$SENDER"'),
    }  # fmt: skip
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    text, command = rules[program]
    place.write("bob", {"procmail": ".procmailrc", "maildrop": ".mailfilter"}[program], text)
    async with serving(place, f"mailbox_command = {command!r}") as server:
        await server.send(f"bob@{DOMAIN}", text="Subject: plain\n\nhello\n")
        assert "status=sent" in await server.delivered(f"bob@{DOMAIN}")
        await server.send(f"bob@{DOMAIN}", text="Subject: list\n\nhello\n")
        assert "status=sent" in await server.delivered(f"bob@{DOMAIN}")
        await server.send(f"bob@{DOMAIN}", text="Subject: refuse\n\nhello\n")
        line = await server.delivered(f"bob@{DOMAIN}")
        assert "status=bounced" in line
        assert "dsn=5.7.0" in line
    lists = place.home("bob") / "lists"
    assert "Subject: list\n" in lists.read_text()
    assert lists.stat().st_uid == place.uid("bob")
    assert place.inbox("bob").count("Subject: ") == 1
    assert "Subject: plain\n" in place.inbox("bob")


async def test_another_transport_for_all_of_them(place: SystemUsers) -> None:
    async with serving(place, 'mailbox_transport = "discard:"') as server:
        await server.send(f"bob@{DOMAIN}")
        assert "relay=discard" in await server.delivered(f"bob@{DOMAIN}")
        place.write("eve", ".forward", "\\eve, /dev/null")
        await server.send(f"eve@{DOMAIN}")
        await server.logged("relay=discard")
    assert place.inbox("bob") == ""


async def test_dovecot_keeps_their_mail(place: SystemUsers) -> None:
    """Its LMTP, behind .forward."""
    place.write("eve", ".forward", "\\eve, bob")
    with dovecot_lmtp() as (socket, _):
        async with serving(place, f'mailbox_transport = "lmtp:unix:{socket}"') as server:
            await server.send(f"bob@{DOMAIN}", text="Subject: to bob\n\nhello\n")
            assert f"relay=unix[{socket}]" in await server.logged("status=sent")
            await server.send(f"eve@{DOMAIN}", text="Subject: to eve\n\nhello\n")
            ends = {
                line.partition(", relay")[0].partition("to=")[2]
                for line in [await server.logged("status="), await server.logged("status=")]
            }
            assert ends == {f"<bob@{DOMAIN}>", f"<eve@{DOMAIN}>"}
        texts = [file.read_text() for file in (socket.parent / "mail/bob/new").iterdir()]
    assert sorted(text.partition("Subject: ")[2].partition("\n")[0].strip() for text in texts) == ["to bob", "to eve"]
    assert os.listdir(place.mail) == []


async def test_without_system_users_there_is_one_process(place: SystemUsers) -> None:
    async with serving(place) as server:
        assert len(server.children) == 1
    async with serving(place, users=False) as server:
        assert server.children == []


async def test_who_would_keep_root_is_not_started(place: SystemUsers) -> None:
    for name, why in (("", "set `user`"), ("root", "that is root"), ("nobody-there", "no such user")):
        with pytest.raises(NotStarted, match=why):
            async with serving(place, runs_as=name):
                pass


@pytest.mark.parametrize("program", ["procmail", "maildrop"])
async def test_a_pipe_transport(place: SystemUsers, program: str) -> None:
    """Both with their usual arguments, run as the transport's user, who is not the one that mailhub runs as."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    rules = place.home("eve") / "rules"
    if program == "procmail":
        place.write("eve", "rules", "MAILDIR=$HOME\n:0\n* ^Subject: refuse\n{\n EXITCODE=67\n HOST\n}\n:0:\n$1\n")
        command = (
            f'["/usr/bin/procmail", "-t", "-m", "USER=${{user}}", "EXTENSION=${{extension}}", "{rules}", "${{user}}"]'
        )
    else:
        text = 'if (/^Subject: refuse/)\n{\n EXITCODE=67\n exit\n}\nto "$HOME/bob"\n'
        place.write("eve", "rules", text)
        command = f'["/usr/bin/maildrop", "-f", "${{sender}}", "{rules}"]'
    way = f"""
[delivery]
transport = {{ "bob@{DOMAIN}" = "agent:" }}
[transport.agent]
protocol = "pipe"
command = {command}
user = "eve"
flags = "DRhu"
environment = ["HOME={place.home("eve")}", "LOGNAME=eve"]
"""
    async with serving(place, extra=way) as server:
        await server.send(f"bob@{DOMAIN}", text="Subject: taken\n\nhello\n")
        assert "status=sent" in await server.delivered(f"bob@{DOMAIN}")
        await server.send(f"bob@{DOMAIN}", text="Subject: refuse\n\nhello\n")
        assert "dsn=5.1.1" in await server.delivered(f"bob@{DOMAIN}")
    file = place.home("eve") / "bob"
    assert "Subject: taken\n" in file.read_text()
    assert "Return-Path: <s@far.test>\n" in file.read_text()
    assert file.stat().st_uid == place.uid("eve")


async def test_a_command_of_an_alias(place: SystemUsers) -> None:
    """As default_privs, with the queue id; mailhub's own user has no part in it."""
    aliases, out = place.folder / "aliases", place.folder / "out"
    out.touch()
    out.chmod(0o666)
    aliases.write_text(f'tool: "|id -un > {out}; echo $QUEUE_ID $RECIPIENT >> {out}"\n')
    async with serving(place, extra=f'[aliases]\nalias_maps = "aliases:{aliases}"') as server:
        await server.send(f"tool@{DOMAIN}")
        line = await server.logged("status=sent")
        number = line.split("smtp: ")[1].split(":")[0]
    assert out.read_text() == f"nobody\n{number} tool@{DOMAIN}\n"


async def test_an_nss_that_does_not_answer(place: SystemUsers) -> None:
    """Who is known has mail, others are told to come again; nobody is told that there is no such user."""
    passwd = place.folder / "extrausers/passwd"
    text = passwd.read_text()

    def codes(port: int) -> list[int]:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            client.mail("s@far.test")
            return [client.rcpt(f"{name}@{DOMAIN}")[0] for name in ("bob", "eve", "nobody-there")]

    async with serving(place, "cache_seconds = 0.0\nlookup_timeout = 0.5") as server:
        await server.send(f"bob@{DOMAIN}")
        await server.delivered(f"bob@{DOMAIN}")
        passwd.unlink()
        os.mkfifo(passwd)
        assert await asyncio.to_thread(codes, server.ports["smtp"]) == [250, 451, 451]
        passwd.unlink()
        passwd.write_text(text)
        assert await asyncio.to_thread(codes, server.ports["smtp"]) == [250, 250, 550]


async def test_a_command_can_not_write_into_the_message(place: SystemUsers) -> None:
    place.write(
        "bob",
        ".forward",
        '"|cat /dev/stdin > got; (echo x >&0) 2>/dev/null && exit 1; (echo x > /dev/stdin) 2>/dev/null && exit 1; exit 0"',
    )
    async with serving(place) as server:
        await server.send(f"bob@{DOMAIN}")
        assert "status=sent" in await server.logged("to=<|cat")
    assert (place.home("bob") / "got").read_text().endswith("\nhello\n")


async def test_who_is_not_started_by_root_serves_himself(place: SystemUsers) -> None:
    place.started_by("bob")
    (place.folder / "var").mkdir(mode=0o700)
    os.chown(place.folder / "var", place.uid("bob"), -1)
    place.write("bob", ".forward", '\\bob, "|cat > piped"')
    async with serving(place, 'home_mailbox = "mbox"', runs_as="") as server:
        (deputy,) = server.children
        assert deputy.uids().real == place.uid("bob")
        await server.send(f"bob@{DOMAIN}")
        await server.logged("status=sent")
        await server.logged("status=sent")
        await server.send(f"eve@{DOMAIN}")
        assert "only root can act for this user" in await server.logged("eve@")
    for name in ("mbox", "piped"):
        file = place.home("bob") / name
        assert "Subject: x\n" in file.read_text()
        assert file.stat().st_uid == place.uid("bob")
