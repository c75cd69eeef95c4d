"""`mailhub status` tells what became of mail, and of certificates that end."""

import asyncio
from pathlib import Path

from click.testing import CliRunner
from support.hubs import running, send

from mailhub.cli.root import root
from mailhub.config.schema import Tls
from mailhub.model.clock import SystemClock
from mailhub.net.tls import self_signed

ANN = "ann@mailhub.test"
_DAY = 86_400


async def test_it_shows_mail_and_certificates(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'data = "{tmp_path / "var"}"\n')
    old = tmp_path / "old.pem"
    old.write_bytes(b"".join(self_signed("mail.test", SystemClock().now() - (3_650 - 5.5) * _DAY)))
    async with asyncio.timeout(50), running(tmp_path / "var", ANN, tls=Tls(certificate=str(old), key=str(old))) as hub:
        await send(hub, "x@far.test", ANN)
        await hub.queue.idle()
        text = (await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), "status"])).output
    lines = text.splitlines()
    assert "mail      1 messages accepted, 0 refusals; recipients: 1 sent" in lines
    (at,) = [n for n, line in enumerate(lines) if line.startswith("tls  ")]
    assert lines[at] == "tls       mail.test, localhost: 5 days left"
    assert lines[at + 1].startswith(f"alert     {old} ends ")
