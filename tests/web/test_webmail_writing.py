"""Drafts, files that are carried along, what is quoted, addresses completed, lists left: by HTTP."""

import base64
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from support.hubs import messages, send
from support.letters import PNG, give, letter, rich
from support.webmail import ANN, BOB, Browser, Site, site

PICTURE = f'<p>Look<img src="data:image/png;base64,{base64.b64encode(PNG).decode()}"></p>'


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def whole(ann: Browser, folder: str, uid: int) -> EmailMessage:
    async with ann.http.get(ann.root + f"/api/mailhub/v1/own/folders/{folder}/messages/{uid}/raw") as answer:
        return email.message_from_bytes(await answer.read(), policy=email.policy.default)


async def drafts(ann: Browser) -> Any:
    return (await ann.own("GET", "folders/Drafts/messages"))["messages"]


async def test_a_draft_is_kept_in_place_of_the_one_before_with_its_files(here: Site) -> None:
    ann = await here.signed_in()
    first = await ann.own("POST", "drafts", json={"to": ["bob@"], "subject": "So", "text": "far"})
    assert [row["flags"] for row in await drafts(ann)] == [["\\Seen", "\\Draft"]]
    file = {"name": "a.txt", "type": "text/plain", "content": base64.b64encode(b"the file").decode()}
    second = await ann.own(
        "POST", "drafts",
        json={"to": [BOB], "bcc": ["Z <z@far.example>"], "subject": "So", "html": PICTURE, "attachments": [file], "draft": first["uid"]},
    )  # fmt: skip
    assert [row["uid"] for row in await drafts(ann)] == [second["uid"]]
    assert [(one["name"], one["inline"]) for one in second["files"]] == [
        ("picture-1.png", True),
        ("a.txt", False),
    ]
    kept = await whole(ann, "Drafts", second["uid"])
    assert (kept["To"], kept["Bcc"], kept["Subject"]) == (BOB, "Z <z@far.example>", "So")
    section = next(one["section"] for one in second["files"] if one["name"] == "a.txt")
    carried = [{"folder": second["folder"], "uid": second["uid"], "section": section}]
    third = await ann.own("POST", "drafts", json={"to": [BOB], "text": "t", "carried": carried, "draft": second["uid"]})
    assert [one["name"] for one in third["files"]] == ["a.txt"]
    assert (await ann.own("DELETE", f"drafts/{third['uid']}"))["count"] == 1
    assert (await ann.own("DELETE", f"drafts/{third['uid']}"))["count"] == 0
    assert await drafts(ann) == []


async def test_sending_marks_what_is_answered_and_takes_the_draft_away(here: Site) -> None:
    await give(here, rich())
    ann = await here.signed_in()
    told = await ann.own("GET", "folders/INBOX/messages/1")
    pdf = next(one for one in told["files"] if one["type"] == "application/pdf")
    draft = await ann.own("POST", "drafts", json={"to": [BOB], "text": "x"})
    await ann.own(
        "POST", "sent",
        json={
            "to": [BOB], "subject": "Re: Report", "html": PICTURE, "draft": draft["uid"],
            "carried": [{"folder": "INBOX", "uid": 1, "section": pdf["section"]}, {"folder": "INBOX", "uid": 1}],
            "answers": {"folder": told["folder"], "uid": 1},
        },
    )  # fmt: skip
    came = email.message_from_bytes((await messages(here.hub, BOB))[0], policy=email.policy.default)
    kinds = [part.get_content_type() for part in came.walk()]
    assert "image/png" in kinds
    assert "application/pdf" in kinds
    assert "message/rfc822" in kinds
    assert "data:" not in came.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert (await ann.own("GET", "folders/INBOX/messages"))["messages"][0]["flags"] == ["\\Answered"]
    assert await drafts(ann) == []


