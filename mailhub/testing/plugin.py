"""The pytest plugin: fixtures `mailhub` and `mailhub_async`. It is found by itself where mailhub is installed."""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mailhub.testing import AsyncMailHub, MailHub
    from mailhub.testing.sync import LoopThread


@pytest.fixture(scope="session")
def _mailhub_thread() -> "Iterator[LoopThread]":
    """The thread that all servers of a test run live in, one after another."""
    from mailhub.testing.sync import LoopThread

    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def mailhub_options() -> dict[str, Any]:
    """Options of both fixtures; a project has its own by a fixture of that name: `{"domains": ("example.test",)}`."""
    return {}


@pytest.fixture
def mailhub(_mailhub_thread: "LoopThread", mailhub_options: dict[str, Any]) -> "Iterator[MailHub]":
    """A fresh and empty mail server, for plain tests. `mailhub.testing.MailHub` has its methods."""
    from mailhub.testing import MailHub

    options = dict(mailhub_options)
    with MailHub(*options.pop("domains", ()), thread=_mailhub_thread, **options) as server:
        yield server


async def _serve(options: dict[str, Any]) -> "AsyncIterator[AsyncMailHub]":
    from mailhub.testing import AsyncMailHub

    options = dict(options)
    async with AsyncMailHub(*options.pop("domains", ()), **options) as server:
        yield server


@pytest.fixture
async def _mailhub_by_anyio(anyio_backend: object, mailhub_options: dict[str, Any]) -> "AsyncIterator[AsyncMailHub]":
    async for server in _serve(mailhub_options):
        yield server


if importlib.util.find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    @pytest_asyncio.fixture
    async def _mailhub_by_asyncio(mailhub_options: dict[str, Any]) -> "AsyncIterator[AsyncMailHub]":
        async for server in _serve(mailhub_options):
            yield server


@pytest.fixture
def mailhub_async(request: pytest.FixtureRequest) -> "AsyncMailHub":
    """The same in the test's own event loop; its methods are awaited. For pytest-asyncio and for anyio."""
    by_anyio = "anyio_backend" in request.fixturenames
    server: AsyncMailHub = request.getfixturevalue("_mailhub_by_anyio" if by_anyio else "_mailhub_by_asyncio")
    return server
