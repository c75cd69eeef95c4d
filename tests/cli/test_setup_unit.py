"""The service of systemd that `mailhub setup` leaves."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mailhub.cli.setup_unit import NAME, install, template, unit
from mailhub.config.production import Production

FILE = Path("/etc/mailhub/config.toml")


def wanted(**options: str) -> Production:
    usual = {
        "domain": "a.test", "hostname": "mail.a.test", "data": "/var/lib/mailhub", "account": "p@a.test", "user": "mailhub",
    }  # fmt: skip
    return Production(ipv6=False, addresses=(), acme="", **{**usual, **options})


def test_the_usual_paths_give_the_example() -> None:
    assert unit(wanted(), FILE, ("/opt/mailhub/bin/mailhub",)) == template()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_other_paths_and_users_are_what_systemd_can_read(tmp_path: Path) -> None:
    program = tmp_path / "a place" / "mailhub"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = unit(wanted(data="/srv/100% mail", user="root:daemon"), FILE, (str(program),))
    (tmp_path / NAME).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / NAME)], capture_output=True, text=True, check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if NAME in line] == []
    for line in ("User=root", "Group=daemon", 'ReadWritePaths="/srv/100%% mail"', "WorkingDirectory=/srv/100%% mail"):
        assert f"\n{line}\n" in text
    assert "StateDirectory" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets up a service")
def test_it_is_written_once_and_where_systemd_is(tmp_path: Path) -> None:
    assert install(wanted(), FILE, tmp_path / "none") == ""
    assert install(wanted(), FILE, tmp_path) == f"{tmp_path}/{NAME}"
    (tmp_path / NAME).write_text("the operator's")
    assert install(wanted(), FILE, tmp_path) == ""
    assert (tmp_path / NAME).read_text() == "the operator's"
    assert install(wanted(user=""), FILE, tmp_path) == ""
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]
