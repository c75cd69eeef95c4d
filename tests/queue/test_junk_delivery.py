"""A verdict goes with the message through the queue to the folder."""

from pathlib import Path

import pytest
from support.queue_world import world

from mailhub.model.verdict import Action, Evidence, Verdict

JUNK = Verdict(Action.JUNK, 7.0, (Evidence("dnsbl", "listed", 7.0, "on a list"),))


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        (None, "Junk"),
        ("addflag '\\\\Seen';", "Junk"),
        ("keep;", "INBOX"),
        ("require 'fileinto'; fileinto 'Lists';", "Lists"),
        ("discard;", None),
    ],
)
async def test_junk_is_filed_as_such_unless_a_script_decides(
    tmp_path: Path, script: str | None, folder: str | None
) -> None:
    async with world(tmp_path) as here:
        if script is not None:
            await here.script(f"require ['imap4flags', 'mailbox'];\n{script}".replace("'", '"'))
        await here.put("alice@mailhub.test", verdict=JUNK)
        await here.manager.idle()
        assert not await here.queued()
        found = {name: len(await here.mail("alice@mailhub.test", name)) for name in ("INBOX", "Junk")}
        assert found == {"INBOX": int(folder in ("INBOX", "Lists")), "Junk": int(folder == "Junk")}


async def test_the_verdict_is_still_known_after_a_crash(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.put("alice@mailhub.test", verdict=JUNK, release=here.clock.now() + 60)
        await here.crash()
        await here.reopen()
        assert [item.verdict for item in await here.queued()] == [JUNK]
        await here.clock.advance(61)
        assert len(await here.mail("alice@mailhub.test", "Junk")) == 1
