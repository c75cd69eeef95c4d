"""OAUTHBEARER and XOAUTH2 as a mail program uses them: curl with a token of an issuer on loopback, by SMTP, IMAP and POP3."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import running, trusting
from support.issuer import AUDIENCE, CLIENT, Issuer, issuing

from mailhub.config import schema
from mailhub.directory.signin import Peer, Refused, SignedIn
from mailhub.hub import Hub
from mailhub.model.clock import SystemClock
from mailhub.model.errors import Temporary
from mailhub.wire.sasl import Challenge

ANN, EVE = "ann@mailhub.test", "eve@mailhub.test"
SERVICES = ("submission", "submissions", "imap", "pop3s")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing(SystemClock()) as issuer:
        yield issuer


@pytest.fixture
async def hub(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Hub]:
    (tmp_path / "client").write_text(":".join(CLIENT))
    oauth = schema.OAuth(
        jwks=f"{issuer.url}/keys", issuer=issuer.url, audience=(AUDIENCE,), introspection=f"{issuer.url}/introspect",
        introspection_client=str(tmp_path / "client"),
    )  # fmt: skip
    async with running(tmp_path / "var", auth=schema.Auth(failure_delay=0, oauth=oauth)) as hub:
        await hub.directory.add_account(ANN, None)
        yield hub


async def curl(hub: Hub, folder: Path, service: str, token: str, user: str, mechanism: str) -> int:
    """Its exit code: 0 where it was let in and did what it was told, 67 where it was not let in."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    (folder / "mail").write_bytes(b"Subject: by token\r\n\r\ntext\r\n")
    scheme = {"submission": "smtp", "submissions": "smtps"}.get(service, service)
    what = ["--mail-from", user, "--mail-rcpt", ANN, "-T", "mail"] if scheme.startswith("smtp") else []
    process = await asyncio.create_subprocess_exec(
        program, "-sSk", "--ssl-reqd", "--oauth2-bearer", token, "-u", user, "--login-options", f"AUTH={mechanism}",
        *what, f"{scheme}://127.0.0.1:{hub.port(service)}/", cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("service", SERVICES)
async def test_curl_signs_in(hub: Hub, issuer: Issuer, tmp_path: Path, service: str, mechanism: str) -> None:
    issuer.opaque["opaque"] = {"active": True, "iss": issuer.url, "aud": AUDIENCE, "email": ANN}
    for token in (issuer.token(ANN), "opaque"):
        assert await curl(hub, tmp_path, service, token, ANN, mechanism) == 0
    now = SystemClock().now()
    wrong = [
        (issuer.token(ANN, exp=now - 60), ANN),
        (issuer.token(ANN, aud="another program"), ANN),
        (issuer.token(EVE), EVE),  # no account here
        (issuer.token(EVE), ANN),  # another's token
        ("unknown", ANN),
    ]
    for token, user in wrong:
        assert await curl(hub, tmp_path, service, token, user, mechanism) in (67, 94), (token, user)


async def test_an_issuer_that_is_away_is_no_refusal(hub: Hub, issuer: Issuer) -> None:
    issuer.status = 503
    exchange = hub.authenticator.begin("OAUTHBEARER", Peer("imap", secure=True))
    assert exchange is not None
    with pytest.raises(Temporary):
        await exchange.step(f"n,,\1auth=Bearer {issuer.token(ANN)}\1\1".encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imaps"), ssl=trusting())
    await reader.readline()
    shown = base64.b64encode(f"n,,\1auth=Bearer {issuer.token(ANN)}\1\1".encode()).decode()
    writer.write(f"a AUTHENTICATE OAUTHBEARER {shown}\r\n".encode())
    assert (await reader.readline()).startswith(b"a NO [UNAVAILABLE] ")
    writer.close()


async def test_whom_an_issuer_knows_is_let_in_only_with_an_account_here_or_one_that_may_be_made(
    hub: Hub, issuer: Issuer
) -> None:
    async def let_in(email: str, service: str = "submission") -> str:
        exchange = hub.authenticator.begin("XOAUTH2", Peer(service, secure=True))
        assert exchange is not None
        step = await exchange.step(f"user={email}\1auth=Bearer {issuer.token(email)}\1\1".encode())
        if isinstance(step, Challenge):
            assert b'"status":"400"' in step.text
            step = await exchange.step(b"")
        assert isinstance(step, Refused | SignedIn)
        return step.account.name if isinstance(step, SignedIn) else ""

    assert await let_in("Ann@Mailhub.test") == ANN
    assert await let_in(EVE) == ""
    hub.authenticator.configure(schema.Auth(failure_delay=0, create_accounts=True))
    assert await let_in("eve@elsewhere.test") == ""
    assert await let_in("eve") == ""
    assert await let_in(EVE) == EVE
    assert await hub.directory.account(EVE) is not None
    hub.authenticator.configure(schema.Auth(failure_delay=0, default_domain="mailhub.test"))
    assert await let_in("ann") == ANN
