"""A monitoring plugin that reads mailq's output, as Debian has it, on a queue of ours."""

import os
import subprocess
from asyncio import to_thread
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.hubs import running, send
from support.server import REPOSITORY

from mailhub.cli.root import root
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery

FOLDERS = [REPOSITORY / f".debian/monitoring-plugins-{part}/usr/lib/nagios/plugins" for part in ("standard", "common")]
NOBODY = Delivery(transport=Lookup(((("held.test", "hold:for inspection"),),)))


def plugin(folder: Path) -> Path:
    """The plugin, told where mailq is: what Debian's has no option for."""
    found = {name: place / name for place in FOLDERS for name in ("check_mailq", "utils.pm") if (place / name).exists()}
    if len(found) < 2:
        pytest.skip("scripts/unpack .debian monitoring-plugins-standard monitoring-plugins-common")
    text = found["utils.pm"].read_text().replace('"/usr/bin/mailq"', f'"{folder}/bin/mailq"')
    (folder / "utils.pm").write_text(text)
    (folder / "check_mailq").write_text(found["check_mailq"].read_text())
    return folder / "check_mailq"


async def test_check_mailq(tmp_path: Path) -> None:
    check = plugin(tmp_path)
    (tmp_path / "config.toml").write_text('data = "."\n')
    words = ["--config", str(tmp_path / "config.toml"), "install-names", str(tmp_path / "bin"), "mailq"]
    assert CliRunner().invoke(root, words).exit_code == 0

    def asked() -> tuple[int, str]:
        done = subprocess.run(
            ["perl", f"-I{tmp_path}", check, "-M", "postfix", "-w", "1", "-c", "2"],
            capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        return done.returncode, done.stdout.partition("|")[0].strip()

    async with running(tmp_path, delivery=NOBODY) as hub:
        assert await to_thread(asked) == (0, "OK: postfix mailq reports queue is empty")
        await send(hub, "a@here.test", "x@held.test")
        assert await to_thread(asked) == (1, "WARNING: postfix mailq is 1 (threshold w = 1)")
        await send(hub, "a@here.test", "y@held.test")
        assert await to_thread(asked) == (2, "CRITICAL: postfix mailq is 2 (threshold c = 2)")
