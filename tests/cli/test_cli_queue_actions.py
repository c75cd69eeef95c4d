"""Actions on a large queue of a stopped server: in steps, resumable, by filter."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailhub.cli.root import root
from mailhub.config.schema import Store
from mailhub.control import words
from mailhub.control.errors import ControlError
from mailhub.control.offline import Offline
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Body, NewContent, NewItem, NewRecipient
from mailhub.store.sqlite import SqliteStore

CLOCK = VirtualClock(1_700_000_000.0)


async def fill(folder: Path, count: int) -> None:
    store = SqliteStore(folder, Store(free_space_floor=0), CLOCK, "mx.test")
    await store.open()

    async def put(n: int) -> None:
        number = store.queue.new_id()
        content = NewContent(number, b"", Body(2, b"hi"))
        recipients = (NewRecipient(0, f"u{n}@d{n % 2}.test"),)
        await store.queue.put(NewItem(number, content, f"s{n % 3}@x.test", recipients, CLOCK.now(), 4e9))

    await asyncio.gather(*map(put, range(count)))
    await store.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('domains = ["a.test"]\n')
    (tmp_path / "var").mkdir()
    asyncio.run(fill(tmp_path / "var", 2_400))
    return path


def run(config: Path, *args: str) -> Result:
    return CliRunner().invoke(root, ["--config", str(config), *args])


def summary(config: Path) -> dict[tuple[str, str], int]:
    rows = json.loads(run(config, "queue", "summary", "--json").stdout)["rows"]
    return {(row["domain"], row["state"]): row["recipients"] for row in rows}


def test_many_are_reached_step_by_step(config: Path) -> None:
    assert run(config, "flush").stdout == "2400 messages due now\n"
    assert run(config, "flush", "d1.test").stdout == "1200 messages due now\n"
    assert (
        run(config, "queue", "hold", "--recipient", "@d0.test", "--sender", "s1@x.test").stdout
        == "400 messages on hold\n"
    )
    assert summary(config) == {
        ("d0.test", "hold"): 400,
        ("d0.test", "incoming"): 800,
        ("d1.test", "incoming"): 1_200,
    }
    assert run(config, "queue", "release", "--state", "hold").stdout == "400 messages released\n"
    assert run(config, "queue", "remove", "--newer-than", "1h").stdout == "0 messages removed\n"
    assert run(config, "queue", "remove", "--older-than", "1h", "--json").stdout == '{\n  "messages": 2400\n}\n'
    assert summary(config) == {}


def test_one_that_is_broken_off_says_where_to_go_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, asked = Offline.ask, 0

    def breaking(side: Offline, request: words.Request[object], progress: None = None) -> object:
        nonlocal asked
        asked += isinstance(request, words.QueueHold)
        if asked == 3:
            raise ControlError("temporary", "the disk is full")
        return plain(side, request, progress)

    monkeypatch.setattr(Offline, "ask", breaking)
    done = run(config, "queue", "hold", "--all")
    assert done.exit_code == 5
    said, _, after = done.stderr.splitlines()[0].rpartition(" ")
    assert said == "2000 messages on hold; go on with --after"
    monkeypatch.undo()
    assert run(config, "queue", "hold", "--recipient", "@d0.test", "--after", after).stdout == "200 messages on hold\n"
