"""The queue as a person sees it: `queue show` with its history, and the shapes of Postfix's postqueue and qshape."""

import asyncio
import json
import re
from asyncio import to_thread
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.hubs import running, send

from mailhub.cli.queue_formats import postqueue, qshape
from mailhub.cli.root import root
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery
from mailhub.control import words

NOBODY = Delivery(transport=Lookup(((("far.test", "smtp:[127.0.0.1]:1"), ("held.test", "hold:for inspection")),)))


@pytest.fixture
async def told(tmp_path: Path) -> dict[str, str]:
    """What the commands print beside a hub with two messages in its queue: one deferred, one held."""
    (tmp_path / "config.toml").write_text('data = "."\n')

    def run(*args: str) -> str:
        done = CliRunner().invoke(root, ["--config", str(tmp_path / "config.toml"), *args], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    async with running(tmp_path, delivery=NOBODY) as hub:
        await send(hub, "ann@here.test", "x@far.test")
        await send(hub, "", "y@held.test")
        await hub.queue.idle()
        found = {"list": await to_thread(run, "queue", "list", "--format", "postqueue")}
        (first, _) = re.findall(r"^([0-9A-Z]{11})", found["list"], re.M)
        found |= {
            "show": await to_thread(run, "queue", "show", first),
            "json": await to_thread(run, "queue", "list", "--format", "postqueue-json"),
            "ages": await to_thread(run, "queue", "summary", "--ages"),
            "trace": await to_thread(run, "trace", "x@far.test"),
        }
        await asyncio.sleep(0)
    return found


async def test_a_message_with_its_history_and_what_comes_next(told: dict[str, str]) -> None:
    assert "x@far.test: attempt 2 at " in told["show"]
    assert re.search(r"1 so far, at [-\d]+ [:\d]+ 451 4.4.1 connect to 127.0.0.1", told["show"])
    assert "given up after an attempt from " in told["show"]
    assert re.search(r"attempted +to=<x@far.test>, status=deferred, .*next attempt in \d+ s", told["show"])
    assert "Subject: test" in told["show"]
    assert re.search(
        r"accepted +ESMTP from unknown\[127.0.0.1\], .*from=<ann@here.test>, to=<x@far.test>", told["trace"]
    )


async def test_the_shape_of_mailq(told: dict[str, str]) -> None:
    lines = told["list"].splitlines()
    assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    assert re.fullmatch(r"[0-9A-Z]{11} +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  ann@here.test", lines[1])
    assert re.fullmatch(r" *\(.*Connection refused.*\)", lines[2])
    assert lines[3] == " " * 41 + "x@far.test"
    assert re.match(r"[0-9A-Z]{11}! .* MAILER-DAEMON$", lines[5])
    assert re.fullmatch(r"-- \d+ Kbytes in 2 Requests\.", lines[-1])


def test_an_empty_queue() -> None:
    assert list(postqueue([])) == ["Mail queue is empty"]


def test_a_short_id_stands_as_postfix_prints_it() -> None:
    """The lines of Postfix 3.7 for the same message, time zone aside."""
    to = words.QueuedTo(
        address="y@d1.relay.test", state="deferred", due=0.0, attempts=1,
        last="connect to 127.0.0.1[127.0.0.1]:1: Connection refused", remote="", deadline=0.0,
    )  # fmt: skip
    message = words.QueuedMessage(
        id="8310F5268F1", sender="a@other.test", created=1795647814.0, size=4291, recipients=(to,)
    )
    lines = list(postqueue([message]))
    moment = datetime.fromtimestamp(1795647814.0).astimezone().strftime("%a %b %e %H:%M:%S")
    assert lines[1] == f"8310F5268F1    4291 {moment}  a@other.test"
    assert lines[2] == "                       (connect to 127.0.0.1[127.0.0.1]:1: Connection refused)"
    assert lines[3] == "                                         y@d1.relay.test"


async def test_the_shape_of_postqueue_j(told: dict[str, str]) -> None:
    first, second = map(json.loads, told["json"].splitlines())
    assert (first["queue_name"], second["queue_name"]) == ("deferred", "hold")
    assert first["recipients"][0]["address"] == "x@far.test"
    assert "Connection refused" in first["recipients"][0]["delay_reason"]
    assert set(first) == {
        "queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"
    }  # fmt: skip


async def test_the_shape_of_qshape(told: dict[str, str]) -> None:
    head, total, *rows = told["ages"].splitlines()
    assert head.split() == ["T", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"]
    assert total.split() == ["TOTAL", "2", "2", "0", "0", "0", "0", "0", "0", "0", "0", "0"]
    assert {row.split()[0] for row in rows} == {"far.test", "held.test"}


def test_qshape_is_as_wide_as_its_numbers() -> None:
    """The lines of Postfix's qshape for the same numbers."""
    ages = words.Ages(
        edges=tuple(300.0 * 2**n for n in range(9)),
        limit=100_000,
        rows=(
            words.AgeRow(domain="d1.relay.test", counts=(2, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
            words.AgeRow(domain="d0.relay.test", counts=(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
        ),
    )
    assert list(qshape(ages)) == [
        "                                         T  5 10 20 40 80 160 320 640 1280 1280+",
        "                                  TOTAL  3  3  0  0  0  0   0   0   0    0     0",
        "                          d1.relay.test  2  2  0  0  0  0   0   0   0    0     0",
        "                          d0.relay.test  1  1  0  0  0  0   0   0   0    0     0",
    ]
