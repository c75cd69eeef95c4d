"""SPF: the RFC 7208 suite through our resolver seam, and the check in a whole server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from ruamel.yaml import YAML

from mailhub.config import schema
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName
from mailhub.policy.spf import evaluated
from mailhub.testing import AsyncInternet

SUITE = Path(__file__).parents[3] / "shared" / "suites" / "spf" / "test" / "rfc7208-tests.yml"


class Zone:
    """The zone data of a scenario, as our resolver answers: CNAMEs followed, TXT where there is SPF alone (section 3.1)."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._data = {str(name).lower().rstrip("."): list(records) for name, records in data.items()}

    async def records(self, name: str, kind: str) -> list[str]:
        name = name.lower().rstrip(".")
        if any(len(label) > 63 or not label for label in name.split(".")):
            raise NoSuchName(name)
        if name not in self._data:
            raise NoSuchName(name)
        found: list[str] = []
        own = self._data[name]
        kinds = {next(iter(record)) for record in own if isinstance(record, dict)}
        for record in own:
            if record == "TIMEOUT":  # for types that are not named before
                if found:
                    return found
                raise DnsTemporary(name)
            ((its, value),) = record.items()
            if its == "CNAME":
                return await self.records(str(value), kind)
            if its == "SPF" and kind == "TXT" and "TXT" not in kinds:
                its = "TXT"
            if its == kind and value != "NONE":
                found.append(_text(kind, value))
            if value == "TIMEOUT" and its == kind:
                raise DnsTemporary(name)
        if not found:
            raise NoData(name)
        return found


def _text(kind: str, value: Any) -> str:
    if kind == "TXT":
        return "".join(value) if isinstance(value, list) else str(value)
    if kind == "MX":
        return str(value[1]).lower().rstrip(".")
    return str(value).lower().rstrip(".")


def cases() -> Iterator[Any]:
    if not SUITE.exists():
        return
    for document in YAML(typ="safe").load_all(SUITE.read_text("utf-8")):
        for name, test in document["tests"].items():
            yield pytest.param(document["zonedata"], test, id=name)


@pytest.mark.skipif(not SUITE.exists(), reason="the suite is not here")
@pytest.mark.parametrize(("zone", "test"), list(cases()))
async def test_the_rfc_7208_suite(zone: dict[str, Any], test: dict[str, Any]) -> None:
    wanted = test["result"]
    wanted = [wanted] if isinstance(wanted, str) else wanted
    result, told = await evaluated(Zone(zone), str(test["host"]), test["mailfrom"] or "", test["helo"])  # type: ignore[arg-type]
    assert result in wanted
    if result == "fail" and test.get("explanation") not in (None, "DEFAULT"):
        assert told.lower() == test["explanation"][:200].lower()  # the nibbles of an IPv6 address in any case


# --- in a whole server ---


async def post(net: AsyncInternet, host: str, port: int, sender: str, source: str) -> tuple[int, str]:
    """By a client at that address."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    client_lines = [
        f"HELO {sender.partition('@')[2] or 'x.test'}",
        f"MAIL FROM:<{sender}>",
        "RCPT TO:<bob@b.test>",
        "DATA",
    ]
    await reader.readline()
    for line in client_lines:
        writer.write(f"{line}\r\n".encode())
        said = (await reader.readline()).decode()
        if said[0] in "45":
            writer.close()
            return int(said[:3]), said[4:].strip()
    writer.write(b"Subject: x\r\nAuthentication-Results: mx.b.test; spf=pass\r\n\r\n.\r\n")
    said = (await reader.readline()).decode()
    writer.close()
    return int(said[:3]), said[4:].strip()


@pytest.mark.parametrize(("source", "word"), [("127.0.9.1", "pass"), ("127.0.9.2", "fail")])
async def test_the_result_is_stamped(source: str, word: str) -> None:
    async with AsyncInternet() as net:
        hub = await net.hub("b.test")
        await hub.add_account("bob@b.test")
        net.dns.zone["a.test", "TXT"] = ['"v=spf1 ip4:127.0.9.1 -all"']
        code, _ = await post(net, hub.host, hub.port("smtp"), "ann@a.test", source)
        assert code == 250
        message = await hub.expect(to="bob@b.test")
        (result,) = message.headers.all("Authentication-Results")
        assert f"spf={word} " in result
        assert "smtp.mailfrom=a.test" in result
        assert message.headers["Received-SPF"].startswith(f"{word} ")
        assert f"spf={word}" in message.headers["X-Mailhub-Verdict"]


async def test_a_failure_is_refused_where_the_operator_wants_it() -> None:
    async with AsyncInternet() as net:
        hub = await net.hub("b.test", spf=schema.Spf(reject=True))
        await hub.add_account("bob@b.test")
        net.dns.zone["a.test", "TXT"] = ['"v=spf1 -all exp=why.a.test"']
        net.dns.zone["why.a.test", "TXT"] = ['"%{i} is none of our hosts"']
        assert await post(net, hub.host, hub.port("smtp"), "ann@a.test", "127.0.9.2") == (
            550, "5.7.23 127.0.9.2 is none of our hosts",
        )  # fmt: skip


async def test_who_is_trusted_is_not_asked_about() -> None:
    async with AsyncInternet() as net:
        hub = await net.hub("b.test")
        await hub.add_account("bob@b.test")
        text = "Subject: x\r\n\r\n"
        where = {"hostname": hub.host, "port": hub.port("smtp"), "start_tls": False}
        await aiosmtplib.send(text, sender="ann@a.test", recipients=["bob@b.test"], **where)  # type: ignore[arg-type]
        assert "Received-SPF" not in (await hub.expect(to="bob@b.test")).headers
        assert net.dns.asked["a.test", "TXT"] == 0


async def test_a_thousand_look_ups_and_a_circle_end() -> None:
    async with AsyncInternet() as net:
        hub = await net.hub("b.test")
        await hub.add_account("bob@b.test")
        for n in range(50):
            net.dns.zone[f"s{n}.a.test", "TXT"] = [
                f'"v=spf1 include:s{n + 1}.a.test include:s{(n + 2) % 50}.a.test ?all"'
            ]
        net.dns.zone["a.test", "TXT"] = ['"v=spf1 include:s0.a.test -all"']
        await post(net, hub.host, hub.port("smtp"), "ann@a.test", "127.0.9.2")
        assert "spf=permerror" in (await hub.expect(to="bob@b.test")).headers["X-Mailhub-Verdict"]
        assert sum(net.dns.asked.values()) < 30
