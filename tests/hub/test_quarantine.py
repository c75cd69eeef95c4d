"""Quarantine in a whole hub: what a check wants held is held, shown, let go to INBOX or deleted, and bounded by age and size."""

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from support.hubs import messages, running, send
from support.suspicion import REASON, Suspicion

from mailhub.cli.root import root
from mailhub.config.schema import Filter, Quarantine
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.policy.inspection import Inspection
from mailhub.store.api import QueueFilter

ANN = "ann@mailhub.test"


def suspicious(hub: Hub) -> None:
    hub.policy.inspection = Inspection((Suspicion(),), Filter(), "mx.test", hub.clock, hub.mailboxes.lane)


async def command(folder: Path, *args: str) -> Any:
    file = folder / "config.toml"
    file.write_text(f'data = "{folder / "var"}"\n')
    done = await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), *args, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


async def held(hub: Hub) -> list[str]:
    return [item.sender for item in await hub.store.queue.page(QueueFilter(quarantined=True))]


async def test_it_is_listed_shown_let_go_and_deleted(tmp_path: Path) -> None:
    async with asyncio.timeout(30), running(tmp_path / "var", ANN) as hub:
        suspicious(hub)
        for sender in ("one@far.test", "two@far.test", "three@far.test"):
            await send(hub, sender, ANN)
        listed = await command(tmp_path, "quarantine", "list")
        assert [one["message"]["sender"] for one in listed] == ["one@far.test", "two@far.test", "three@far.test"]
        assert listed[0]["found"] == [{"check": "suspicion", "result": "bad", "score": 7.5, "reason": REASON}]
        first = listed[0]["message"]["id"]
        shown = await command(tmp_path, "quarantine", "show", first)
        assert "X-Mailhub-Verdict: quarantine, score 7.5;" in shown["text"]["header"]
        assert await command(tmp_path, "quarantine", "release", first) == {"messages": 1}
        assert await command(tmp_path, "quarantine", "delete", "--sender", "two@far.test") == {"messages": 1}
        assert await held(hub) == ["three@far.test"]
        (mail,) = await messages(hub, ANN)
        assert b"X-Mailhub-Verdict: quarantine" in mail, "in INBOX, past Junk"
        steps = (await command(tmp_path, "trace", first))["messages"][0]["steps"]
        assert "released from quarantine" in [step["text"] for step in steps]
        again = await asyncio.to_thread(
            CliRunner().invoke, root, ["--config", str(tmp_path / "config.toml"), "quarantine", "release", first]
        )
        assert again.exit_code == 3
        assert "not in quarantine" in again.output


async def test_the_oldest_go_beyond_the_size_and_the_too_old_with_time(tmp_path: Path) -> None:
    clock = VirtualClock()
    bounds = Quarantine(size_limit=4_000, lifetime=86_400 * 3)
    async with asyncio.timeout(30), running(tmp_path / "var", ANN, clock=clock, quarantine=bounds) as hub:
        suspicious(hub)
        for n in range(4):
            await send(hub, f"{n}@far.test", ANN, b"Subject: x\r\n\r\n" + b"y" * 70 * 20 + b"\r\n")
        assert await held(hub) == ["2@far.test", "3@far.test"]
        count, octets = await hub.store.queue.quarantine_size()
        assert (count, 2_500 < octets <= 4_000) == (2, True)
        await clock.advance(86_400 * 2)
        assert "3@far.test" in await held(hub)
        await clock.advance(86_400 * 3)
        assert await held(hub) == []