async def test_only_parts_of_the_own_folders_go_along(here: Site) -> None:
    await give(here, rich())
    folder = (await (await here.signed_in()).own("GET", "folders"))[0]["id"]
    bob = await here.signed_in(BOB)
    for place in (
        {"folder": folder, "uid": 1},
        {"folder": "INBOX", "uid": 1},
        {"folder": "../x", "uid": 1, "section": "1"},
    ):
        await bob.own("POST", "sent", 404, json={"to": [ANN], "text": "x", "carried": [place]})
        await bob.own("POST", "drafts", 404, json={"to": [ANN], "text": "x", "carried": [place]})
    for wrong in (
        {"folder": "INBOX", "uid": 0},
        {"folder": "", "uid": 1},
        {"folder": "INBOX"},
        {"folder": "INBOX", "uid": 1, "path": "x"},
    ):
        await bob.own("POST", "sent", 400, json={"to": [ANN], "text": "x", "carried": [wrong]})
    nobody = await here.browser()
    await nobody.own("POST", "drafts", 401, json={"text": "x"})


async def test_what_is_quoted_is_clean(here: Site) -> None:
    await give(here, rich(), letter("Plain", "<b>no</b>\n"))
    ann = await here.signed_in()
    quoted = await ann.own("GET", "folders/INBOX/messages/1/quoted")
    assert "data:image/png" in quoted["html"]
    assert "far.example" not in quoted["html"]
    assert (await ann.own("GET", "folders/INBOX/messages/2/quoted")) == {"html": "", "text": "<b>no</b>\n"}


async def test_addresses_are_completed_those_written_to_first(here: Site) -> None:
    await give(here, letter("a", sender="Beth <beth@far.example>"), letter("b", sender="Bea Bing <bea@far.example>"))
    ann = await here.signed_in()
    assert [one["address"] for one in await ann.own("GET", "contacts", params={"q": "be"})] == [
        "beth@far.example",
        "bea@far.example",
    ]
    await ann.own("POST", "sent", json={"to": ["Bea Bing <bea@far.example>", BOB], "text": "x"})
    await here.hub.queue.idle()
    assert next(one["address"] for one in await ann.own("GET", "contacts", params={"q": "b"})) == "bea@far.example"
    assert await ann.own("GET", "contacts", params={"q": "bing"}) == [
        {"name": "Bea Bing", "address": "bea@far.example"}
    ]
    assert await ann.own("GET", "contacts", params={"q": "x" * 5_000}) == []


async def test_a_list_is_not_left_at_an_address_within(here: Site) -> None:
    inside = letter(
        "News", List_Unsubscribe="<https://127.0.0.1:1/u>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"
    )
    await give(here, inside, letter("None"), letter("By mail", List_Unsubscribe="<mailto:leave@list.example>"))
    ann = await here.signed_in()
    refused = await ann.own("POST", "folders/INBOX/messages/1/unsubscribe", 503)
    assert "no public address" in refused["error"]
    await ann.own("POST", "folders/INBOX/messages/2/unsubscribe", 400)
    await ann.own("POST", "folders/INBOX/messages/3/unsubscribe", 400)
    told = await ann.own("GET", "folders/INBOX/messages/3")
    assert told["unsubscribe"] == {"url": "mailto:leave@list.example", "one_click": False}


async def test_a_message_for_its_sender_only_by_his_own_browser(here: Site) -> None:
    await send(here.hub, BOB, ANN, letter("x").as_bytes(policy=SMTP))
    await here.hub.queue.idle()
    ann = await here.signed_in()
    await ann.own("POST", "drafts", 403, headers={"X-CSRF-Token": "another"}, json={"text": "x"})


async def test_a_receipt_is_asked_for(here: Site) -> None:
    ann = await here.signed_in()
    await ann.own("POST", "sent", json={"to": [BOB], "text": "x", "receipt": True})
    came = email.message_from_bytes((await messages(here.hub, BOB))[0], policy=email.policy.default)
    assert came["Disposition-Notification-To"] == ANN
