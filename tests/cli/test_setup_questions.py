"""`mailhub setup` where somebody sits at the terminal, what it takes for wrong, and what it writes."""

import os
import pty
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.server import REPOSITORY

from mailhub.cli.root import root
from mailhub.cli.setup_words import WORDS, language
from mailhub.config.load import parse
from mailhub.config.production import DOORS, Production, text

WANTED = Production(domain="a.test", hostname="mx.a.test", data="/srv/mail", account="ann@a.test")


def at_a_terminal(answers: list[tuple[str, str]], *words: str, **environ: str) -> str:
    """Each answer is typed when the question before it is there; all that the terminal showed."""
    command = [sys.executable, "-P", "-m", "mailhub", *words]
    process, terminal = pty.fork()
    if not process:
        os.execve(command[0], command, {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1", **environ})
    shown = b""
    try:
        with os.fdopen(terminal, "r+b", buffering=0) as line:
            for question, answer in [*answers, ("\0", "")]:
                before = len(shown)
                while question not in shown[before:].decode("utf-8", "ignore"):
                    try:
                        block = line.read(4_096)
                    except OSError:  # nobody at the other end any more
                        block = b""
                    if not block:
                        break
                    shown += block
                if answer:
                    line.write(f"{answer}\n".encode())
    finally:
        os.waitpid(process, 0)
    return shown.decode()


def asking(language: str) -> list[tuple[str, str]]:
    """The questions, up to the last words of each."""
    words = WORDS["zh" if language == "zh" else "en"]
    return [
        (words["domain"], "example.org"), ("mail.example.org", "mx.example.org"), ("postmaster@example.org", "ann"),
        ("[y/N]", "n"), ("[Y/n]", "y"), (words["password"], "hush hush"), (":", "hush hush"),
    ]  # fmt: skip


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_what_is_asked(tmp_path: Path, spoken: str) -> None:
    file = tmp_path / "etc/config.toml"
    shown = at_a_terminal(
        asking(spoken), "setup", "--user", "", "--data", str(tmp_path / "data"), "--config", str(file),
        LC_ALL="zh_CN.UTF-8" if spoken == "zh" else "C.UTF-8",
    )  # fmt: skip
    assert WORDS["zh" if spoken == "zh" else "en"]["written"].format(file=file) in shown
    assert "ann@example.org" in shown
    assert "hush" not in shown
    made = tomllib.loads(file.read_text())
    assert (made["hostname"], made["domains"], "user" in made) == ("mx.example.org", ["example.org"], False)
    assert "tls" not in made


def run(folder: Path, *words: str, stdin: str = "x\n") -> Result:
    where = ("--config", str(folder / "config.toml"), "--data", str(folder / "data"), "--user", "")
    return CliRunner().invoke(root, ["setup", *words, *where], input=stdin)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--generate",), "DOMAIN is missing"),
        (("a.test",), "--password-stdin or --generate"),
        (("localhost", "--generate"), "has no dot"),
        (("a..test", "--generate"), "label"),
        (("a.test", "--hostname", "b_d!.test", "--generate"), "label"),
        (("a.test", "--account", "ann@b.test", "--generate"), "not in a.test"),
        (("a.test", "--account", "../x", "--generate"), "not an address"),
        (("a.test", "--acme", "http://plain.test/", "--generate"), "tls.acme.directory"),
        (("a.test", "--address", "nowhere", "--generate"), "setup.addresses"),
        (("a.test", "--generate", "--password-stdin"), "exclude each other"),
    ],
)
def test_what_is_wrong_leaves_nothing_behind(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, *words)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert list(tmp_path.iterdir()) == []


def test_all_of_it_for_programs(tmp_path: Path) -> None:
    done = run(tmp_path, "a.test", "--password-stdin", "--acme", "letsencrypt", "--address", "192.0.2.1")
    assert done.exit_code == 0, done.output
    made = tomllib.loads((tmp_path / "config.toml").read_text())
    assert made["tls"]["acme"]["names"] == ["mail.a.test", "mta-sts.%d", "autoconfig.%d", "autodiscover.%d"]
    assert made["setup"]["addresses"] == ["192.0.2.1"]
    assert (tmp_path / "data/mailhub.db").exists()


def test_both_families_and_every_port() -> None:
    for ipv6 in (False, True):
        config = parse(
            text(Production(**{**{name: getattr(WANTED, name) for name in WANTED.__struct_fields__}, "ipv6": ipv6}))
        )
        doors = {(door.address, door.port) for door in config.listener}
        assert doors == {(address, door.port) for address in ("0.0.0.0", "::")[: 1 + ipv6] for door in DOORS}
    assert parse(text(WANTED, "zh")) == parse(text(WANTED))


def test_which_language() -> None:
    assert language(None, {"LANG": "zh_TW.UTF-8"}) == "zh"
    assert language(None, {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}) == "en"
    assert language("zh", {}) == "zh"
    assert language(None, {}) == "en"
    assert WORDS["en"].keys() == WORDS["zh"].keys()
