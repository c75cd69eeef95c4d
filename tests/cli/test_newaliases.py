"""`mailhub newaliases`: what is wrong with an alias file, by its line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailhub.cli.root import root

BROKEN = """# names of ours
postmaster: root
root: alice,
  bob@far.test
team
twice: alice
Twice: bob
empty:
a@b.test: alice
odd: "|", :include:lists/all, two@@far.test, <fine@far.test>, "|/bin/prog", /var/file, \\alice
"""


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(root, ["newaliases", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("postmaster: root\nroot: alice,\n  bob\n")
    (tmp_path / "config.toml").write_text('[aliases]\nalias_maps = ["aliases:aliases", "regexp:nothing"]\n')
    code, out, err = run("--config", str(tmp_path / "config.toml"))
    assert (code, out, err) == (0, f"{tmp_path}/aliases: 2 aliases, longest 11 characters\n", "")


def test_each_problem_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "aliases"
    file.write_text(BROKEN)
    code, _, err = run(str(file))
    assert code == 1
    assert [line.removeprefix(f"mailhub: {file}:") for line in err.splitlines()] == [
        "5: not `name: value`: 'team'",
        "7: twice stands in line 6 already, which counts",
        "8: empty stands for nobody",
        "9: a@b.test: names have no domain here; virtual_alias_maps know whole addresses",
        "10: a `|` without a command",
        "10: :include:lists/all: the name of the file begins with a slash",
        "10: 'two@@far.test' is no address",
    ]


@pytest.mark.parametrize("name", ["", "none"])
def test_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.toml").write_text("")
    code, _, err = run(*([str(tmp_path / name)] if name else []), "--config", str(tmp_path / "config.toml"))
    assert code == 1
    assert ("No such file" if name else "names no alias file") in err
