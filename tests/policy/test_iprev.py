"""iprev: what DNS says of the client's address, in Authentication-Results and the verdict."""

from collections.abc import AsyncIterator

import aiosmtplib
import pytest

from mailhub.config.schema import Iprev
from mailhub.testing import AsyncInternet


@pytest.fixture
async def net() -> AsyncIterator[AsyncInternet]:
    async with AsyncInternet() as net:
        yield net


@pytest.mark.parametrize(
    ("names", "result", "score"),
    [
        (["mx.a.test."], "iprev=pass (mx.a.test)", 0.0),
        (["mx.b.test."], "iprev=fail (mx.b.test does not lead back)", 2.0),
        ([], "iprev=permerror (no name in DNS)", 1.0),
    ],
)
async def test_a_name_that_leads_back(net: AsyncInternet, names: list[str], result: str, score: float) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test", iprev=Iprev(fail_score=2.0, permerror_score=1.0))
    await b.add_account("bob@b.test")
    backwards = ".".join(reversed(a.host.split(".")))
    net.dns.zone.pop((f"{backwards}.in-addr.arpa", "PTR"))
    if names:
        net.dns.zone[f"{backwards}.in-addr.arpa", "PTR"] = names
    text = "From: ann@a.test\r\nSubject: x\r\n\r\nx\r\n"
    await aiosmtplib.send(
        text, sender="ann@a.test", recipients=["bob@b.test"], hostname=a.host, port=a.port("smtp"), start_tls=False
    )
    await net.settled()
    (message,) = await b.inbox("bob@b.test")
    assert f"{result} policy.iprev={a.host}" in message.headers.get("Authentication-Results")
    assert f"score {score}" in message.headers.get("X-Mailhub-Verdict")
