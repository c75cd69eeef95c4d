"""The suppression list in a whole hub: at RCPT of who signed in, and by the operator's commands beside it."""

import asyncio
import json
import smtplib
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from support.hubs import PASSWORD, running, trusting

from mailhub.cli.root import root
from mailhub.hub import Hub

ANN, BEN = "ann@mailhub.test", "ben@mailhub.test"


def command(folder: Path, *args: str) -> tuple[int, Any]:
    file = folder / "config.toml"
    file.write_text(f'data = "{folder / "var"}"\n')
    done = CliRunner().invoke(root, ["--config", str(file), "suppression", *args])
    return done.exit_code, done.output


def replies(hub: Hub, *to: str, login: bool) -> list[tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", hub.port("submission" if login else "smtp")) as client:
        if login:
            client.starttls(context=trusting())
            client.login(ANN, PASSWORD)
        client.ehlo()
        client.mail(ANN)
        return [client.rcpt(recipient) for recipient in to]


async def test_who_is_on_the_list_is_refused_to_our_accounts(tmp_path: Path) -> None:
    async with running(tmp_path / "var", ANN, BEN) as hub:
        async with asyncio.timeout(20):
            code, told = await asyncio.to_thread(command, tmp_path, "add", "Gone@far.test", "--note", "left in May")
            assert (code, told) == (0, "gone@far.test: held back for ever\n")
            assert (await asyncio.to_thread(command, tmp_path, "add", BEN, "--for", "2d"))[0] == 0
            found = await asyncio.to_thread(replies, hub, "gone@far.test", "there@far.test", BEN, login=True)
            assert [reply[0] for reply in found] == [550, 250, 250]
            assert found[0][1].startswith(b"5.1.0 <gone@far.test> is on the suppression list")
            assert b"left in May" in found[0][1]
            found = await asyncio.to_thread(replies, hub, "gone@far.test", login=False)
            assert found[0][0] == 250, "mail of others is not held back"
            code, told = await asyncio.to_thread(command, tmp_path, "list", "--json")
            assert [(one["address"], one["held"], one["note"]) for one in json.loads(told)] == [
                (BEN, True, ""), ("gone@far.test", True, "left in May"),
            ]  # fmt: skip
            assert (await asyncio.to_thread(command, tmp_path, "remove", "gone@far.test"))[0] == 0
            assert (await asyncio.to_thread(command, tmp_path, "remove", "gone@far.test"))[0] == 3
            found = await asyncio.to_thread(replies, hub, "gone@far.test", login=True)
            assert found[0][0] == 250


def test_on_a_stopped_server(tmp_path: Path) -> None:
    assert command(tmp_path, "add", "a@far.test")[0] == 0
    assert command(tmp_path, "add", "nothing") == (1, "mailhub: no address: 'nothing'\n")
    lines = command(tmp_path, "list")[1].splitlines()
    assert lines == [
        "ADDRESS     HELD BACK  SOURCE    REFUSALS  LAST",
        "a@far.test  for ever   operator         0",
    ]
