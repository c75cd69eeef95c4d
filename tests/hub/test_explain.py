"""`mailhub explain` beside a running hub: each rule asked, nothing taken, counted or remembered."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.hubs import messages, running, send

from mailhub.cli.root import root
from mailhub.config.lookup import read
from mailhub.config.schema import ContentChecks, Greylist, Smtp
from mailhub.store.api import QueueFilter

ANN = "ann@mailhub.test"


async def explain(folder: Path, *args: str) -> Any:
    file = folder / "config.toml"
    file.write_text(f'data = "{folder / "var"}"\n')
    done = await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), "explain", *args, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


async def test_each_rule_and_its_answer(tmp_path: Path) -> None:
    smtp = Smtp(
        mynetworks=("192.0.2.0/24",), sender_restrictions=("check_sender_access inline:{bad@far.test=REJECT}",),
        client_restrictions=("check_client_access inline:{198.51.100.9=HOLD}",),
    )  # fmt: skip
    tables = ContentChecks(body_checks=read("inline:{{unwanted = REJECT not this}}"))
    letter, junk = tmp_path / "letter", tmp_path / "junk"
    letter.write_bytes(b"Subject: hello\n\ntext\n")
    junk.write_bytes(b"Subject: hello\n\nunwanted\n")
    async with asyncio.timeout(40), running(tmp_path / "var", ANN, smtp=smtp, content_checks=tables) as hub:
        await hub.directory.set_alias("team@mailhub.test", [ANN])
        base = ("--to", "team@mailhub.test", "--client", "198.51.100.7")
        told = await explain(tmp_path, "--from", "x@far.test", *base, "--message", str(letter))
        assert [(rule["stage"], rule["rule"], rule["answer"]) for rule in told["rules"] if rule["stage"] != "check"][:2] == [
            ("client", "check_client_access inline:{198.51.100.9=HOLD}", "dunno"),
            ("sender", "check_sender_access inline:{bad@far.test=REJECT}", "dunno"),
        ]  # fmt: skip
        assert "spf" in [rule["rule"] for rule in told["rules"] if rule["stage"] == "check"]
        assert [said["reply"][:3] for said in told["replies"]] == ["250", "250", "250"]
        assert (told["fate"], [(stop["address"], stop["way"]) for stop in told["way"]]) == (
            "delivered", [("team@mailhub.test", "expand"), (ANN, "local")],
        )  # fmt: skip
        told = await explain(tmp_path, "--from", "bad@far.test", *base)
        assert told["rules"][-1]["answer"].startswith("554 5.7.1")
        assert told["fate"].startswith("refused: 554 5.7.1")
        assert told["way"] == []
        told = await explain(tmp_path, "--from", "x@far.test", *base, "--message", str(junk))
        assert told["fate"] == "refused: 550 5.7.1 not this"
        told = await explain(tmp_path, "--to", ANN, "--client", "198.51.100.9", "--message", str(letter))
        assert told["fate"].startswith("taken and held")
        told = await explain(tmp_path, "--to", "x@else.test", "--client", "198.51.100.7")
        assert told["fate"].startswith("refused: 554 5.7.1")
        told = await explain(tmp_path, "--to", "x@else.test", "--client", "192.0.2.7", "--message", str(letter))
        assert (told["fate"], told["way"][0]["way"]) == ("delivered", "relay")
        assert await hub.store.queue.page(QueueFilter()) == []
        assert await messages(hub, ANN) == []
        await hub.trace.flush()
        shown = await asyncio.to_thread(
            CliRunner().invoke, root, ["--config", str(tmp_path / "config.toml"), "trace", "bad@far.test"]
        )
        assert "Nothing is known" in shown.output


async def test_greylisting_remembers_nothing_of_it(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(40),
        running(tmp_path / "var", ANN, greylist=Greylist(), smtp=Smtp(mynetworks=())) as hub,
    ):
        for _ in range(2):
            told = await explain(tmp_path, "--from", "x@far.test", "--to", ANN, "--client", "198.51.100.7")
            assert told["fate"].startswith("put off: 450 4.2.0 Greylisted, try again in 300")
            assert ("greylist", "wait: not seen before") in [(rule["rule"], rule["answer"]) for rule in told["rules"]]
        with pytest.raises(Exception, match="Greylisted"):
            await send(hub, "x@far.test", ANN)


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'data = "{tmp_path / "var"}"\n')
    done = CliRunner().invoke(root, ["--config", str(file), "explain", "--to", ANN, "--client", "192.0.2.1"])
    assert (done.exit_code, "need a running server" in done.output) == (1, True)
