"""The whole HTTP interface asked by schemathesis, as its own description says: nothing is answered with a 5xx, whoever asks."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD
from support.letters import give, letter, rich
from support.webmail import ANN, Site, site

from mailhub.config.schema import Limits
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.model.clock import SystemClock

pytestmark = pytest.mark.slow
_SECONDS = 240.0
_ENDLESS = r"/events$|\.follow$"  # that never end


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(
        tmp_path,
        SystemClock(),
        web=Web(requests_per_minute=1_000_000),
        auth=Auth(allow_plaintext=True, failure_delay=0.0),
        limits=Limits(allow=("127.0.0.0/8",)),
    ) as made:
        await give(made, rich(), letter("Second"))
        yield made


async def asked(here: Site, folder: Path, *options: str, without: str = _ENDLESS) -> None:
    """Fails with what schemathesis says against it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{here.root}/api/openapi.json", "--checks", "not_a_server_error",
        "--max-examples", "6", "--generation-deterministic", "--no-color", "--phases", "examples,coverage,fuzzing",
        "--exclude-path-regex", without, "--request-timeout", "30", "--suppress-health-check", "all", *options,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        pytest.fail(f"not done in {_SECONDS} seconds: {(await process.stdout.read()).decode()[-3_000:]}", pytrace=False)  # type: ignore[union-attr]
    text = told.decode()
    assert "API operations" in text or "Operations" in text, text[-2_000:]
    if process.returncode:
        pytest.fail(text[-60_000:], pytrace=False)


@pytest.mark.timeout(300)
async def test_an_account(here: Site, tmp_path: Path) -> None:
    shown = base64.b64encode(f"{ANN}:{PASSWORD}".encode()).decode()
    await asked(here, tmp_path, "-H", f"Authorization: Basic {shown}", "--include-path-regex", "/own/")


@pytest.mark.timeout(300)
async def test_an_operator(here: Site, tmp_path: Path) -> None:
    """But `doctor.check`, which asks strangers for seconds."""
    token = (await here.hub.control.perform(words.TokenAdd(name="all", scopes=("*:write",), lifetime=0.0))).token
    shown = f"Authorization: Bearer {token}"
    await asked(here, tmp_path, "-H", shown, without=f"{_ENDLESS}|/own/|server.stop|server.abort|doctor")


@pytest.mark.timeout(300)
async def test_nobody(here: Site, tmp_path: Path) -> None:
    await asked(here, tmp_path)
