"""`mailhub dev` as a program of its own: from Node and from Java, by environment variables, and what describes its container."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE, JAVA = shutil.which("node"), shutil.which("java")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sink() -> Iterator[dict[str, str]]:
    """Where it is, as environment variables of who uses it."""
    names = ("SMTP", "HTTP", "IMAP", "POP3")
    environment = {**os.environ, **{f"MAILHUB_{name}_PORT": "0" for name in names}}
    command = [sys.executable, "-u", "-m", "mailhub", "dev"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            shown = ""
            while "data " not in shown:
                shown += process.stdout.readline()
            ports = dict(re.findall(r"^(\w+) +\w+ +127\.0\.0\.1:(\d+)", shown, re.MULTILINE))
            data = Path(re.findall(r"^data +(.*)$", shown, re.MULTILINE)[0])
            yield {
                "SMTP_HOST": "127.0.0.1", "SMTP_PORT": ports["smtp"],
                "MAILHUB_API": f"http://127.0.0.1:{ports['http']}/api/mailhub/v1/capture",
            }  # fmt: skip
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert not data.exists(), "mail that nobody wanted to keep is gone"


def run(command: list[str], sink: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **sink}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(NODE is None, reason="no node")
def test_from_node(sink: dict[str, str]) -> None:
    assert "# pass 2" in run(["node", "--test", "--test-reporter=tap", "examples/node/"], sink)


@pytest.mark.skipif(JAVA is None, reason="no java")
def test_from_java(sink: dict[str, str]) -> None:
    assert "ok: the code came" in run(["java", "examples/java/Signup.java"], sink)


def test_healthy(sink: dict[str, str]) -> None:
    site = sink["MAILHUB_API"].partition("/api/")[0]
    with urllib.request.urlopen(f"{site}/health") as answer:
        assert answer.read() == b'{"status":"ready"}'


@pytest.mark.parametrize(("schema", "file"), [("compose-spec", "compose.yaml"), ("github-workflows", "workflow.yml")])
def test_what_describes_containers_keeps_to_its_schema(schema: str, file: str) -> None:
    path = ROOT / "examples" / "container" / file
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
