"""DMARC: the tree walk, alignment, policies, and what becomes of a message in a whole server."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from mailhub.config import schema
from mailhub.message.dmarc_reporting import Finding
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Origin
from mailhub.net.resolver import NoData, NoSuchName
from mailhub.policy.check import Identity, Statement
from mailhub.policy.dmarc import Dmarc, Found, author_domains, read, walk
from mailhub.policy.dmarc_counts import DmarcCounts
from mailhub.policy.visit import Visit
from mailhub.store.api import DmarcCount
from mailhub.testing import AsyncInternet, AsyncMailHub


class Zone:
    def __init__(self, **records: str) -> None:
        self._records = {name.replace("_", "."): text for name, text in records.items()}
        self.asked: list[str] = []

    async def records(self, name: str, kind: str) -> list[str]:
        self.asked.append(name)
        domain = name.removeprefix("_dmarc.")
        if kind == "TXT" and domain in self._records:
            return [self._records[domain]]
        if kind == "A" and domain in self._records:
            raise NoData(name)
        raise NoSuchName(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("v=DMARC1; p=reject", ("reject", "reject", "reject", False)),
        ("v=DMARC1;p=none;sp=quarantine;np=reject", ("none", "quarantine", "reject", False)),
        ("v=DMARC1; p=reject; t=y", ("reject", "reject", "reject", True)),
        ("v=DMARC1; p=quarantine; pct=20", ("quarantine", "quarantine", "quarantine", True)),
        ("v=DMARC1; p=reject; pct=100; rf=afrf; ri=3600", ("reject", "reject", "reject", False)),
        ("v=DMARC1; rua=mailto:a@b.test", ("none", "none", "none", False)),
    ],
)
def test_records(text: str, told: tuple[str, str, str, bool]) -> None:
    record = read(text)
    assert record is not None
    assert (record.policy, record.subdomains, record.nonexistent, record.testing) == told


@pytest.mark.parametrize(
    "text", ["v=spf1 -all", "p=reject; v=DMARC1", "v=DMARC2; p=reject", "v=DMARC1", "v=DMARC1; p=perhaps", ""]
)
def test_what_is_no_record(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("zone", "domain", "organization", "place"),
    [
        ({"example_test": "v=DMARC1; p=none"}, "a.mail.example.test", "example.test", "example.test"),
        ({"mail_example_test": "v=DMARC1; p=none", "example_test": "v=DMARC1; p=none"}, "mail.example.test", "example.test", "mail.example.test"),
        ({"co_test": "v=DMARC1; p=reject; psd=y"}, "a.b.co.test", "b.co.test", "co.test"),
        ({"b_co_test": "v=DMARC1; p=none", "co_test": "v=DMARC1; p=reject; psd=y"}, "a.b.co.test", "b.co.test", "b.co.test"),
        ({"dep_example_test": "v=DMARC1; p=none; psd=n", "example_test": "v=DMARC1; p=none"}, "x.dep.example.test", "dep.example.test", "dep.example.test"),
        ({}, "example.test", "example.test", ""),
    ],
)  # fmt: skip
async def test_the_walk(zone: dict[str, str], domain: str, organization: str, place: str) -> None:
    found = await walk(Zone(**zone), domain)  # type: ignore[arg-type]
    assert (found.organization, found.place) == (organization, place)


async def test_a_long_name_costs_eight_questions() -> None:
    zone = Zone()
    await walk(zone, ".".join(["a"] * 100 + ["test"]))  # type: ignore[arg-type]
    assert len(zone.asked) == 8


class Counted:
    def __init__(self) -> None:
        self.rows: list[DmarcCount] = []

    async def add(self, counts: Mapping[DmarcCount, int], limit: int, domain_limit: int) -> None:
        self.rows += counts


async def test_what_strangers_write_is_counted_whatever_it_is() -> None:
    """Octets that are no text, and names without end; results that passed come first, as many as a report may have."""
    store = Counted()
    counts = DmarcCounts(store, VirtualClock(0.0), 10, 10)  # type: ignore[arg-type]
    check = Dmarc(schema.Dmarc(), (), Zone(), counts)  # type: ignore[arg-type]
    visit = Visit(Origin(client="192.0.2.1"), "smtp", None, None)  # type: ignore[arg-type]
    visit.sender = "x@\udcff" + "y" * 1_000
    signatures = [Identity("dkim", "d.test", "fail", "\udcff" * 1_000)] * 20 + [Identity("dkim", "d.test", "pass", "s")]
    visit.statements["dkim"] = Statement("pass", identities=tuple(signatures))
    record = read("v=DMARC1; p=none; rua=mailto:a@b.test")
    check._count(visit, Found("a.test", "a.test", record, "a.test"), "a.test", {}, "none")
    await counts.flush()
    ((row),) = store.rows
    found = msgspec.json.decode(row.found, type=Finding)
    assert (found.envelope_from, found.methods[0].result, len(found.methods)) == ("?" + "y" * 254, "pass", 10)
    assert found.methods[1].detail == "?" * 100


def test_authors() -> None:
    assert author_domains(b'From: "a@x.test" <Ann@A.test>\r\nTo: b@b.test\r\n') == {"a.test"}
    assert author_domains(b"From: a@a.test, b@b.test\r\n") == {"a.test", "b.test"}
    assert author_domains("From: a@münchen.test\r\n".encode()) == {"xn--mnchen-3ya.test"}
    assert author_domains(b"Subject: x\r\n") == set()


# --- in a whole server ---

STRANGER, OWN = "127.0.9.2", "127.0.9.1"


async def post(hub: AsyncMailHub, source: str, author: str = "ann@a.test") -> tuple[int, str]:
    """From a client at that address."""
    reader, writer = await asyncio.open_connection(hub.host, hub.port("smtp"), local_addr=(source, 0))
    await reader.readline()
    said = ""
    for line in (
        "HELO x.test",
        "MAIL FROM:<ann@a.test>",
        "RCPT TO:<bob@b.test>",
        "DATA",
        f"From: {author}\r\nSubject: x\r\n\r\n.",
    ):
        writer.write(f"{line}\r\n".encode())
        said = (await reader.readline()).decode().strip()
    writer.close()
    return int(said[:3]), said[4:]


async def landed(source: str, record: str, author: str = "ann@a.test", **options: object) -> tuple[str, str]:
    """The folder it lies in, and the result; or the refusal."""
    async with AsyncInternet() as net:
        hub = await net.hub("b.test", **options)
        await hub.add_account("bob@b.test")
        net.dns.zone["a.test", "TXT"] = [f'"v=spf1 ip4:{OWN} -all"']
        net.dns.zone["_dmarc.a.test", "TXT"] = [f'"{record}"']
        code, said = await post(hub, source, author)
        if code != 250:
            return str(code), said
        message = await hub.expect(to="bob@b.test")
        (result,) = message.headers.all("Authentication-Results")
        return message.folder, next(word for word in result.split() if word.startswith("dmarc="))


async def test_a_sender_of_the_domain_passes() -> None:
    assert await landed(OWN, "v=DMARC1; p=reject") == ("INBOX", "dmarc=pass")


@pytest.mark.parametrize(
    ("record", "folder"),
    [("v=DMARC1; p=none", "Junk"), ("v=DMARC1; p=quarantine", "Junk"), ("v=DMARC1; p=reject", "Junk")],
)
async def test_a_stranger_fails(record: str, folder: str) -> None:
    """Also where nothing is asked for: SPF has failed, too, and the sum is what Junk begins with."""
    assert await landed(STRANGER, record) == (folder, "dmarc=fail")


async def test_a_failure_alone_is_what_the_domain_asks_for() -> None:
    spf = schema.Spf(fail_score=0.0)
    assert await landed(STRANGER, "v=DMARC1; p=none", spf=spf) == ("INBOX", "dmarc=fail")
    assert await landed(STRANGER, "v=DMARC1; p=quarantine; t=y", spf=spf) == ("INBOX", "dmarc=fail")
    assert await landed(STRANGER, "v=DMARC1; p=quarantine", spf=spf) == ("Junk", "dmarc=fail")


async def test_a_refusal_where_the_operator_wants_it() -> None:
    code, said = await landed(STRANGER, "v=DMARC1; p=reject", dmarc=schema.Dmarc(reject="reject"))
    assert (code, said) == ("550", "5.7.1 DMARC: nothing speaks for a.test, which asks for reject")


async def test_more_than_one_author_s_domain_is_no_author() -> None:
    folder, result = await landed(OWN, "v=DMARC1; p=reject", "ann@a.test, eve@c.test")
    assert (folder, result) == ("INBOX", "dmarc=permerror")
