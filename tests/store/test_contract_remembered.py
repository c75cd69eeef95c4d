"""What is remembered of clients, accounts, other domains and programs: the same on either store."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from mailhub.model.errors import Exists, LimitReached, NotFound
from mailhub.store.api import (
    Attempts,
    BanRow,
    DkimKey,
    DmarcCount,
    Notice,
    StsRow,
    TlsCount,
    TokenRow,
    WebhookCount,
)

ANN, BOB = "ann@a.test", "bob@a.test"


# --- the guard


async def test_bans(store: Any) -> None:
    one = BanRow("192.0.2.1/32", "errors", 1.5, 2.5)
    two = BanRow("2001:db8::/64", "guesses", 1.0, 9.0, 3, "a né")
    await store.guard.put_bans([one, two], [])
    again = replace(one, strikes=2, until=99.0)
    await store.guard.put_bans([again], ["203.0.113.0/24"])
    assert sorted(await store.guard.bans(), key=str) == sorted([again, two], key=str)
    await store.guard.put_bans([], [two.network])
    assert await store.guard.bans() == [again]
    await store.guard.put_bans([replace(two, since=7.0)], [])
    assert await store.guard.bans(6.5) == [replace(two, since=7.0)]


async def test_what_an_account_sent_is_added_up_by_day(store: Any) -> None:
    await asyncio.gather(*(store.guard.add_sent(ANN, 7, 2, 1, [b"%d" % n], 100) for n in range(10)))
    assert await store.guard.sent(ANN, 7) == (20, 10)
    assert await store.guard.sent(BOB, 7) == await store.guard.sent(ANN, 6) == (0, 0)
    await store.guard.add_sent(ANN, 8, 1, 0, [], 100)
    assert await store.guard.sent(ANN, 7) == (0, 0)


async def test_those_written_to_last_are_remembered(store: Any) -> None:
    for day in range(4):
        await store.guard.add_sent(ANN, day, 1, 1, [b"old"] + [b"%d.%d" % (day, n) for n in range(300)], 400)
    known = [(day, n) for day in range(4) for n in range(300) if await store.guard.wrote_to(ANN, b"%d.%d" % (day, n))]
    assert len(known) == 399
    assert sum(day == 3 for day, _ in known) == 300
    assert await store.guard.wrote_to(ANN, b"old")
    assert not await store.guard.wrote_to(BOB, b"old")


# --- greylisting


async def test_attempts(store: Any) -> None:
    for passes in (0, 3):
        await store.greylist.put(b"\0x'", Attempts(1.0, passes, 9.0), 2.0, 10)
        assert await store.greylist.find(b"\0x'") == Attempts(1.0, passes, 9.0)
    assert await store.greylist.find(b"\0x'\0") is None


async def test_attempts_are_forgotten_in_time_and_beyond_the_limit(store: Any) -> None:
    for n in range(20):
        await store.greylist.put(b"%d" % n, Attempts(1.0, 0, 100.0 + n), 2.0, 10)
    kept = [n for n in range(20) if await store.greylist.find(b"%d" % n)]
    assert kept == list(range(10, 20))
    await store.greylist.put(b"late", Attempts(1.0, 0, 500.0), 115.5, 10)
    assert [n for n in range(20) if await store.greylist.find(b"%d" % n)] == [16, 17, 18, 19]
    await store.greylist.put(b"soon", Attempts(1.0, 0, 115.6), 115.5, 5)
    assert await store.greylist.find(b"soon") is not None, "what was put now stays"


# --- our own keys and tokens


async def test_keys_of_a_domain(store: Any) -> None:
    new = [DkimKey("a.test", f"s{kind[0]}", kind, b"\0pem\xff", "new", 5.0) for kind in ("rsa", "ed25519")]
    old = DkimKey("a.test", "old", "rsa", b"pem", "active", 1.0)
    store.dkim.none()
    await store.dkim.put([old])
    assert not store.dkim.none()
    await store.dkim.put([*new, replace(old, domain="b.test")])
    assert await store.dkim.of("a.test") == [old, new[1], new[0]]
    assert await store.dkim.of("A.test") == []
    assert await store.dkim.domains() == ["a.test", "b.test"]
    await store.dkim.remove("a.test", "old")
    with pytest.raises(NotFound):
        await store.dkim.remove("a.test", "old")
    await store.dkim.change([replace(old, state="retired"), replace(new[0], state="active", since=9.0)])
    assert await store.dkim.of("a.test") == [new[1], replace(new[0], state="active", since=9.0)]


async def test_tokens(store: Any) -> None:
    one = TokenRow("monitor é", "ab" * 32, ("queue:read",), 1.5, 99.0, maker="ö@a.test")
    await store.tokens.put(one, 2)
    with pytest.raises(Exists):
        await store.tokens.put(replace(one, digest="x"), 2)
    other = replace(one, name="Monitor é", digest="cd" * 32)
    await store.tokens.put(other, 2)
    with pytest.raises(LimitReached):
        await store.tokens.put(replace(one, name="third", digest="x"), 2)
    assert await store.tokens.page() == [other, one]
    await store.tokens.use("monitor é", 8.0, "192.0.2.1")
    assert await store.tokens.found("ab" * 32) == replace(one, used=8.0, client="192.0.2.1")
    assert await store.tokens.found("AB" * 32) is None
    await store.tokens.remove("monitor é")
    with pytest.raises(NotFound):
        await store.tokens.remove("monitor é")


async def test_tokens_that_come_at_one_time_keep_their_limit(store: Any) -> None:
    rows = [TokenRow(f"{n}", f"{n}", (), 1.0) for n in range(10)]
    made = await asyncio.gather(*(store.tokens.put(row, 3) for row in rows), return_exceptions=True)
    assert made.count(None) == 3


# --- what was found of others


async def test_counts_for_dmarc_reports(store: Any) -> None:
    found = '{"policy": "' + "x" * 4_000 + '"}'
    counts = {
        DmarcCount(5, "far.test", found): 2,
        DmarcCount(5, "far.test", found + "y"): 1,
        DmarcCount(6, "b.test", "z"): 1,
    }
    await store.dmarc.add(counts, 10, 10)
    await store.dmarc.add(counts, 10, 10)
    assert await store.dmarc.counts(5, "far.test") == [(found, 4), (found + "y", 2)]
    assert await store.dmarc.reportable(7, (0, ""), 10) == [(5, "far.test"), (6, "b.test")]
    assert await store.dmarc.reportable(6, (0, ""), 10) == [(5, "far.test")]
    assert await store.dmarc.reportable(7, (5, "far.test"), 10) == [(6, "b.test")]
    assert await store.dmarc.reportable(7, (5, "a"), 1) == [(5, "far.test")]
    await store.dmarc.remove(5, "far.test")
    assert await store.dmarc.counts(5, "far.test") == []


async def test_rows_for_dmarc_reports_are_bounded(store: Any) -> None:
    await store.dmarc.add({DmarcCount(5, "far.test", f"{n}"): 1 for n in range(9)}, 6, 4)
    assert len(await store.dmarc.counts(5, "far.test")) == 4
    await store.dmarc.add({DmarcCount(5, f"{n}.test", "x"): 1 for n in range(9)}, 6, 4)
    assert len(await store.dmarc.reportable(9, (0, ""), 50)) == 3
    await store.dmarc.add({DmarcCount(6, "far.test", "x"): 1}, 6, 4)
    assert len(await store.dmarc.counts(6, "far.test")) == 1


def sts(domain: str, fetched: float) -> StsRow:
    return StsRow(domain, "20260101", "version: STSv1\nmode: enforce", fetched, fetched + 100)


async def test_policies_of_other_domains(store: Any) -> None:
    await store.tls.put_sts(sts("far.test", 1.0), 10)
    await store.tls.put_sts(sts("far.test", 2.0), 10)
    await store.tls.put_sts(sts("near.test", 60.0), 10)
    assert await store.tls.sts("far.test") == sts("far.test", 2.0)
    assert await store.tls.sts("FAR.test") is None
    assert await store.tls.aged_sts(52.0, "", 10) == [sts("far.test", 2.0)]
    assert await store.tls.aged_sts(51.9, "", 10) == await store.tls.aged_sts(52.0, "far.test", 10) == []
    await store.tls.remove_sts("far.test")
    assert await store.tls.sts("far.test") is None
    for n in range(20):
        await store.tls.put_sts(sts(f"{n:02}.test", 100.0 + n), 5)
    left = [row.domain for row in await store.tls.aged_sts(1e9, "", 50)]
    assert "19.test" in left
    assert len(left) <= 5
    assert "near.test" not in left


async def test_sessions_for_tls_reports(store: Any) -> None:
    one = TlsCount(5, "far.test", "sts", "p" * 5_000)
    failed = replace(one, result="certificate-expired", host="mx.far.test", address="192.0.2.1", detail="é")
    await store.tls.add_sessions({one: 3, failed: 1}, 10)
    await store.tls.add_sessions({one: 4, replace(one, day=6): 1}, 10)
    assert await store.tls.sessions(5, "far.test") == {one: 7, failed: 1}
    assert await store.tls.reportable(7, (0, ""), 10) == [(5, "far.test"), (6, "far.test")]
    assert await store.tls.reportable(7, (5, "far.test"), 10) == [(6, "far.test")]
    await store.tls.remove_sessions(5, "far.test")
    assert await store.tls.sessions(5, "far.test") == {}
    await store.tls.add_sessions({replace(one, host=f"{n}"): 1 for n in range(9)}, 4)
    assert len(await store.tls.sessions(5, "far.test")) == 4


# --- webhooks


def notice(event: str, at: float = 1.0, *hooks: str) -> Notice:
    return Notice(0, tuple((hook, 50) for hook in hooks or ("crm",)), event, at, b"\0{}\xff")


async def test_an_event_waits_once_for_each_hook(store: Any) -> None:
    await store.webhooks.tell(notice("e1", 1.0, "crm", "other"))
    await store.webhooks.tell(notice("e1", 1.0, "crm", "other"))
    await store.webhooks.tell(notice("e2", 2.0))
    assert await store.webhooks.counts() == [WebhookCount("crm", 2, 1.0, ""), WebhookCount("other", 1, 1.0, "")]
    assert await store.webhooks.next_due("crm") == 1.0
    assert await store.webhooks.next_due("none") is None
    assert await store.webhooks.due("crm", 0.5, 10) == []
    (first,) = await store.webhooks.due("crm", 5.0, 1)
    assert (first.hook, first.event, first.at, first.attempts, first.body) == ("crm", "e1", 1.0, 0, b"\0{}\xff")
    await store.webhooks.put_off(first, 30.0, "500 né")
    (second,) = await store.webhooks.due("crm", 5.0, 10)
    assert second.event == "e2"
    await store.webhooks.taken([second.id])
    await store.webhooks.taken([])
    assert await store.webhooks.next_due("crm") == 30.0
    ((again),) = await store.webhooks.due("crm", 30.0, 10)
    assert (again.attempts, again.said) == (1, "500 né")
    assert await store.webhooks.counts() == [WebhookCount("crm", 1, 1.0, "500 né"), WebhookCount("other", 1, 1.0, "")]


async def test_too_many_events_lose_the_oldest(store: Any) -> None:
    for n in range(300):
        await store.webhooks.tell(notice(f"{n}", float(n)))
    (crm,) = await store.webhooks.counts()
    assert 50 <= crm.waiting <= 50 + 101
    assert crm.oldest == 300 - crm.waiting


async def test_what_waits_for_nobody_goes(store: Any) -> None:
    await store.webhooks.tell(notice("e1", 1.0, "crm", "other"))
    assert await store.webhooks.forget(["crm", "new"]) == 1
    assert [count.hook for count in await store.webhooks.counts()] == ["crm"]
    assert await store.webhooks.forget([]) == 1
    assert await store.webhooks.counts() == []
