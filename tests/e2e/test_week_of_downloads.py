"""fetchmail, getmail and poplib leave mail on the server and take it away later: each message is downloaded once, and whole. A
week for each, by POP3 and by IMAP; skipped by name where a program is missing."""

import poplib
from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running, trusting
from support.programs import program, run
from support.week import ODD, Server, checksum

from mailhub.config.schema import Auth
from mailhub.hub import Hub

ALICE = "alice@mailhub.test"
Download = Callable[[bool], Awaitable[None]]  # whether mail stays on the server


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path / "var", ALICE, auth=Auth(failure_delay=0)) as hub:
        (tmp_path / "certificate").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
        (tmp_path / "got").mkdir()
        yield hub


def stored_by(home: Path) -> Path:
    """A program that puts what it is given into a file of its own."""
    store = home / "store"
    store.write_text(f'#!/bin/sh\nexec cat >"$(mktemp {home}/got/XXXXXXXX)"\n')
    store.chmod(0o755)
    return store


def fetchmail(hub: Hub, home: Path, protocol: str) -> Download:
    path, store = program("fetchmail"), stored_by(home)
    poll = (
        f"poll localhost protocol {protocol} service {hub.port(protocol + 's')} {'uidl' if protocol == 'pop3' else ''}"
    )
    user = (
        f'user "{ALICE}" password "{PASSWORD}" ssl sslcertck sslcertfile "{home}/certificate" no rewrite no mimedecode '
        f'pass8bits mda "{store}"'
    )

    async def download(leave: bool) -> None:
        rc = home / "fetchmailrc"
        rc.write_text(f"set invisible\n{poll}\n{user} {'keep' if leave else 'no keep'}\n")
        rc.chmod(0o600)
        command = [path, "-f", str(rc), "--pidfile", str(home / "pid"), "--idfile", str(home / "ids")]
        await run(*command, cwd=home, codes=(0, 1))  # 1: there was no mail
        if not leave:
            await run(*command, "--flush", cwd=home, codes=(0, 1))  # what was seen before

    return download


def getmail(hub: Hub, home: Path, protocol: str) -> Download:
    path, store = program("getmail"), stored_by(home)
    kind = {"pop3": "SimplePOP3SSLRetriever", "imap": "SimpleIMAPSSLRetriever"}[protocol]

    async def download(leave: bool) -> None:
        (home / "getmailrc").write_text(
            f"[retriever]\ntype = {kind}\nserver = localhost\nport = {hub.port(protocol + 's')}\nusername = {ALICE}\n"
            f"password = {PASSWORD}\nca_certs = {home}/certificate\n[destination]\ntype = MDA_external\npath = {store}\n"
            f"allow_root_commands = true\n[options]\nread_all = false\ndelete = {'false' if leave else 'true'}\n"
            "delivered_to = false\nreceived = false\n"
        )
        await run(path, f"--getmaildir={home}", cwd=home)

    return download


def python(hub: Hub, home: Path, protocol: str) -> Download:
    """As Outlook and Foxmail do it: unique ids of what was downloaded are remembered."""
    seen: set[bytes] = set()

    def session(leave: bool) -> None:
        client = poplib.POP3("localhost", hub.port("pop3"), timeout=20)
        client.stls(trusting())
        client.user(ALICE)
        client.pass_(PASSWORD)
        for line in client.uidl()[1]:
            number, name = line.split()
            if name not in seen:
                seen.add(name)
                text = b"".join(row + b"\n" for row in client.retr(int(number))[1])
                (home / "got" / name.decode()).write_bytes(text)
            if not leave:
                client.dele(int(number))
        client.quit()

    return lambda leave: to_thread(session, leave)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("prepare", "protocol"),
    [(fetchmail, "pop3"), (fetchmail, "imap"), (getmail, "pop3"), (getmail, "imap"), (python, "pop3")],
)
async def test_a_week(hub: Hub, tmp_path: Path, prepare: Callable[[Hub, Path, str], Download], protocol: str) -> None:
    download, server = prepare(hub, tmp_path, protocol), Server(hub, ALICE)
    delivered: list[str] = []

    async def evening(day: str, *texts: bytes, leave: bool = True) -> None:
        before = len(await server.texts())
        await server.deliver(*texts)
        delivered.extend(checksum(text) for text, _ in (await server.texts())[before:])
        await download(leave)
        got = [checksum(path.read_bytes()) for path in (tmp_path / "got").iterdir()]
        assert sorted(got) == sorted(delivered), day

    await evening("monday", *ODD)
    await evening("tuesday", *ODD[:2])
    await evening("wednesday: nothing new")
    await server.expunge(0, 3, 5)
    await evening("thursday: some were deleted elsewhere", ODD[2])
    assert len(await server.texts()) == 8
    await evening("friday", ODD[3])
    await evening("saturday: from now on nothing stays", ODD[4], leave=False)
    assert await server.texts() == []
    await evening("sunday", ODD[0], leave=False)
    assert await server.texts() == []
