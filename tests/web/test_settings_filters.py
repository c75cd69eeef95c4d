"""Filters, the reply for absences and forwards by HTTP, and what the next mail makes of them."""

from collections.abc import AsyncIterator
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from support.hubs import send
from support.letters import letter
from support.webmail import ANN, BOB, Browser, Site, site

from mailhub.model.clock import VirtualClock

NOW = 1_800_000_000.0  # 2027-01-15
EMPTY = {
    "rules": [],
    "absence": {"enabled": False, "subject": "", "text": "", "days": 7, "since": "", "until": "", "zone": "+0000"},
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, VirtualClock(NOW)) as made:
        yield made


def rule(*actions: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"name": "r", "conditions": [{"what": "subject", "how": "contains", "value": "offer"}], "actions": list(actions), **more}  # fmt: skip


async def kept(
    browser: Browser, *rules: dict[str, Any], status: int = 200, replace: bool = False, **absence: Any
) -> Any:
    form = {"rules": list(rules), "absence": absence}
    return await browser.own("PUT", "filters", status, json={"form": form, "replace": replace})


async def mail(here: Site, subject: str, to: str = ANN) -> None:
    await send(here.hub, BOB, to, letter(subject).as_bytes(policy=SMTP))
    await here.hub.queue.idle()


async def folders(browser: Browser) -> dict[str, tuple[int, int]]:
    """Messages and unread ones, where there are any."""
    return {
        one["name"]: (one["messages"], one["unread"]) for one in await browser.own("GET", "folders") if one["messages"]
    }


async def test_a_filter_is_obeyed_by_the_next_mail(here: Site) -> None:
    ann = await here.signed_in()
    assert await ann.own("GET", "filters") == {"form": EMPTY, "script": "", "by_hand": None}
    move = {"what": "move", "value": "Shops.Offers 报价"}
    told = await kept(ann, rule(move, {"what": "read"}, {"what": "label", "value": "Shop"}, {"what": "stop"}))
    assert told == await ann.own("GET", "filters")
    assert 'fileinto :create "Shops.Offers 报价";' in told["script"]
    await mail(here, "An offer")
    await mail(here, "Other")
    assert await folders(ann) == {"INBOX": (1, 1), "Shops.Offers 报价": (1, 0)}
    (shop,) = [one for one in await ann.own("GET", "folders") if one["name"].startswith("Shops.O")]
    assert "Shop" in shop["labels"]
    await kept(ann, rule({"what": "discard"}))
    await mail(here, "Next offer")
    assert await folders(ann) == {"INBOX": (1, 1), "Shops.Offers 报价": (1, 0)}
    await kept(ann)
    await mail(here, "Last offer")
    assert (await folders(ann))["INBOX"] == (2, 2)


