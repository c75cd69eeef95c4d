"""`mailhub config`: options shown, and set in the file with all its comments."""

import json
import os
import threading
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.server import REPOSITORY

from mailhub.cli.root import root
from mailhub.config import values
from mailhub.config.load import parse
from mailhub.config.schema import Config

TEXT = """\
# the host
hostname = "mx.example.org" # its name

[smtp] # mail from others
# how many
recipient_limit = 5 # few

# the last word
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "config.toml"
    made.write_text(TEXT)
    made.chmod(0o640)
    return made


def run(file: Path, *words: str) -> Result:
    return CliRunner().invoke(root, ["--config", str(file), "config", *words], catch_exceptions=False)


def test_all_defaults_read_back_as_the_defaults(file: Path) -> None:
    lines = run(file, "-d").stdout.splitlines()
    assert 'hostname = "mailhub.test"' in lines
    assert "smtp.recipient_limit = 1000" in lines
    texts = dict(line.split(" = ", 1) for line in lines)
    assert set(texts) == {values.name(path) for path, _ in values.flat(Config())}
    for name, text in texts.items():
        assert "x" in tomllib.loads(f"x = {text}"), name
        assert values.name(values.path(name)) == name
        assert values.kind(values.path(name)) is not None, name


def test_what_differs_and_what_is_in_force(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(file, "-n").stdout == 'hostname = "mx.example.org"\nsmtp.recipient_limit = 5\n'
    assert run(file, "smtp.recipient_limit", "--value").stdout == "5\n"
    monkeypatch.setenv("MAILHUB_SMTP_RECIPIENT_LIMIT", "9")
    assert run(file, "-n", "smtp").stdout == "smtp.recipient_limit = 9\n"
    assert run(file, "-d", "smtp.recipient_limit").stdout == "smtp.recipient_limit = 1000\n"
    assert json.loads(run(file, "-n", "--json").stdout) == {"hostname": "mx.example.org", "smtp.recipient_limit": 9}
    assert len(run(file, "pop3").stdout.splitlines()) == len(Config().pop3.__struct_fields__)
    assert "relay.port = 25" in run(file).stdout.splitlines()
    absent = run(file, "smtp.nosuch")
    assert (absent.exit_code, absent.stdout) == (3, "")
    assert run(file, "smtp..x").exit_code == 1


def test_elements_of_lists_and_tables_have_names(file: Path) -> None:
    file.write_text(
        '[[listener]]\nprotocol = "smtp"\nport = 26\n[listener.smtp]\nvrfy = true\n[transport.slow]\nprotocol = "lmtp"\nconcurrency = 2\n'
    )
    assert run(file, "-n").stdout.splitlines() == [
        'listener[1].protocol = "smtp"',
        "listener[1].port = 26",
        "listener[1].smtp.vrfy = true",
        'transport.slow.protocol = "lmtp"',
        "transport.slow.concurrency = 2",
    ]
    file.write_text((REPOSITORY / "config.toml").read_text())
    assert run(file, "-e", "listener[3].port=99").exit_code == 0
    assert run(file, "-n", "listener").stdout == "listener[3].port = 99\n"


def test_passwords_are_not_shown(file: Path) -> None:
    file.write_text('[relay]\npasswords = { "far.test" = "name:hush" }\n')
    assert run(file, "-n").stdout == 'relay.passwords = { "far.test" = "(not shown)" }\n'
    assert "hush" not in run(file, "--json").stdout


def test_an_edit_keeps_comments_order_mode_and_owner(file: Path) -> None:
    if not os.geteuid():
        os.chown(file, 65534, 65534)
    before = file.stat()
    done = run(
        file,
        "-e",
        "smtp.recipient_limit=7",
        "hostname = new.example.org",
        "domains=a.test, b.test",
        "imap.idle_timeout=1900",
    )
    assert (done.exit_code, done.output) == (0, "")
    text = file.read_text()
    for line in TEXT.replace("= 5", "= 7").replace("mx.", "new.").splitlines():
        assert line in text.splitlines()
    read = parse(text)
    assert (read.hostname, read.domains, read.smtp.recipient_limit) == ("new.example.org", ("a.test", "b.test"), 7)
    assert read.imap.idle_timeout == 1900
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [entry.name for entry in file.parent.iterdir()] == ["config.toml"]


def test_a_list_of_tables_grows_at_its_end(file: Path) -> None:
    words = (
        "listener[1].protocol=imap",
        "listener[1].port=0",
        "listener[1].sessions.limit=3",
        "listener[2].protocol=pop3",
    )
    assert run(file, "-e", *words, "transport.slow.concurrency=2", "transport.slow.protocol=lmtp").exit_code == 0
    read = parse(file.read_text())
    assert [door.protocol for door in read.listener] == ["imap", "pop3"]
    assert read.listener[0].sessions is not None
    assert (read.listener[0].sessions.limit, read.transport["slow"].concurrency) == (3, 2)
    assert "element 5 of 2" in run(file, "-e", "listener[5].protocol=smtp").stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("smtp.recipient_limit=0", ":6: smtp.recipient_limit: found 0; allowed: a whole number from 1"),
        ("smtp.recipent_limit=1", "an unknown key"),
        ("smtp=1", 'smtp: found "1"'),
        ("hostname.x=1", "an unknown key"),
        ('hostname=a"\ndata="/x', "hostname"),
        ("listener[0].port=1", "no name of an option"),
    ],
)
def test_what_would_be_wrong_is_not_written(file: Path, word: str, said: str) -> None:
    done = run(file, "-e", "smtp.vrfy=true", word)
    assert done.exit_code == 1
    assert said in done.stderr
    assert file.read_text() == TEXT


def test_a_quoted_text_is_read_as_toml_has_it(file: Path) -> None:
    assert run(file, "-e", r'hostname="h\u0065re.test"', 'sieve.before=""').exit_code in (0, 1)
    assert run(file, "-e", r'hostname="h\u0065re.test"').exit_code == 0
    assert parse(file.read_text()).hostname == "here.test"


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert run(link, "-e", "hostname=other.test").exit_code == 0
    assert link.is_symlink()
    assert parse(file.read_text()).hostname == "other.test"


def test_two_that_edit_at_one_time_lose_nothing(file: Path) -> None:
    from mailhub.config.edit import edit

    def change(number: int) -> None:
        way = f"transport.t{number}"
        edit(file, [(f"{way}.protocol", "lmtp"), (f"{way}.concurrency", str(number))], {})

    threads = [threading.Thread(target=change, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {way.concurrency for way in parse(file.read_text()).transport.values()} == set(range(1, 9))


def test_wrong_usage(file: Path) -> None:
    for words in (("-d", "-n"), ("-e",), ("-e", "hostname"), ("-m", "smtp")):
        assert run(file, *words).exit_code == 2
