"""curl signs in to POP3 by each of its ways, with and without an initial response, and reads what is there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running, send
from support.programs import program, run

from mailhub.config.schema import Auth
from mailhub.hub import Hub

ALICE = "alice@mailhub.test"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path / "var", ALICE, auth=Auth(failure_delay=0, scheme="PLAIN", scram=())) as hub:
        await send(hub, "friend@other.test", ALICE)
        await hub.queue.idle()
        yield hub


@pytest.mark.parametrize("at_once", [("--sasl-ir",), ()], ids=["initial-response", "asked"])
@pytest.mark.parametrize("way", ["+APOP", "CRAM-MD5", "PLAIN", "LOGIN"])
async def test_ways_to_sign_in(hub: Hub, tmp_path: Path, way: str, at_once: tuple[str, ...]) -> None:
    curl = program("curl")
    command = [
        curl, "-sSkv", *at_once, "--ssl-reqd", "-u", f"{ALICE}:{PASSWORD}", "--login-options", f"AUTH={way}",
        f"pop3://127.0.0.1:{hub.port('pop3')}",
    ]  # fmt: skip
    said = await run(*command, cwd=tmp_path)
    assert ("> APOP " if way == "+APOP" else f"> AUTH {way}") in said
    assert "\n1 " in said
    wrong = [f"{ALICE}:wrong" if word == f"{ALICE}:{PASSWORD}" else word for word in command]
    assert "[AUTH] Wrong login or password" in await run(*wrong, cwd=tmp_path, ok=False)


async def test_uidl_top_and_a_deletion(hub: Hub, tmp_path: Path) -> None:
    curl = program("curl")
    base = [curl, "-sSk", "-u", f"{ALICE}:{PASSWORD}"]
    door = f"pop3s://127.0.0.1:{hub.port('pop3s')}"
    listed = await run(*base, door, "-X", "UIDL", cwd=tmp_path)
    assert listed.split()[1].startswith("00000001")
    top = await run(*base, f"{door}/", "-X", "TOP 1 0", cwd=tmp_path)
    assert "Subject: test\r\n" in top
    assert "text" not in top
    await run(*base, "-I", "-X", "DELE 1", f"{door}/", cwd=tmp_path)
    assert "1 " not in await run(*base, door, cwd=tmp_path)