async def test_forwarded_refused_and_answered(here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    away = {"enabled": True, "subject": "Away", "text": "Back\nsoon", "since": "2027-01-15", "until": "2027-01-15"}
    await kept(ann, rule({"what": "reject", "value": 'No "offers" here'}), **away)
    await mail(here, "An offer")
    await mail(here, "Hello")
    subjects = [row["subject"] for row in (await bob.own("GET", "folders/INBOX/messages"))["messages"]]
    assert len(subjects) == 2, "the refusal, and the reply to the other"
    assert "Away" in subjects
    assert await folders(ann) == {"INBOX": (1, 1)}
    later = {**away, "since": "2027-01-16", "until": "", "subject": "Another"}
    await kept(ann, rule({"what": "redirect", "value": BOB}), **later)
    await mail(here, "Second offer")
    subjects = [row["subject"] for row in (await bob.own("GET", "folders/INBOX/messages"))["messages"]]
    assert "Second offer" in subjects
    assert "Another" not in subjects, "not yet"
    assert await folders(ann) == {"INBOX": (1, 1)}


async def test_what_was_written_by_hand_is_not_overwritten_unasked(here: Site) -> None:
    ann = await here.signed_in()
    await here.hub.scripts.put(ANN, "mine", b"discard;\r\n")
    await here.hub.scripts.activate(ANN, "mine")
    told = await ann.own("GET", "filters")
    assert told == {"form": EMPTY, "script": "", "by_hand": {"name": "mine", "text": "discard;\r\n"}}
    await kept(ann, rule({"what": "star"}), status=409)
    await mail(here, "An offer")
    assert await folders(ann) == {}, "it is in force still"
    assert (await kept(ann, rule({"what": "star"}), replace=True))["by_hand"] is None
    await mail(here, "An offer")
    assert await folders(ann) == {"INBOX": (1, 1)}
    assert await here.hub.scripts.get(ANN, "mine") == b"discard;\r\n"
    ours = await here.hub.scripts.get(ANN, "webmail")
    await here.hub.scripts.put(ANN, "webmail", ours + b"keep;\r\n")
    told = await ann.own("GET", "filters")
    assert told["by_hand"]["name"] == "webmail"
    assert told["by_hand"]["text"].endswith("keep;\r\n")
    await kept(ann, status=409)
    await kept(ann, replace=True)


async def test_the_script_is_shown_before_it_is_kept(here: Site) -> None:
    ann = await here.signed_in()
    told = await ann.own("POST", "filters/script", json={"rules": [rule({"what": "stop"})]})
    assert told["script"].endswith('if header :contains "subject" "offer" {\r\n  stop;\r\n}\r\n')
    assert (await ann.own("GET", "filters"))["script"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": [rule({"what": "stop"}, name='x\r\n discard;')]},
        {"rules": [rule({"what": "forward", "value": "|sh@x.test"})]},
        {"rules": [rule({"what": "exec", "value": "x"})]},
        {"rules": [rule()]},
        {"rules": [rule({"what": "stop"})] * 101},
        {"rules": [rule(*[{"what": "stop"}] * 11)]},
        {"rules": [rule({"what": "stop"}, conditions=[{"what": "subject", "how": "is", "value": "x"}] * 21)]},
        {"rules": [rule({"what": "stop"}, conditions=[{"what": "subject", "how": "is", "value": "x" * 501}])]},
        {"rules": [rule({"what": "reject", "value": "安" * 2_000})] * 30},
        {"absence": {"enabled": True, "text": "x" * 8_001}},
        {"absence": {"enabled": True, "text": "x", "zone": '" {'}},
        {"absence": {"enabled": True, "text": "x", "days": 0}},
    ],
    ids=lambda wrong: str(wrong)[:60],
)  # fmt: skip
async def test_no_form(here: Site, wrong: dict[str, Any]) -> None:
    ann = await here.signed_in()
    await ann.own("PUT", "filters", 400, json={"form": wrong})
    await ann.own("POST", "filters/script", 400, json=wrong)
    assert await here.hub.scripts.list(ANN) == []


async def test_mail_goes_on(here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    assert await ann.own("GET", "forward") == {"address": ANN, "targets": [], "keep": True}
    told = await ann.own("PUT", "forward", json={"targets": [BOB], "keep": True})
    assert told == {"address": ANN, "targets": [BOB], "keep": True}
    await mail(here, "Both")
    assert (await folders(ann), await folders(bob)) == ({"INBOX": (1, 1)}, {"INBOX": (1, 1)})
    await ann.own("PUT", "forward", json={"targets": [BOB], "keep": False})
    await mail(here, "Bob alone")
    assert (await folders(ann), await folders(bob)) == ({"INBOX": (1, 1)}, {"INBOX": (2, 2)})
    await ann.own("PUT", "forward", json={})
    await mail(here, "Ann alone")
    assert (await folders(ann), await folders(bob)) == ({"INBOX": (2, 2)}, {"INBOX": (2, 2)})


async def test_mail_goes_to_addresses_only(here: Site) -> None:
    ann = await here.signed_in()
    for wrong in ("|/bin/sh@x.test", "/etc/x@y.test", "x", "a@b.test\r\nc@d.test", "a@b_c.test"):
        await ann.own("PUT", "forward", 400, json={"targets": [wrong]})
    await ann.own("PUT", "forward", 400, json={"targets": [f"a{n}@b.test" for n in range(21)]})
    await here.hub.directory.set_alias(ANN, ["|report@x.test"])
    await ann.own("PUT", "forward", 403, json={"targets": []})


async def test_changes_need_the_token_and_an_account(here: Site) -> None:
    ann, stranger = await here.signed_in(), await here.browser()
    for method, path, told in (
        ("PUT", "filters", {"form": {}}),
        ("POST", "filters/script", {}),
        ("PUT", "forward", {}),
    ):
        await ann.own(method, path, 403, json=told, headers={"X-CSRF-Token": "another"})
        await ann.own(method, path, 403, json=told, headers={"Sec-Fetch-Site": "cross-site"})
        await stranger.own(method, path, 401, json=told)
    await kept(ann, rule({"what": "star"}))
    bob = await here.signed_in(BOB)
    assert (await bob.own("GET", "filters"))["script"] == ""
