"""No message makes a check raise or run past its bound: real ones, odd ones, ones that chance has changed, and ones that ask for a thousand
look-ups or parts."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from support.mailbox_room import MailboxRoom, mailbox_room
from support.odd_mail import messages

from mailhub.config import schema
from mailhub.config.lookup import read as read_table
from mailhub.mailbox.junk import JunkFilter
from mailhub.model.clock import SystemClock
from mailhub.model.envelope import Origin
from mailhub.model.verdict import Verdict
from mailhub.net.resolver import DnsResolver
from mailhub.policy.arc import Arc
from mailhub.policy.attachments import Attachments
from mailhub.policy.caller import Caller
from mailhub.policy.content_tables import ContentTables, edited
from mailhub.policy.dkim import Dkim
from mailhub.policy.dmarc import Dmarc
from mailhub.policy.dnsbl import Dnsbl
from mailhub.policy.greylist import Greylist
from mailhub.policy.inspection import Inspection
from mailhub.policy.intake import BodyIntake
from mailhub.policy.iprev import Iprev
from mailhub.policy.junk import Junk
from mailhub.policy.letter import Letter
from mailhub.policy.spf import Spf
from mailhub.policy.visit import Visit
from mailhub.store.bodies import SpoolWriter
from mailhub.tables import Tables
from mailhub.testing.dns import DnsServer

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "messages"
CLIENT = "198.41.0.4"  # of the Internet, as lists want it
CHECKS = """
/^subject:.*[aeiou]/ PREPEND X-Vowel: yes
/^x-/ IGNORE
/^content-type:/ REPLACE Content-Type: text/plain
/^(from|to):/ WARN
/e/ REPLACE E
/o/ PREPEND o
/q/ STRIP
/zzz/ REJECT
"""
LIMIT = 20.0  # seconds of each check, none of which comes near it


@dataclass
class World:
    room: MailboxRoom
    inspection: Inspection
    tables: ContentTables

    async def judged(self, data: bytes, sender: str = "x@far.test") -> tuple[Verdict, bytes]:
        queue = self.room.store.queue
        writer = queue.body_writer()
        assert isinstance(writer, SpoolWriter)
        intake = BodyIntake(writer)
        intake.feed(data)
        body = await intake.finish()
        visit = Visit(Origin("ESMTP", CLIENT, "far.test"), "smtp", None, Caller(CLIENT, None))
        visit.sender, visit.recipient = sender, "alice@mailhub.test"
        refused = await self.inspection.refusal(visit)
        assert refused is None or refused.temporary, "greylisted, and no more"
        visit.letter = letter = Letter(intake.header, intake.stored, body, queue, self.inspection.lane)  # type: ignore[arg-type]
        verdict = await self.inspection.judge(visit)
        refusal, edits = await self.tables.look(letter, visit.orders)
        assert refusal is None or refusal.permanent
        if refusal is None and edits:
            made = await edited(letter, edits, intake, queue)  # type: ignore[arg-type]
            grown = sum(len(edit.text) - (edit.end - edit.start) for edit in edits)
            assert made.size == body.size + grown
            assert grown <= len(edits) * 100
        intake.abort()
        return verdict, self.inspection.stamps(verdict, visit)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    many = ["v=spf1 " + " ".join(f"include:s{n}.far.test" for n in range(1_000)) + " -all"]
    zone = {
        ("far.test", "TXT"): [f'"{many[0][:250]}" "{many[0][250:500]}"'],
        ("loop.test", "TXT"): ['"v=spf1 include:loop.test -all"'],
        ("4.0.41.198.list.test", "A"): ["127.0.0.2"],
    }
    async with mailbox_room(tmp_path) as room, DnsServer(zone) as dns:
        clock, lane = SystemClock(), room.service.lane
        resolver = DnsResolver(dns.config(), clock)
        taught = msgspec.structs.replace(schema.Junk(), min_messages=1, time_limit=LIMIT)
        learnt = JunkFilter(room.store.junk, room.store.mailboxes, taught, "mx.test", lane, clock)
        await learnt.learn("", b"Subject: junk\r\n\r\ncheap pills\r\n", True)
        await learnt.learn("", b"Subject: good\r\n\r\nthe meeting\r\n", False)

        async def nobody(recipient: str) -> str:
            return ""

        checks = (
            Spf(schema.Spf(time_limit=LIMIT), resolver, "mx.test"),
            Dkim(schema.Dkim(time_limit=LIMIT), resolver, clock, lane),
            Arc(schema.Arc(time_limit=LIMIT), resolver, lane),
            Iprev(schema.Iprev(time_limit=LIMIT)),
            Dmarc(schema.Dmarc(time_limit=LIMIT), ("a.test",), resolver),
            lists := Dnsbl(
                schema.Dnsbl(time_limit=LIMIT, sites=("list.test*1", "slow.test=127.0.0.2*2")), resolver, clock
            ),
            Greylist(schema.Greylist(time_limit=LIMIT, delay=1.0), room.store.greylist, room.store.guard, clock, lists),
            Attachments(schema.Attachments(time_limit=LIMIT)),
            Junk(taught, learnt, nobody),
        )
        config = schema.Filter(tag_score=0, junk_score=0, reject_score=0)
        (tmp_path / "checks").write_text(CHECKS)
        look = read_table(f"pcre:{tmp_path}/checks")
        tables = Tables(clock)
        yield World(
            room,
            Inspection(checks, config, "mx.test", clock, lane),
            ContentTables(schema.ContentChecks(header_checks=look, body_checks=look), tables),
        )
        tables.close()
        await resolver.close()


def broken(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """It, and three that chance has made of it."""
    yield data
    for _ in range(3):
        made = bytearray(data)
        for _ in range(chance.randrange(1, 15)):
            made[chance.randrange(len(made))] = chance.randrange(256)
        yield bytes(made[: chance.randrange(1, len(made) + 1)])


def check(verdict: Verdict, stamps: bytes) -> None:
    assert [one for one in verdict.evidence if one.result == "error"] == []
    assert {one.check for one in verdict.evidence} >= {"spf", "junk", "dnsbl"}
    lines = stamps.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert all(line[:1] in (b" ", b"\t") or b":" in line for line in lines if line)


async def test_odd_messages(world: World) -> None:
    chance = random.Random(7)
    for data in messages(7, 40):
        for one in broken(data, chance):
            check(*await world.judged(one))


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
async def test_real_messages_and_what_chance_makes_of_them(world: World) -> None:
    chance = random.Random(8)
    files = [file for file in sorted(SUITE.rglob("*")) if file.is_file() and 0 < file.stat().st_size < 60_000]
    assert len(files) > 100
    for file in files:
        for one in broken(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), chance):
            check(*await world.judged(one))


def arc_set(n: int) -> bytes:
    tags = b"a=rsa-sha256; b=AAAA; d=far.test; s=k%d; i=%d" % (n, n)
    status = b"none" if n == 1 else b"pass"
    return b"ARC-Seal: %s; cv=%s\r\nARC-Message-Signature: %s; h=from; bh=AAAA\r\n" % (
        tags,
        status,
        tags,
    ) + b"ARC-Authentication-Results: i=%d; a.test; dmarc=pass %s\r\n" % (n, b"(" * 5_000 + b")" * 5_000)


async def test_what_asks_for_much(world: World) -> None:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=far.test; s=k%d; h=from; bh=AAAA; b=AAAA\r\n"
    for data in (
        b"".join(signature % n for n in range(1_000)) + b"From: a@far.test\r\n\r\nx\r\n",
        b"From: " + b", ".join(b"a%d@far.test" % n for n in range(5_000)) + b"\r\n\r\nx\r\n",
        b"From: a@" + b".".join([b"x"] * 10_000) + b".test\r\n\r\nx\r\n",
        b"From: " + b"(" * 50_000 + b"\r\nSubject: " + b"=?utf-8?q?x?= " * 10_000 + b"\r\n\r\nx\r\n",
        b"Subject: x\r\n\r\n" + "中文".encode() * 400_000,
        b"\r\n" + b"<" * 1_000_000,
        b"".join(map(arc_set, range(1, 51))) + b"From: a@far.test\r\n\r\nx\r\n",
        b"".join(map(arc_set, range(1, 99))) + b"From: a@far.test\r\n\r\nx\r\n",
        b"ARC-Seal: i=1\r\n" * 10_000 + b"From: a@far.test\r\n\r\nx\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 10_000,
    ):
        verdict, stamps = await world.judged(data)
        check(verdict, stamps)
        assert len(stamps) < 20_000
    verdict, _ = await world.judged(b"From: a@loop.test\r\n\r\nx\r\n", "x@loop.test")
    assert verdict.result("spf") == "permerror"
