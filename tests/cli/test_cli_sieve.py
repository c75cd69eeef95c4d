"""`mailhub sieve`, without a server."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailhub.cli.root import root

SCRIPT = """require ["fileinto", "variables"];
if header :matches "subject" "* report" {
    fileinto "reports.${1}";
    stop;
}
"""
MESSAGE = "From: a@x.test\nTo: ann@a.test\nSubject: weekly report\n\ntext\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text('domains = ["a.test"]\n')
    (tmp_path / "good.sieve").write_text(SCRIPT)
    (tmp_path / "bad.sieve").write_text('fileinto "a";\nkep;\n')
    (tmp_path / "message").write_text(MESSAGE)
    return tmp_path


def run(folder: Path, *args: str, stdin: str = "") -> Result:
    config = str(folder / "config.toml")
    return CliRunner().invoke(root, ["--config", config, *args], input=stdin, catch_exceptions=False)


def test_a_script_is_checked(folder: Path) -> None:
    assert run(folder, "sieve", "check", str(folder / "good.sieve")).stdout == "the script is fine\n"
    done = run(folder, "sieve", "check", str(folder / "bad.sieve"))
    assert done.exit_code == 1
    assert "bad.sieve: line 1, column 1: 'fileinto' needs: require 'fileinto'" in done.stderr
    assert "bad.sieve: line 2, column 1: unknown command 'kep'" in done.stderr


def test_a_script_is_tried_line_by_line(folder: Path) -> None:
    done = run(folder, "sieve", "test", str(folder / "good.sieve"), str(folder / "message"))
    assert done.stdout.splitlines() == [
        "line 2: header: true",
        "line 3: fileinto: file into 'reports.weekly'",
        "in the end: file into 'reports.weekly'",
    ]


def test_the_scripts_of_an_account(folder: Path) -> None:
    assert run(folder, "user", "add", "ann@a.test", "--generate").exit_code == 0
    good, bad = str(folder / "good.sieve"), str(folder / "bad.sieve")
    assert run(folder, "sieve", "put", "Ann@a.test", "main", good).stdout == "main is stored\n"
    assert run(folder, "sieve", "put", "ann@a.test", "main", bad).exit_code == 1
    assert run(folder, "sieve", "put", "ben@a.test", "main", good).exit_code == 3
    assert run(folder, "sieve", "activate", "ann@a.test", "main").stdout == "main is active\n"
    assert run(folder, "sieve", "get", "ann@a.test", "main").stdout == SCRIPT
    assert run(folder, "sieve", "list", "ann@a.test").stdout.split() == [
        "NAME",
        "SIZE",
        "ACTIVE",
        "main",
        str(len(SCRIPT)),
        "yes",
    ]
    assert run(folder, "sieve", "delete", "ann@a.test", "main").exit_code == 1
    assert run(folder, "sieve", "activate", "ann@a.test").stdout == "no script is active\n"
    assert run(folder, "sieve", "delete", "ann@a.test", "main").stdout == "main is deleted\n"
    assert run(folder, "sieve", "get", "ann@a.test", "main").exit_code == 3
