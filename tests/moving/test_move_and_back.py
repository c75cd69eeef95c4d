"""A host of Postfix, Dovecot and MariaDB moves to mailhub, and back: nothing is lost, nothing is downloaded twice."""

import asyncio
import imaplib
import poplib
import smtplib
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from support.daemons import short_folder
from support.dovecot_imap import Message, listed, messages, uidvalidity
from support.mariadb import mariadb
from support.old_host import OldHost, skip_where_it_can_not_be

from mailhub.cli.root import root
from mailhub.config.load import load
from mailhub.hub import Hub

ANN, BOB, PASSWORD = "ann@a.test", "bob@a.test", "an easy password"
Folders = dict[str, tuple[int, dict[int, Message]]]


class Client:
    """Ann with her mail programs, at whichever server runs."""

    def __init__(self, host: OldHost) -> None:
        self.host = host
        self.downloaded: set[str] = set()

    def send(self, to: str, subject: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.host.smtp, timeout=20) as client:
            client.sendmail(
                "friend@far.test", [to], f"From: friend@far.test\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{subject}\r\n"
            )

    def imap(self) -> imaplib.IMAP4:
        session = imaplib.IMAP4("127.0.0.1", self.host.imap, timeout=20)
        session.login(ANN, PASSWORD)
        return session

    def arrived(self, folder: str, subject: str) -> None:
        """Wait for it: Postfix has no way to tell."""
        session = self.imap()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if (
                session.select(folder, readonly=True)[0] == "OK"
                and session.search(None, "SUBJECT", f'"{subject}"')[1][0]
            ):
                session.logout()
                return
            time.sleep(0.05)
        raise AssertionError(f"{subject} did not come")

    def seen(self) -> tuple[Folders, set[str]]:
        """All folders with UIDVALIDITY and messages, and what is subscribed. Those that are empty are made by either server as it likes."""
        session = self.imap()
        found = {name: (uidvalidity(session, name), messages(session, name)) for name in listed(session, "LIST")}
        names = listed(session, "LSUB")
        session.logout()
        return {name: state for name, state in found.items() if state[1]}, names

    def download(self) -> list[str]:
        """By POP3, what was not downloaded before; all stays on the server. Subjects."""
        session = poplib.POP3("127.0.0.1", self.host.pop3, timeout=20)
        session.user(ANN)
        session.pass_(PASSWORD)
        new = []
        for line in session.uidl()[1]:
            number, name = line.decode().split()
            if name not in self.downloaded:
                text = b"\n".join(session.retr(int(number))[1])
                new.append(text.partition(b"Subject: ")[2].partition(b"\n")[0].decode().strip())
                self.downloaded.add(name)
        session.quit()
        return new

    def work(self, subject: str) -> None:
        """A day at the mail: flags, a keyword, a folder, a message moved, one deleted, a draft."""
        session = self.imap()
        session.create(f"Day.{subject}")
        session.subscribe(f"Day.{subject}")
        session.select("INBOX")
        _, (found,) = session.uid("SEARCH", "SUBJECT", f'"{subject}"')
        first, second, third = found.split()[:3]
        session.uid("STORE", first, "+FLAGS", "(\\Seen \\Flagged)")
        session.uid("STORE", second, "+FLAGS", f"($Label1 {subject})")
        session.uid("COPY", second, f"Day.{subject}")
        session.uid("STORE", third, "+FLAGS", "(\\Deleted)")
        session.expunge()
        session.append("INBOX", "(\\Draft)", "", f"Subject: draft of {subject}\r\n\r\nlater\r\n".encode())
        session.close()
        session.logout()


def command(*words: str) -> None:
    """Of mailhub's."""
    done = CliRunner().invoke(root, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


async def at(work: Callable[..., Any], *values: Any) -> Any:
    return await asyncio.to_thread(work, *values)


@pytest.mark.slow
async def test_a_host_moves_and_moves_back() -> None:
    skip_where_it_can_not_be()
    with mariadb() as database, short_folder() as folder:
        host = OldHost(folder, database)
        client = Client(host)
        script = host.script(ANN)
        with host.running():
            for n in range(4):
                await at(client.send, ANN, f"old {n}")
            await at(client.send, "team@a.test", "to the team")
            await at(client.send, ANN, "old project")
            await at(client.arrived, "Work", "old project")
            await at(client.arrived, "INBOX", "to the team")
            for n in range(4):
                await at(client.arrived, "INBOX", f"old {n}")
            await at(client.work, "old")
            assert "to the team" in await at(client.download)
            before, subscribed = await at(client.seen)
        assert set(before) == {"INBOX", "Work", "Day.old"}

        config = folder / "config.toml"
        words = ["import", "postfix", str(host.etc), "--dovecot", str(host.etc), "-o", str(config)]
        await at(command, *words)
        settings = load(config)
        own = folder / "own.toml"  # here, who runs the test: the interpreter need not be readable for nobody
        own.write_text(config.read_text().replace('user = "nobody:nogroup"', ""))
        for words in (["put", ANN, "main", str(script)], ["activate", ANN, "main"]):
            await at(command, "--config", str(own), "sieve", *words)

        assert settings.user == "nobody:nogroup"
        async with Hub(msgspec.structs.replace(settings, user="")):  # here, who runs the test
            assert await at(client.seen) == (before, subscribed), "the same UIDs, flags and subscriptions"
            assert await at(client.download) == [], "nothing is downloaded twice"
            for n in range(4):
                await at(client.send, ANN, f"new {n}")
            await at(client.send, "team@a.test", "to the team again")
            await at(client.send, ANN, "new project")
            for name, subject in (
                ("Work", "new project"),
                ("INBOX", "to the team again"),
                *(("INBOX", f"new {n}") for n in range(4)),
            ):
                await at(client.arrived, name, subject)
            await at(client.work, "new")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                await at(client.send, "nobody@a.test", "who?")
            assert "to the team again" in await at(client.download)
            between, subscribed = await at(client.seen)
        assert set(between) == {"INBOX", "Work", "Day.old", "Day.new"}
        assert len(between["Work"][1]) == 2

        host.own()
        with host.running():
            assert await at(client.seen) == (between, subscribed), "Dovecot finds what mailhub left"
            assert await at(client.download) == []
            await at(client.send, ANN, "home again")
            await at(client.arrived, "INBOX", "home again")
            assert await at(client.download) == ["home again"]
