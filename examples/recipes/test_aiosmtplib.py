"""aiosmtplib, in the test's own loop."""

import aiosmtplib
import pytest

from mailhub.testing import AsyncMailHub


@pytest.mark.asyncio
async def test_send(mailhub_async: AsyncMailHub) -> None:
    letter = "From: app@example.test\r\nTo: bob@example.test\r\nSubject: hello\r\n\r\nHi\r\n"
    await aiosmtplib.send(
        letter, sender="app@example.test", recipients=["bob@example.test"],
        hostname=mailhub_async.host, port=mailhub_async.port("smtp"),
    )  # fmt: skip
    assert (await mailhub_async.expect(to="bob@example.test")).subject == "hello"
