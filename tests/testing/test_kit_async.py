"""The kit in the test's own loop."""

import aiosmtplib
import pytest

from mailhub.config.capture import Capture
from mailhub.config.lookup import Lookup
from mailhub.model.clock import SystemClock
from mailhub.testing import AsyncMailHub

pytest_plugins = ["mailhub.testing.plugin"]


async def post(hub: AsyncMailHub, to: str, subject: str) -> None:
    text = f"From: app@example.test\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhello\r\n"
    await aiosmtplib.send(text, sender="app@example.test", recipients=[to], hostname=hub.host, port=hub.port("smtp"))


async def test_a_letter_arrives(mailhub_async: AsyncMailHub) -> None:
    await post(mailhub_async, "bob@example.test", "hi")
    message = await mailhub_async.expect(to="bob@example.test")
    assert (message.subject, message.text, message.from_) == ("hi", "hello\n", "app@example.test")
    assert await mailhub_async.waiting() == []


async def test_no_letter_is_proved(mailhub_async: AsyncMailHub) -> None:
    await mailhub_async.settled()
    assert len(await mailhub_async.inbox("bob@example.test")) == 0


async def test_all_in_one_mailbox() -> None:
    async with AsyncMailHub(capture_settings=Capture(mailboxes="one", inbox="all@mailhub.test")) as hub:
        await post(hub, "a@one.test", "1")
        await post(hub, "b@two.test", "2")
        await hub.settled()
        assert (await hub.inbox("all@mailhub.test")).subjects == ("1", "2")
        assert len(await hub.inbox("a@one.test")) == 0


async def test_real_time_has_no_hand() -> None:
    async with AsyncMailHub(clock=SystemClock()) as hub:
        await post(hub, "bob@example.test", "hi")
        await hub.expect(subject="hi")
        with pytest.raises(TypeError, match="runs on real time"):
            await hub.clock.advance(days=1)


async def test_a_full_capture_says_so() -> None:
    async with AsyncMailHub(capture_settings=Capture(mailbox_limit=1)) as hub:
        await post(hub, "first@example.test", "1")
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            await post(hub, "second@example.test", "2")
        assert refused.value.recipients[0].code == 452
        await post(hub, "first@example.test", "3")


async def test_an_inbox_for_each_project() -> None:

    rules = Lookup(((("shop.example", "shop@mailhub.test"), ("boss@blog.example", "blog@mailhub.test")),))
    async with AsyncMailHub(capture_settings=Capture(rules=rules)) as hub:
        for to in ("ann@shop.example", "bob@shop.example", "boss@blog.example", "eve@else.example"):
            await post(hub, to, to)
        await hub.settled()
        assert len(await hub.inbox("shop@mailhub.test")) == 2
        assert (await hub.inbox("blog@mailhub.test")).only.subject == "boss@blog.example"
        assert (await hub.inbox("eve@else.example")).only.to == ("eve@else.example",)
