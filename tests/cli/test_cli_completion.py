"""Completion in the shells themselves, and manual pages as man(1) reads them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.server import REPOSITORY

from mailhub.cli.root import root


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a `mailhub` to run, and the three scripts."""
    program = tmp_path / "mailhub"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m mailhub "$@"\n')
    program.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        done = CliRunner().invoke(root, ["completion", shell], catch_exceptions=False)
        assert done.exit_code == 0
        (tmp_path / f"{shell}.script").write_text(done.stdout)
    return tmp_path


def in_shell(place: Path, shell: str, text: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    env = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "HOME": str(place)}
    done = subprocess.run([shell, "-c", text], capture_output=True, text=True, cwd=place, env=env, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


def test_bash(place: Path) -> None:
    def completed(*words: str) -> set[str]:
        line = " ".join(f"'{word}'" for word in words)
        text = f"source ./bash.script; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mailhub_completion mailhub; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return set(in_shell(place, "bash", text))

    assert completed("mailhub", "qu") == {"queue", "quarantine", "quota"}
    assert completed("mailhub", "queue", "re") == {"release", "remove", "requeue", "retry"}
    assert completed("mailhub", "queue", "list", "--form") == {"--format"}
    assert completed("mailhub", "config", "smtp.recipient_l") == {"smtp.recipient_limit"}
    assert completed("mailhub", "config", "-e", "smtp.recipient_l") == {"smtp.recipient_limit="}


def test_fish(place: Path) -> None:
    lines = in_shell(place, "fish", "source ./fish.script; complete -C 'mailhub queue re'")
    assert {line.split("\t")[0] for line in lines} == {"release", "remove", "requeue", "retry"}


def test_zsh(place: Path) -> None:
    assert in_shell(place, "zsh", "zsh -n ./zsh.script") == []
    text = "COMP_WORDS='mailhub queue re' COMP_CWORD=2 _MAILHUB_COMPLETE=zsh_complete mailhub"
    assert {"release", "remove", "requeue", "retry"} <= set(in_shell(place, "zsh", text))


def test_no_command_is_imported_to_complete_its_name(place: Path) -> None:
    code = (
        "import sys; from mailhub.cli.root import root; from click.shell_completion import BashComplete;"
        " print([i.value for i in BashComplete(root, {}, 'mailhub', 'X').get_completions([], 'qu')],"
        " [m for m in sys.modules if m.startswith('mailhub.cli.q') or m.startswith('mailhub.hub')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    assert done.stdout == "['queue', 'quarantine', 'quota'] []\n", done.stderr


def test_manual_pages_say_what_help_says(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, REPOSITORY / "scripts/man", tmp_path], check=True, env=env, timeout=60)
    pages = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {"mailhub.1", "mailhub-queue.1", "mailhub-queue-list.1", "mailhub-start.1"} <= set(pages)
    assert "try again later" in pages["mailhub.1"]
    for name in root.list_commands(None):  # type: ignore[arg-type]
        assert f"mailhub-{name}.1" in pages
        assert f"mailhub\\-{name.replace('-', chr(92) + '-')}\\fR(1)" in pages["mailhub.1"]
    assert "oldest first" in pages["mailhub-queue-list.1"]
    assert "smtp.recipient_limit" in pages["mailhub-config.1"]
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    said = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (said.returncode, said.stderr) == (0, "")
