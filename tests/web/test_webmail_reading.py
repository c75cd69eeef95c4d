"""Folders and messages by HTTP: lists, searches, one message, its files, what is done with them, what is told of them."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.letters import give, letter, rich
from support.webmail import ANN, BOB, OWN, Browser, Site, site

from mailhub.model.mailbox import FlagOp


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def folders(ann: Browser) -> dict[str, Any]:
    return {one["name"]: one for one in await ann.own("GET", "folders")}


async def test_folders_are_made_renamed_shared_and_deleted(here: Site) -> None:
    ann = await here.signed_in()
    assert list(await folders(ann)) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    made = await ann.own("POST", "folders", json={"name": "Lists.Python"})
    assert (await folders(ann))["Lists.Python"] == made
    assert made["subscribed"]
    renamed = await ann.own("PATCH", f"folders/{made['id']}", json={"name": "Lists.\u4e2d\u6587"})
    assert renamed["id"] == made["id"]
    assert renamed["subscribed"]
    for wrong in ("a/b", " a", "a..b", "a\nb", ""):
        await ann.own("POST", "folders", 400, json={"name": wrong})
    await ann.own("PUT", f"folders/{made['id']}/sharing", json={"who": BOB, "rights": "lr"})
    bob = await here.signed_in(BOB)
    theirs = [one for one in await bob.own("GET", "folders") if one["owner"] == ANN]
    assert [(one["id"], one["rights"]) for one in theirs] == [(made["id"], "lr")]
    await bob.own("GET", f"folders/{made['id']}/messages")
    await bob.own("DELETE", f"folders/{made['id']}", 403)
    assert await ann.own("GET", "sharing") == [
        {"id": made["id"], "name": "Lists.中文", "grants": [{"who": BOB, "rights": "lr"}]}
    ]
    assert await (await here.signed_in(BOB)).own("GET", "sharing") == []
    await ann.own("PUT", f"folders/{made['id']}/sharing", json={"who": BOB, "rights": ""})
    assert await ann.own("GET", "sharing") == []
    await bob.own("GET", f"folders/{made['id']}/messages", 404)
    await ann.own("DELETE", f"folders/{made['id']}")
    assert "Lists.\u4e2d\u6587" not in await folders(ann)
    await ann.own("DELETE", "folders/INBOX", 400)


async def test_a_list_in_every_order_by_search_and_by_conversation(here: Site) -> None:
    first = letter("Beta", "apples", sender="zoe@far.example")
    await give(here, first, letter("alpha", "pears"), letter("Re: Beta", In_Reply_To=first["Message-ID"]), rich())
    ann = await here.signed_in()

    async def listed(**query: str) -> list[str]:
        page = await ann.own("GET", "folders/INBOX/messages", params=query)
        assert page["total"] >= len(page["messages"])
        return [one["subject"] for one in page["messages"]]

    assert await listed() == ["Report", "Re: Beta", "alpha", "Beta"]
    assert await listed(offset="1", limit="2") == ["Re: Beta", "alpha"]
    assert await listed(sort="subject", ascending="1") == ["alpha", "Beta", "Re: Beta", "Report"]
    assert await listed(sort="from") == ["Beta", "Report", "Re: Beta", "alpha"]
    assert await listed(threads="1") == ["Report", "Re: Beta", "alpha"]
    together = (await ann.own("GET", "folders/INBOX/messages", params={"threads": "1"}))["messages"][1]
    assert together["others"] == [1]
    assert together["unread"]
    assert await listed(q="from:zoe") == ["Beta"]
    assert await listed(q="apples OR pears") == ["alpha", "Beta"]
    assert await listed(q="has:attachment is:unread") == ["Report"]
    assert await listed(q='-subject:beta "pears"') == ["alpha"]
    assert await listed(q="before:2001-01-01") == []
    for wrong in (
        {"q": "before:yesterday"},
        {"q": "x" * 2_000},
        {"sort": "colour"},
        {"limit": "-1"},
        {"limit": "999"},
        {"offset": "x"},
    ):
        await ann.own("GET", "folders/INBOX/messages", 400, params=wrong)
    await ann.own("POST", "folders/INBOX/messages/delete", json={"uids": [1]})
    assert await listed(sort="subject", ascending="1", threads="1") == ["alpha", "Re: Beta", "Report"]
    await give(here, letter("Aaa"))
    assert await listed(sort="subject", ascending="1", threads="1") == ["Aaa", "alpha", "Re: Beta", "Report"]


async def test_a_message_its_frame_and_its_files(here: Site) -> None:
    await give(here, rich())
    ann = await here.signed_in()
    told = await ann.own("GET", "folders/INBOX/messages/1")
    assert (told["row"]["subject"], told["text"].strip(), told["html"], told["remote"]) == (
        "Report",
        "The numbers",
        True,
        1,
    )
    assert told["row"]["sender"] == [{"name": "Bob B.", "address": BOB}]
    kinds = {one["type"]: one for one in told["files"]}
    assert list(kinds) == ["image/png", "application/pdf", "text/html", "message/rfc822"]
    assert kinds["message/rfc822"]["name"] == "Inside.eml"
    place = "folders/INBOX/messages/1"

    frame = await ann.own("GET", place + "/html")
    policy = ann.answer.headers["Content-Security-Policy"]
    assert "data:image/png;base64," in frame
    assert "far.example" not in frame
    assert "sandbox allow-same-origin" in policy
    assert "allow-scripts" not in policy
    assert policy.endswith("img-src data:")
    assert "http://far.example/p.gif" in await ann.own("GET", place + "/html", params={"pictures": "1"})

    pdf = await ann.own("GET", f"{place}/parts/{kinds['application/pdf']['section']}")
    assert pdf == "%PDF-1.4 x"
    assert ann.answer.content_type == "application/octet-stream"
    kept = ann.answer.headers["Content-Disposition"]
    assert kept.startswith("attachment;")
    assert "/" not in kept.split("''")[0]
    assert quote("\u202e") not in kept
    await ann.own("GET", f"{place}/parts/{kinds['application/pdf']['section']}", params={"inline": "1"})
    assert ann.answer.content_type == "application/pdf"
    for section in (kinds["text/html"]["section"], kinds["message/rfc822"]["section"]):
        await ann.own("GET", f"{place}/parts/{section}", params={"inline": "1"})
        assert ann.answer.content_type == "application/octet-stream", "never a page of ours"
    await ann.own("GET", place + "/parts/9", 404)

    async with ann.http.get(here.root + OWN + place + "/files.zip") as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert archive.testzip() is None
    assert len(archive.namelist()) == 4
    assert not any("/" in name or "\\" in name for name in archive.namelist())
    async with ann.http.get(here.root + OWN + place + "/raw", params={"inline": "1"}) as answer:
        raw = await answer.read()
    assert raw.count(b"\r\n") > 50
    assert answer.content_type == "text/plain"


async def test_flags_moves_and_deletion_can_be_undone(here: Site) -> None:
    await give(here, letter("one"), letter("two"))
    ann = await here.signed_in()
    await ann.own("POST", "folders/INBOX/messages/flags", json={"uids": [1, 2, 99], "add": ["\\Seen", "Work"]})
    rows = (await ann.own("GET", "folders/INBOX/messages"))["messages"]
    assert all(set(row["flags"]) == {"\\Seen", "Work"} and not row["unread"] for row in rows)
    await ann.own("POST", "folders/INBOX/messages/flags", json={"uids": [1], "remove": ["\\Seen"]})
    assert (await folders(ann))["INBOX"]["unread"] == 1
    for wrong in ("a b", "(", "\\Odd", "\u00e4"):
        await ann.own("POST", "folders/INBOX/messages/flags", 400, json={"uids": [1], "add": [wrong]})
    went = await ann.own("POST", "folders/INBOX/messages/move", json={"uids": [1], "to": "\\Archive"})
    assert went["uids"] == [1]
    assert went["to"] == (await folders(ann))["Archive"]["id"]
    back = await ann.own("POST", f"folders/{went['to']}/messages/move", json={"uids": went["now"], "to": "INBOX"})
    assert back["now"] == [3]
    trash = await ann.own("POST", "folders/INBOX/messages/delete", json={"uids": [2, 3]})
    assert (await folders(ann))["Trash"]["messages"] == 2
    gone = await ann.own("POST", f"folders/{trash['to']}/messages/delete", json={"uids": [trash["now"][0]]})
    assert gone["to"] == ""
    assert (await folders(ann))["Trash"]["messages"] == 1
    copied = await ann.own(
        "POST", f"folders/{trash['to']}/messages/copy", json={"uids": [trash["now"][1]], "to": "INBOX"}
    )
    assert copied["now"] == [4]
    assert (await folders(ann))["INBOX"]["messages"] == 1
    await ann.own("POST", "folders/INBOX/messages/move", 404, json={"uids": [4], "to": "nowhere"})
    await ann.own("POST", "folders/INBOX/messages/move", 400, json={"uids": [4], "to": "\\Inbox"})


async def test_what_is_not_ours_is_not_there(here: Site) -> None:
    await give(here, letter("secret"))
    bob, nobody = await here.signed_in(BOB), await here.browser()
    ids = [one["id"] for one in await (await here.signed_in()).own("GET", "folders")]
    for path in (
        "messages",
        "messages/1",
        "messages/1/html",
        "messages/1/raw",
        "messages/1/parts/1",
        "messages/1/files.zip",
        "sharing",
    ):
        await bob.own("GET", f"folders/{ids[0]}/{path}", 404)
        await nobody.own("GET", f"folders/{ids[0]}/{path}", 401)
    for path in ("..%2f..%2fetc", "INBOX%00", "%ff"):
        await bob.own("GET", f"folders/{path}/messages", 404)
    for uid in ("0", "-1", "99999999999", "x", "1e3"):
        await bob.own("GET", f"folders/INBOX/messages/{uid}", 404)
    await nobody.own("GET", "events", 401)


async def test_a_browser_is_told_what_happens_by_others(here: Site) -> None:
    ann = await here.signed_in()
    async with ann.http.get(here.root + OWN + "events") as answer:
        lines = answer.content
        first = await _event(lines)
        assert (first["whole"], len(first["changed"])) == (True, 6)
        await give(here, letter("news"))
        told = await _event(lines)
        assert told["changed"][0]["name"] == "INBOX"
        assert told["changed"][0]["unread"] == 1
        mail = here.hub.mailboxes.account(ANN)
        view = await mail.open_view(await mail.find("INBOX"), read_only=False)
        await view.set_flags([1], FlagOp.ADD, 1)
        view.close()
        assert (await _event(lines))["changed"][0]["unread"] == 0
        await mail.create("Other")
        assert [one["name"] for one in (await _event(lines))["changed"]] == ["Other"]


async def _event(lines: Any) -> Any:
    async with asyncio.timeout(20):
        while not (line := await lines.readline()).startswith(b"data: "):
            pass
    return json.loads(line[6:])
