"""The pytest plugin: fixtures `mailhub` and `mailhub_async`. It is found by itself where mailhub is installed."""

import importlib.util
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mailhub.testing import AsyncMailHub, MailHub
    from mailhub.testing.sync import LoopThread


_STORIES = pytest.StashKey[list[Callable[[], str]]]()  # of the servers of a test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The output of a failed test ends with what its mail server has seen."""
    report = yield
    if report.when == "call" and report.failed:
        for story in item.stash.get(_STORIES, ()):
            report.sections.append(("mailhub", _told(story)))
    return report


def _told(story: Callable[[], str]) -> str:
    try:
        return story()
    except Exception as error:
        return f"the server can not be asked: {type(error).__name__} {error}"


def _told_later(request: pytest.FixtureRequest, server: "AsyncMailHub") -> None:
    """In the server's loop, which stands still when the test has ended."""

    def story() -> str:
        return server.loop.run_until_complete(server.story())

    request.node.stash.setdefault(_STORIES, []).append(story)


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
def mailhub(
    request: pytest.FixtureRequest, _mailhub_thread: "LoopThread", mailhub_options: dict[str, Any]
) -> "Iterator[MailHub]":
    """A fresh and empty mail server, for plain tests. `mailhub.testing.MailHub` has its methods."""
    from mailhub.testing import MailHub

    options = dict(mailhub_options)
    with MailHub(*options.pop("domains", ()), thread=_mailhub_thread, **options) as server:
        request.node.stash.setdefault(_STORIES, []).append(server.story)
        yield server


async def _serve(request: pytest.FixtureRequest, options: dict[str, Any]) -> "AsyncIterator[AsyncMailHub]":
    from mailhub.testing import AsyncMailHub

    options = dict(options)
    async with AsyncMailHub(*options.pop("domains", ()), **options) as server:
        _told_later(request, server)
        yield server


@pytest.fixture
async def _mailhub_by_anyio(
    request: pytest.FixtureRequest, anyio_backend: object, mailhub_options: dict[str, Any]
) -> "AsyncIterator[AsyncMailHub]":
    async for server in _serve(request, mailhub_options):
        yield server


if importlib.util.find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    @pytest_asyncio.fixture
    async def _mailhub_by_asyncio(
        request: pytest.FixtureRequest, mailhub_options: dict[str, Any]
    ) -> "AsyncIterator[AsyncMailHub]":
        async for server in _serve(request, mailhub_options):
            yield server


@pytest.fixture
def mailhub_async(request: pytest.FixtureRequest) -> "AsyncMailHub":
    """The same in the test's own event loop; its methods are awaited. For pytest-asyncio and for anyio."""
    by_anyio = "anyio_backend" in request.fixturenames
    server: AsyncMailHub = request.getfixturevalue("_mailhub_by_anyio" if by_anyio else "_mailhub_by_asyncio")
    return server
