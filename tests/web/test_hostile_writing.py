"""Requests of an account that would cost the server more than they should."""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.letters import letter
from support.webmail import ANN, BOB, Site, site

from mailhub.config.schema import Smtp
from mailhub.directory.passkeys import Passkeys, Place
from mailhub.message.compose import Attachment, Letter, Person, composed
from mailhub.model.errors import Permanent

NESTED = b"[" * 30_000 + b"]" * 30_000


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, smtp=Smtp(message_size_limit=100_000)) as made:
        yield made


def large(value: Any) -> io.BytesIO:
    return io.BytesIO(json.dumps(value).encode())


def text_file(size: int) -> dict[str, str]:
    return {"name": "a.bin", "content": base64.b64encode(b"x" * size).decode()}


async def test_what_is_carried_along_again_and_again_is_no_larger_than_a_message_may_be(here: Site) -> None:
    """A request of 2,000 octets was to bring 800 MB into memory."""
    ann = await here.signed_in()
    draft = await ann.own("POST", "drafts", json={"attachments": [text_file(40_000)]})
    whole = {"folder": draft["folder"], "uid": draft["uid"]}
    part = {**whole, "section": draft["files"][0]["section"]}
    for carried in ([whole], [part, part]):
        await ann.own("POST", "drafts", json={"carried": carried})
    for carried in ([whole] * 2, [part] * 3, [whole] * 1_000):
        for path in ("drafts", "sent"):
            told = await ann.own("POST", path, 400, json={"to": [BOB], "carried": carried})
            assert "message_size_limit" in told["error"]
    await ann.own("POST", "drafts", 400, json={"attachments": [text_file(40_000)] * 3})


def test_no_text_stands_for_a_message_that_is_enclosed() -> None:
    """Each of 10,000 lines became the 90 KB that it named."""
    inner = letter("Inside").as_bytes().replace(b"\n", b"\r\n")
    line = f"message {hashlib.sha256(inner).hexdigest()}"
    enclosed = (Attachment("a.eml", "message/rfc822", inner), Attachment("b.eml", "message/rfc822", inner))
    made = composed(Letter(Person("", ANN), "now", "<a@b>", text=f"{line}\n" * 10, attachments=enclosed))
    assert made.count(b"Subject: Inside") == 2
    assert made.count(line.encode()) == 10


async def test_of_windows_that_write_one_draft_at_once_none_loses_its_text(here: Site) -> None:
    """Seven of eight were told 404."""
    ann = await here.signed_in()
    draft = (await ann.own("POST", "drafts", json={"subject": "first"}))["uid"]
    texts = [f"text {number}" for number in range(8)]
    await asyncio.gather(*[ann.own("POST", "drafts", json={"subject": one, "draft": draft}) for one in texts])
    kept = (await ann.own("GET", "folders/Drafts/messages"))["messages"]
    assert sorted(one["subject"] for one in kept) == texts


async def test_a_text_has_a_bound_and_its_pictures_do_not_count(here: Site) -> None:
    ann = await here.signed_in()
    for writing in ({"text": "\n" * 2_000_001}, {"html": "<p>" * 700_000}):
        assert "attached" in (await ann.own("POST", "drafts", 400, data=large(writing)))["error"]
    picture = base64.b64encode(b"x" * 60_000).decode()
    await ann.own("POST", "drafts", json={"html": f'<img src="data:image/png;base64,{picture}">'})


async def test_only_messages_are_large_and_nothing_is_nested_without_end(here: Site) -> None:
    ann = await here.signed_in()
    await ann.own("POST", "folders", 413, data=large({"name": "x" * 1_048_576}))
    kind = {"Content-Type": "application/json"}
    for path, body in (("session/passkey", b'{"answer": {"a": ' + NESTED + b"}}"), ("drafts", NESTED)):
        assert "body of the request" in (await ann.own("POST", path, 400, data=body, headers=kind))["error"]
    told = base64.urlsafe_b64encode(b"[" * 40_000).decode()
    with pytest.raises(Permanent):
        await Passkeys(here.hub.store.directory, here.hub.clock, "here").shown(
            {"id": "a", "response": {"clientDataJSON": told}}, Place("localhost", "http://localhost")
        )


async def test_an_account_has_a_few_large_messages_under_way_at_one_time(here: Site) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"text": "'
        await go_on.wait()
        yield b'"}'

    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    path, login = f"{here.root}/api/mailhub/v1/own/drafts", {"X-CSRF-Token": ann.token}

    async def post() -> int:
        async with ann.http.post(path, data=slowly(), headers=login) as answer:
            return int(answer.status)

    waiting = [asyncio.create_task(post()) for _ in range(5)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result() for one in done] == [429]
    await ann.own("POST", "drafts", json={"text": "small"})
    await bob.own("POST", "drafts", data=large({"text": "x" * 1_100_000}))
    go_on.set()
    assert sorted(await asyncio.gather(*waiting)) == [200, 200, 200, 200, 429]
    await ann.own("POST", "drafts", data=large({"text": "x" * 1_100_000}))
