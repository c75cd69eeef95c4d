"""`mailhub status` tells of daemons that are asked about mail."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner
from support.hubs import running, send

from mailhub.cli.root import root
from mailhub.config.schema import Clamav

ANN = "ann@mailhub.test"


async def test_it_shows_each_daemon_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'data = "{tmp_path / "var"}"\n')
    config = Clamav(address=f"unix:{tmp_path}/nobody", breaker_failures=2, failure="mark")
    async with running(tmp_path / "var", ANN, clamav=config) as hub:
        for _ in range(3):
            await send(hub, "x@far.test", ANN)
        text = (await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), "status"])).output
        plain = [line for line in text.splitlines() if "clamav" in line]
        assert plain[0] == f"scanner   clamav at unix:{tmp_path}/nobody: 2 asked, 0 now, breaker open"
        assert plain[1].startswith("alert     clamav: away since 2")
        assert plain[1].endswith("No such file or directory")
        told = await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), "status", "--json"])
        (state,) = json.loads(told.output)["scanners"]
        assert (state["name"], state["state"], state["failures"], state["asked"]) == ("clamav", "open", 2, 2)
