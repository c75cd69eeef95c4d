"""`mailhub history`: figures over time as people read them, and as programs do; beside a server and without one."""

import json
from asyncio import to_thread
from pathlib import Path

from click.testing import CliRunner
from support.hubs import running, send

from mailhub.cli.root import root
from mailhub.config.history import History
from mailhub.model.clock import VirtualClock

ANN = "ann@mailhub.test"


async def test_figures(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('data = "."\n')

    def run(*args: str) -> str:
        done = CliRunner().invoke(root, ["--config", str(tmp_path / "config.toml"), "history", *args])
        assert done.exit_code == 0, done.output
        return done.output

    clock = VirtualClock()
    async with running(tmp_path, ANN, clock=clock, history=History()) as hub:
        await send(hub, "noreply@far.test", ANN)
        await hub.queue.idle()
        await clock.advance(60)
        table = await to_thread(run, "--last", "6h")
        found = json.loads(await to_thread(run, "--last", "1h", "--rows", "60", "--json"))
    assert table.split()[:3] == ["FROM", "ACCEPTED", "REFUSED"]
    assert (found["width"], found["rows"][0]["accepted"], found["rows"][0]["sent"]) == (60, 1, 1)
    without = json.loads(await to_thread(run, "--last", "30d", "--json"))
    assert without["width"] % 3_600 == 0
