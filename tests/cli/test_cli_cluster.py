"""Commands about Maildirs and the data folder's database say that a cluster has none."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailhub.cli.root import root


@pytest.mark.parametrize(
    "words",
    [
        ["backup", "copies"],
        ["restore", "copies"],
        ["import", "maildir", "MAILDIR", "a@example.org"],
        ["export", "a@example.org", "out"],
    ],
)
def test_what_belongs_to_the_embedded_store(words: list[str], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('domains = ["example.org"]\n[store]\nkind = "mysql"\nobjects = "/objects"\n')
    (tmp_path / "copies/cur").mkdir(parents=True)
    words = [str(tmp_path / "copies") if word == "MAILDIR" else word for word in words]
    done = CliRunner().invoke(root, ["--config", str(config), *words])
    assert done.exit_code != 0
    assert "docs/cluster.md" in done.output, done.output
