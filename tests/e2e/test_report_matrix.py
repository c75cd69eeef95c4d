"""Who tells the sender what, over three hubs: every NOTIFY with every outcome on every way, in virtual time.

a.test is the sender's; b.test takes NOTIFY by SMTP, c.test does not (its hub hides DSN); d.test is not there.
"""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.dns import DnsServer
from support.dsn_reader import read
from support.hubs import messages
from support.server import free_port

from mailhub.config.schema import Config, History, Listener, Queue, Relay, Resolver, Smtp
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock

ADDRESSES = {"a": "127.0.0.21", "b": "127.0.0.22", "c": "127.0.0.23"}
NOWHERE = "127.0.0.24"
USER = "user@a.test"

# The reporting host and the action, by what was asked.
MATRIX = """
to              nothing    NEVER      SUCCESS      FAILURE    DELAY
local           -          -          a:delivered  -          -
gone            a:failed   -          -            a:failed   -
user@b.test     -          -          b:delivered  -          -
nobody@b.test   a:failed   -          -            a:failed   -
gone@b.test     b:failed   -          -            b:failed   -
user@c.test     -          -          a:relayed    -          -
nobody@c.test   a:failed   -          -            a:failed   -
gone@c.test     c:failed   c:failed   a:relayed+c:failed  c:failed  c:failed
alias-to-b      -          -          b:delivered  -          -
alias-to-c      -          -          a:relayed    -          -
alias-to-none   a:failed   -          -            a:failed   -
list            -          -          a:expanded   -          -
user@d.test     a:delayed  -          -            -          a:delayed
"""
_HEAD, *_ROWS = [line.split() for line in MATRIX.strip().split("\n")]
ASKED = _HEAD[1:]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


class Hubs:
    """The three, sharing a clock and a DNS server that is really asked."""

    def __init__(self, folder: Path, dns: DnsServer, port: int) -> None:
        self.folder, self.dns, self.port = folder, dns, port
        self.clock = VirtualClock()
        self.by_name: dict[str, Hub] = {}
        for name, address in (ADDRESSES | {"d": NOWHERE}).items():
            dns.zone[f"{name}.test", "MX"] = [f"10 mx.{name}.test."]
            dns.zone[f"mx.{name}.test", "A"] = [address]

    async def start(self, name: str, stack: AsyncExitStack) -> None:
        hidden = ("DSN",) if name == "c" else ()
        config = Config(
            history=History(enabled=False),
            hostname=f"mx.{name}.test",
            domains=(f"{name}.test",),
            data=str(self.folder / name),
            listener=(Listener(protocol="smtp", address=ADDRESSES[name], port=self.port),),
            smtp=Smtp(mynetworks=("127.0.0.0/8",), greet_pause=0.0, discard_ehlo_keywords=hidden),
            relay=Relay(port=self.port, ipv6=False, source_ipv4=ADDRESSES[name], connect_timeout=1.0),
            resolver=Resolver(nameservers=(self.dns.address,)),
            queue=Queue(jitter=0.0),
        )
        hub = self.by_name[name] = await stack.enter_async_context(Hub(config, clock=self.clock))
        await hub.directory.add_account(f"user@{name}.test", "not used")
        await hub.directory.set_alias(f"gone@{name}.test", [f"nobody@{name}.test"])

    def post(self, to: str, asked: str) -> None:
        """By SMTP to a's door; the ENVID says what was asked."""
        with smtplib.SMTP(ADDRESSES["a"], self.port) as client:
            notify = [] if asked == "nothing" else [f"NOTIFY={asked}"]
            client.sendmail(
                USER, [to], b"Subject: hello\r\n\r\nhow are you\r\n", [f"ENVID={asked}", "RET=FULL"], notify
            )

    async def quiet(self) -> None:
        """Until no hub has anything to do: a report of one is work for the next."""
        for _ in range(3):
            for hub in self.by_name.values():
                await hub.queue.idle()


@pytest.fixture
async def hubs(tmp_path: Path, port: int) -> AsyncIterator[Hubs]:
    async with DnsServer() as dns, AsyncExitStack() as stack:
        made = Hubs(tmp_path, dns, port)
        for name in ADDRESSES:
            await made.start(name, stack)
        directory = made.by_name["a"].directory
        await directory.set_alias("local@a.test", ["second@a.test"])
        await directory.add_account("second@a.test", "not used")
        for alias, target in (
            ("alias-to-b", "user@b.test"),
            ("alias-to-c", "user@c.test"),
            ("alias-to-none", "nobody@b.test"),
        ):
            await directory.set_alias(f"{alias}@a.test", [target])
        await directory.set_alias("list@a.test", ["user@b.test", "user@c.test", "second@a.test"])
        yield made


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in _ROWS])
async def test_who_is_told_what(hubs: Hubs, row: list[str]) -> None:
    to = row[0] if "@" in row[0] else f"{row[0]}@a.test"
    for asked in ASKED:
        await asyncio.to_thread(hubs.post, to, asked)
    await hubs.quiet()
    if row[0].endswith("d.test"):
        await hubs.clock.advance(5 * 3600)
    found: dict[str, list[str]] = {asked: [] for asked in ASKED}
    strangers: list[str] = []
    for mail in await messages(hubs.by_name["a"], USER):
        report = read(mail)
        assert mail.startswith(b"Return-Path: <>\r\n")
        host = report.per_message["Reporting-MTA"].removeprefix("dns; mx.")[0]
        for fields in report.recipients:
            told = f"{host}:{fields['Action']}"
            envid = report.per_message.get("Original-Envelope-Id")
            (strangers if envid is None else found[envid]).append(told)
            if fields["Action"] != "expanded" and "Original-Recipient" in fields:
                assert fields["Original-Recipient"] == f"rfc822;{to}"
            if fields["Action"] == "failed" and envid is not None:
                assert b"how are you" in report.returned, "RET=FULL goes along"
    expected = {
        asked: sorted(cell.split("+")) if cell != "-" else [] for asked, cell in zip(ASKED, row[1:], strict=True)
    }
    unnamed = sorted(told for cell in expected.values() for told in cell if told.startswith("c:"))
    named = {asked: [told for told in cell if not told.startswith("c:")] for asked, cell in expected.items()}
    assert {asked: sorted(cell) for asked, cell in found.items()} == named
    assert strangers == unnamed, "a host that takes no ENVID can not name it"
