"""Debian's sieve-connect puts a script by ManageSieve under TLS, and the next mail goes where the script says."""

import asyncio
from pathlib import Path

from support.hubs import PASSWORD, running, send
from support.programs import program, run

from mailhub.config.schema import Listener

SCRIPT = 'require ["fileinto", "mailbox"];\nif header :contains "subject" "list" {\n  fileinto :create "lists";\n}\n'
LISTENERS = (Listener(protocol="smtp"), Listener(protocol="managesieve"))


async def test_sieve_connect(tmp_path: Path) -> None:
    client = program("sieve-connect")
    (tmp_path / "main.sieve").write_text(SCRIPT)
    (tmp_path / "bad.sieve").write_text("kep;\n")
    async with running(tmp_path / "data", "alice@mailhub.test", listener=LISTENERS, domains=("mailhub.test",)) as hub:
        base = (
            client, "--server", "127.0.0.1", "--port", str(hub.port("managesieve")), "--user", "alice@mailhub.test",
            "--passwordfd", "0", "--notlsverify", "--authmech", "PLAIN",
        )  # fmt: skip
        password = f"{PASSWORD}\n".encode()

        async def asked(*command: str, ok: bool = True) -> str:
            return await run(*base, *command, cwd=tmp_path, stdin=password, ok=ok)

        await asked("--localsieve", "main.sieve", "--remotesieve", "main", "--upload")
        await asked("--remotesieve", "main", "--activate")
        assert '"main" ACTIVE' in await asked("--list")
        refused = await asked("--localsieve", "bad.sieve", "--remotesieve", "bad", "--upload", ok=False)
        assert "unknown command 'kep'" in refused
        await asked("--remotesieve", "main", "--localsieve", "back.sieve", "--download")
        assert (tmp_path / "back.sieve").read_text() == SCRIPT
        await send(hub, "a@far.test", "alice@mailhub.test", b"Subject: a list\r\n\r\ntext\r\n")
        await send(hub, "a@far.test", "alice@mailhub.test", b"Subject: other\r\n\r\ntext\r\n")
        await hub.queue.idle()
        found = {folder.name: folder.messages for folder in await hub.mailboxes.account("alice@mailhub.test").folders()}
        assert (found["INBOX"], found["lists"]) == (1, 1)
        await asked("--deactivate")
        await asked("--remotesieve", "main", "--delete")
        assert "main" not in await asked("--list")


async def test_plaintext_behind_starttls_ends_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path / "data", listener=LISTENERS) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("managesieve"))
        greeting = await reader.readuntil(b'ready"\r\n')
        assert b'"SASL" ""\r\n' in greeting
        assert b'"STARTTLS"\r\n' in greeting
        writer.write(b'STARTTLS\r\nNOOP "inside"\r\n')
        rest = await reader.read()
        assert b"inside" not in rest
        writer.close()
