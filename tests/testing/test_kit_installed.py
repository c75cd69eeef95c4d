"""The plugin as a project gets it: found by itself once the package is installed, under pytest-asyncio and under anyio."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOTH = """
import smtplib
{marker}

def test_plain(mailhub):
    with smtplib.SMTP("127.0.0.1", mailhub.port("smtp")) as client:
        client.sendmail("a@example.test", ["b@example.test"], "Subject: hi\\r\\n\\r\\n")
    assert mailhub.expect(to="b@example.test").subject == "hi"

{mark}
async def test_in_its_loop(mailhub_async):
    await mailhub_async.settled()
    assert len(await mailhub_async.inbox("b@example.test")) == 0
"""

FAILS = """
import smtplib
{marker}

def send(server, to):
    with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
        client.sendmail("a@example.test", [to], "Subject: hi\\r\\n\\r\\n")

def test_plain(mailhub):
    send(mailhub, "b@example.test")
    mailhub.settled()
    assert mailhub.inbox("c@example.test").subjects == ("hi",)

{mark}
async def test_in_its_loop(mailhub_async):
    import asyncio
    await asyncio.to_thread(send, mailhub_async, "late@example.test")
    await mailhub_async.settled()
    assert len(await mailhub_async.inbox("c@example.test")) == 1

def test_that_passes(mailhub):
    send(mailhub, "never@example.test")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this very source, unpacked as pip does it."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


def run(installed: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_under_pytest_asyncio(installed: Path, tmp_path: Path) -> None:
    text = BOTH.format(marker="import pytest", mark="@pytest.mark.asyncio")
    (tmp_path / "test_it.py").write_text(text)
    done = run(installed, tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("anyio") is None, reason="anyio is not installed")
def test_under_anyio(installed: Path, tmp_path: Path) -> None:
    text = BOTH.format(
        marker="import pytest", mark='@pytest.mark.anyio\n@pytest.mark.parametrize("anyio_backend", ["asyncio"])'
    )
    (tmp_path / "test_it.py").write_text(text)
    done = run(installed, tmp_path, "-p", "no:asyncio")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("anyio", [False, True], ids=["asyncio", "anyio"])
def test_a_failure_shows_each_message_and_its_way(installed: Path, tmp_path: Path, anyio: bool) -> None:
    mark = (
        '@pytest.mark.anyio\n@pytest.mark.parametrize("anyio_backend", ["asyncio"])'
        if anyio
        else "@pytest.mark.asyncio"
    )
    (tmp_path / "test_it.py").write_text(FAILS.format(marker="import pytest", mark=mark))
    done = run(installed, tmp_path, *(("-p", "no:asyncio") if anyio else ()))
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    plain, later = done.stdout.split("___ test_in_its_loop")
    for told, address in ((plain, "b@example.test"), (later, "late@example.test")):
        story = told.partition("- mailhub -")[2]
        assert f"arrived: to {address}" in story, done.stdout
        assert (
            f"accepted: ESMTP from unknown[127.0.0.1], helo=[127.0.0.1], from=<a@example.test>, to=<{address}>" in story
        )
        assert "status=sent" in story
    assert "never@example.test" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("project", "tests"), [("django_shop", 3), ("fastapi_signup", 3), ("recipes", 11)])
def test_an_example_and_its_own_tests(installed: Path, project: str, tests: int) -> None:
    done = run(installed, ROOT / "examples" / project)
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr
