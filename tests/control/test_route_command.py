"""`mailhub route`: beside a running server, and on a stopped one's store."""

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from support.hubs import running

from mailhub.cli.root import root
from mailhub.config import lookup, schema

CONFIG = """
data = "{data}"
domains = ["a.test"]
[delivery]
relayhost = "[smart.test]:587"
transport = {{ ".far.test" = "lmtp:unix:/run/x", "gone.test" = "error:5.1.6 moved", "kept.test" = "hold:look" }}
sender_relayhost = {{ "ann@a.test" = "[own.test]" }}
srs = true
"""


def routed(data: Path, *arguments: str) -> list[dict[str, Any]]:
    file = data.parent / "config.toml"
    file.write_text(CONFIG.format(data=data))
    result = CliRunner().invoke(root, ["route", "--config", str(file), "--json", *arguments])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def short(steps: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [(step["address"], step["way"], step["to"], step["by"]) for step in steps]


async def test_the_same_by_a_server_and_without_one(tmp_path: Path) -> None:
    table = {".far.test": "lmtp:unix:/run/x", "gone.test": "error:5.1.6 moved", "kept.test": "hold:look"}
    delivery = schema.Delivery(
        relayhost="[smart.test]:587", transport=lookup.read(table), srs=True,
        sender_relayhost=lookup.read({"ann@a.test": "[own.test]"}),
    )  # fmt: skip
    asked: list[tuple[str, ...]] = [
        ("list@a.test", "--sender", "s@else.test"), ("x@sub.far.test",), ("x@gone.test",), ("x@kept.test",),
        ("x@else.test", "--sender", "Ann@a.test"), ("ann+tag@a.test",), ("nobody@a.test",),
    ]  # fmt: skip
    data = tmp_path / "var"
    async with running(data, "ann@a.test", domains=("a.test",), delivery=delivery) as hub:
        await hub.directory.set_alias("list@a.test", ["ann@a.test", "list@a.test", "y@else.test"])
        online = [await asyncio.to_thread(routed, data, *arguments) for arguments in asked]
    offline = [await asyncio.to_thread(routed, data, *arguments) for arguments in asked]
    assert online == offline
    first, *others = online
    assert short(first) == [
        ("list@a.test", "expand", "ann@a.test, list@a.test, y@else.test", ""), ("ann@a.test", "local", "ann@a.test", ""),
        ("list@a.test", "error", "554 5.4.6 Alias loop: this address stands for itself", ""),
        ("y@else.test", "relay", "[smart.test]:587", "delivery.relayhost: [smart.test]:587"),
    ]  # fmt: skip
    assert first[3]["sender"].endswith("=else.test=s@a.test")
    assert [short(steps)[0][1:] for steps in others] == [
        ("lmtp", "unix:/run/x", "delivery.transport: .far.test lmtp:unix:/run/x"),
        ("error", "550 5.1.6 moved", "delivery.transport: gone.test error:5.1.6 moved"),
        ("hold", "450 4.7.0 look", "delivery.transport: kept.test hold:look"),
        ("relay", "[own.test]", "delivery.sender_relayhost: ann@a.test [own.test]"),
        ("local", "ann@a.test (+tag)", ""), ("error", "550 5.1.1 No such mailbox here", ""),
    ]  # fmt: skip


def test_a_table_for_people(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(data=tmp_path / "var"))
    result = CliRunner().invoke(root, ["route", "--config", str(tmp_path / "config.toml"), "x@gone.test"])
    assert result.stdout == (
        "ADDRESS      WAY    TO               BY\n"
        "x@gone.test  error  550 5.1.6 moved  delivery.transport: gone.test error:5.1.6 moved\n"
    )
