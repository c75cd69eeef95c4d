"""`/metrics`: read by Prometheus's own parsers, true to what happened, and shown to those alone who may see it."""

import asyncio
import json
import re
import shutil
import smtplib
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format
from support.hubs import running, send
from support.server import REPOSITORY

from mailhub.config.load import ConfigError, parse
from mailhub.config.schema import Limits, Listener, Relay, Smtp, Trace
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.web.metrics import OUTCOMES

DOORS = (
    Listener(protocol="smtp"),
    Listener(protocol="imap"),
    Listener(protocol="http", tls="none"),
    Listener(protocol="http", path="web.sock", tls="none", name="socket"),
)
PROMTOOL = shutil.which("promtool")
Value = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def got(hub: Hub, status: int = 200, **headers: str) -> tuple[str, str]:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{hub.port('http')}/metrics"
        async with session.get(url, headers={name.replace("_", "-"): text for name, text in headers.items()}) as answer:
            assert answer.status == status, await answer.text()
            return answer.headers.get("Content-Type", ""), await answer.text()


def values(text: str) -> Value:
    found: Value = {}
    for family in text_format(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a sample twice"
            found[key] = sample.value
    return found


def value(found: Value, name: str, /, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


async def test_what_happened_is_counted(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", "ann@mailhub.test", listener=DOORS) as hub:
        await send(hub, "x@far.test", "ann@mailhub.test")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send(hub, "x@far.test", "eve@mailhub.test")
        await hub.queue.idle()
        found = values((await got(hub))[1])
        status = await hub.control.perform(words.Status())
        assert value(found, "mailhub_messages_accepted_total") == status.accepted == 1
        assert value(found, "mailhub_mail_refused_total") == status.refused == 1
        assert value(found, "mailhub_recipients_total", outcome="sent") == status.outcomes["sent"] == 1
        assert [value(found, "mailhub_recipients_total", outcome=one) for one in OUTCOMES] == [1, 0, 0, 0, 0]
        assert (value(found, "mailhub_queue_messages"), value(found, "mailhub_ready")) == (0, 1)
        assert value(found, "mailhub_sessions", listener="http", protocol="http") == 1  # who asks
        assert value(found, "mailhub_sessions", listener="imap", protocol="imap") == 0
        assert value(found, "mailhub_start_time_seconds") == hub.started
        assert value(found, "mailhub_resident_memory_bytes") > 1e6
        assert value(found, "process_open_fds") > 3
        assert 3_640 < value(found, "mailhub_certificate_left_seconds", name="mailhub.test") / 86_400 <= 3_651
        assert value(found, "mailhub_loop_lag_seconds") >= 0


async def test_it_counts_without_a_trace(tmp_path: Path) -> None:
    off = {"listener": DOORS, "trace": Trace(enabled=False)}
    async with asyncio.timeout(50), running(tmp_path / "var", "ann@mailhub.test", **off) as hub:
        await send(hub, "x@far.test", "ann@mailhub.test")
        await hub.queue.idle()
        found = values((await got(hub))[1])
        assert value(found, "mailhub_messages_accepted_total") == 1


async def test_bounces_and_what_waits_are_told_apart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"listener": DOORS, "smtp": Smtp(mynetworks=("127.0.0.0/8",)), "relay": Relay(port=9)}
    async with asyncio.timeout(50), running(tmp_path / "var", **options) as hub:
        await send(hub, "x@mailhub.test", "a@[127.0.0.1]")  # nobody is there: it waits
        await hub.queue.idle()
        found = values((await got(hub))[1])
        assert value(found, "mailhub_recipients_total", outcome="deferred") >= 1
        assert value(found, "mailhub_queue_messages") == 1


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool")
async def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    async with asyncio.timeout(50), running(tmp_path / "var", listener=DOORS) as hub:
        kind, text = await got(hub)
        assert kind.startswith("text/plain; version=0.0.4")
        done = await asyncio.to_thread(
            subprocess.run, [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_openmetrics_is_there_for_who_wants_it(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", listener=DOORS) as hub:
        kind, text = await got(hub, Accept="application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert {family.name for family in openmetrics(text)} >= {"mailhub_sessions", "mailhub_recipients"}


async def test_labels_are_names_of_the_configuration(tmp_path: Path) -> None:
    """Nobody outside makes a series: not by addresses, logins, domains, nor an operator by his notes."""
    async with (
        asyncio.timeout(50),
        running(tmp_path / "var", "ann@mailhub.test", listener=DOORS, limits=Limits()) as hub,
    ):
        before = {key for key in values((await got(hub))[1]) if key[0] != "mailhub_refused_total"}
        for n in range(30):
            await hub.control.perform(words.BanAdd(network=f"198.51.100.{n}", seconds=60, note=f"note {n}"))
            hub.guard.connected(f"198.51.100.{n}", "smtp")
            await send(hub, f"x{n}@far{n}.test", "ann@mailhub.test")
        await hub.queue.idle()
        text = (await got(hub))[1]
        assert {key for key in values(text) if key[0] != "mailhub_refused_total"} == before
        assert not re.search(r"198\.51|note|far\d|ann@", text)
        assert len([key for key in values(text) if key[0] == "mailhub_refused_total"]) <= 3


async def test_who_may_read_it(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", listener=DOORS) as hub:
        for header in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"):  # a proxy of this host speaks for somebody
            await got(hub, 401, **{header: "for=192.0.2.1"})
        right = await hub.control.perform(words.TokenAdd(name="a", scopes=("status:read",)))
        other = await hub.control.perform(words.TokenAdd(name="b", scopes=("queue:read",)))
        await got(hub, X_Forwarded_For="192.0.2.1", Authorization=f"Bearer {right.token}")
        await got(hub, 403, X_Forwarded_For="192.0.2.1", Authorization=f"Bearer {other.token}")
        await got(hub, 401, X_Forwarded_For="192.0.2.1", Authorization="Bearer none")
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(hub.data / "web.sock"))) as session,
            session.get("http://localhost/metrics") as answer,
        ):
            assert answer.status == 200


async def test_a_proxy_that_says_who_is_there_is_believed(tmp_path: Path) -> None:
    """PROXY protocol: the connection comes from loopback, the client does not; in the clear he shows no token either."""
    door = Listener(protocol="http", tls="none", proxy_protocol=True, name="proxied")
    async with asyncio.timeout(50), running(tmp_path / "var", listener=(*DOORS, door)) as hub:
        for client, status in (("198.51.100.7", b"403"), ("127.0.0.1", b"200")):
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("proxied"))
            writer.write(
                f"PROXY TCP4 {client} 127.0.0.1 1234 80\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            assert (await reader.readline()).split()[1] == status
            writer.close()


async def test_networks_can_be_taken_away(tmp_path: Path) -> None:
    options: dict[str, Any] = {"listener": DOORS, "web": Web(metrics_networks=("192.0.2.0/24",))}
    async with asyncio.timeout(50), running(tmp_path / "var", **options) as hub:
        await got(hub, 401)
    with pytest.raises(ConfigError, match=re.escape("web.metrics_networks[1]")):
        parse('[web]\nmetrics_networks = ["here"]\n')


def expressions() -> list[str]:
    """Those of the dashboard."""
    dashboard = json.loads((REPOSITORY / "docs/grafana/mailhub.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


async def test_the_dashboard_and_the_alerts_ask_for_what_is_there(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", listener=DOORS) as hub:
        text = (await got(hub))[1]
    there = {name for family in text_format(text) for name in (family.name, f"{family.name}_total")}
    asked = [*expressions(), *re.findall(r"expr: (.+)", (REPOSITORY / "docs/grafana/alerts.yml").read_text())]
    named = {name for expression in asked for name in re.findall(r"\b(?:mailhub|process)_\w+", expression)}
    assert named - there == set()
    assert {name for name in there if name.startswith("mailhub_") and f"# HELP {name} " in text} - named <= {
        "mailhub_build", "mailhub_start_time_seconds", "mailhub_scanner_busy",
    }  # fmt: skip


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool")
def test_promtool_reads_the_alerts() -> None:
    assert PROMTOOL is not None
    subprocess.run(
        [PROMTOOL, "check", "rules", REPOSITORY / "docs/grafana/alerts.yml"], check=True, capture_output=True
    )
