"""Commands on a stopped server: the store is opened under its lock. Exit codes and what is printed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailhub.cli.root import root
from mailhub.directory.second_factor import STEP, code
from mailhub.model.clock import SystemClock
from mailhub.net.tls import self_signed


class Place:
    """A folder with a config, and `mailhub` run in it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self.config.write_text('domains = ["a.test"]\n')

    def run(self, *args: str, stdin: str = "") -> Result:
        return CliRunner().invoke(root, ["--config", str(self.config), *args], input=stdin, catch_exceptions=False)

    def json(self, *args: str) -> object:
        done = self.run(*args, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_check_reads_tls_policies(place: Place) -> None:
    place.config.write_text(
        '[relay]\ntls_policy = { "b.test" = "secure match=.b.test", "c.test" = "maybe" }\ntls_ca = "gone.pem"\n'
    )
    done = place.run("check")
    assert done.exit_code == 1
    assert 'relay.tls_policy.c.test: found "maybe"; allowed: a TLS policy' in done.stderr
    assert "relay.tls_ca: found" in done.stderr
    assert "b.test:" not in done.stderr.replace("c.test:", "")


def test_check_says_where_dane_has_nobody_to_ask(place: Place) -> None:
    place.config.write_text('relay.tls = "dane"\n')
    assert "resolver.validating names nobody" in place.run("check").stderr
    place.config.write_text('relay.tls = "dane"\nresolver.validating = ["127.0.0.1"]\n')
    assert "DNSSEC" not in place.run("check").stderr
    place.config.write_text('resolver.validating = ["here"]\n')
    assert "resolver.validating.0" in place.run("check").stderr or place.run("check").exit_code == 1


def test_accounts_from_the_cradle_to_the_grave(place: Place) -> None:
    assert place.run("user", "add", "Ann@a.test", "--password-stdin", stdin="secret\nsecond line\n").exit_code == 0
    made = place.run("user", "add", "ben@a.test", "--generate")
    address, password = made.stdout.split()
    assert (address, len(password)) == ("ben@a.test", 23)
    assert place.json("user", "list") == [
        {"address": "ann@a.test", "enabled": True},
        {"address": "ben@a.test", "enabled": True},
    ]
    lines = place.run("user", "list").stdout.splitlines()
    assert lines == ["ADDRESS     LOGIN", "ann@a.test  yes", "ben@a.test  yes"]
    answer = place.json("user", "passwd", "ann@a.test", "--generate")
    assert isinstance(answer, dict)
    assert set(answer) == {"address", "password"}
    assert place.run("user", "passwd", "ann@a.test", stdin="new\nnew\n").exit_code == 0
    assert place.run("user", "disable", "ann@a.test").exit_code == 0
    assert place.run("user", "list").stdout.splitlines()[1] == "ann@a.test  no"
    assert place.run("user", "enable", "Ann@a.test").exit_code == 0
    assert place.run("user", "disable", "eve@a.test").exit_code == 3
    assert place.run("user", "remove", "ben@a.test").exit_code == 0
    assert place.json("user", "list") == [{"address": "ann@a.test", "enabled": True}]
    assert place.json("user", "list", "--containing", "NN@") == [{"address": "ann@a.test", "enabled": True}]
    assert place.json("user", "list", "--containing", "bob") == []


def test_domains_and_aliases(place: Place) -> None:
    assert place.run("domain", "add", "b.test").exit_code == 0
    assert place.run("alias", "add", "@b.test", "ann@a.test", "x@other.test").exit_code == 0
    assert place.json("domain", "list") == [
        {"name": "a.test", "source": "config"},
        {"name": "b.test", "source": "store"},
    ]
    assert place.json("alias", "list") == [{"address": "@b.test", "targets": ["ann@a.test", "x@other.test"]}]
    assert place.run("user", "add", "ann@a.test", "--generate").exit_code == 0
    assert place.json("domain", "admins", "b.test", "--add", "ann@a.test") == ["ann@a.test"]
    assert place.run("domain", "admins", "b.test").stdout == "ann@a.test\n"
    assert place.json("domain", "admins", "b.test", "--remove", "ann@a.test") == []
    assert place.run("domain", "remove", "b.test").exit_code == 1
    assert place.run("alias", "remove", "@b.test").exit_code == 0
    assert place.run("domain", "remove", "b.test").exit_code == 0
    assert place.run("domain", "list").stdout.splitlines() == ["DOMAIN  FROM", "a.test  config"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("user", "remove", "eve@a.test"), 3, "eve@a.test"),
        (("user", "add", "ann@a.test", "--generate"), 4, "ann@a.test exists"),
        (("user", "add", "no address", "--generate"), 1, "no address"),
        (("user", "add", "x@a.test", "--generate", "--password-stdin"), 2, "exclude each other"),
        (("user", "add", "x@a.test", "--password-stdin"), 2, "first line of stdin is empty"),
        (("user", "add", "x" * 2000 + "@a.test", "--generate"), 1, "address"),
        (("queue", "show", "0123"), 3, "no message 0123"),
        (("queue", "remove"), 2, "say which messages"),
        (("queue", "remove", "--all", "0123"), 2, "say which messages"),
        (("queue", "list", "--older-than", "soon"), 2, "no duration"),
        (("status",), 3, "no server runs"),
        (("mailbox", "rebuild", "eve@a.test"), 3, "no account eve@a.test"),
        (("mailbox", "check", "eve@a.test"), 3, "no account eve@a.test"),
        (("mailbox", "repair", "eve@a.test"), 3, "no account eve@a.test"),
        (("explode",), 2, "No such command"),
    ],
)
def test_exit_codes_and_one_line_of_words(place: Place, args: tuple[str, ...], code: int, words: str) -> None:
    place.run("user", "add", "ann@a.test", "--generate")
    done = place.run(*args)
    assert done.exit_code == code
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_an_empty_queue(place: Place) -> None:
    assert place.json("queue", "list") == []
    assert place.json("queue", "summary") == {"messages": 0, "recipients": 0, "rows": []}
    assert place.run("queue", "summary").stdout == "0 messages, 0 recipients\n"
    assert place.run("queue", "retry", "--all").stdout == "0 messages due now\n"
    assert place.json("queue", "hold", "--older-than", "3h") == {"messages": 0}


def test_rebuild_draws_no_bar_into_the_data(place: Place) -> None:
    place.run("user", "add", "ann@a.test", "--generate")
    assert place.json("mailbox", "rebuild", "ann@a.test") == {"done": True}


def test_a_mailbox_is_checked_and_repaired(place: Place) -> None:
    place.run("user", "add", "ann@a.test", "--generate")
    assert place.run("mailbox", "repair", "ann@a.test").exit_code == 0
    assert place.json("mailbox", "check", "ann@a.test") == {"total": 0, "listed": []}
    new = next(place.config.parent.rglob("Maildir")) / "new"
    (new / "1.\udcff.host").write_bytes(b"Subject: x\r\n\r\n")
    done = place.run("mailbox", "check", "ann@a.test", "--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout)["listed"]
    assert (found["kind"], found["folder"], found["file"]) == ("file without row", "INBOX", "1.\\xff.host")
    done = place.run("mailbox", "check", "ann@a.test")
    assert done.exit_code == 1
    assert "file without row  INBOX" in done.stdout
    assert place.run("mailbox", "repair", "ann@a.test").exit_code == 0
    assert place.run("mailbox", "check", "ann@a.test").stdout == ""
    assert place.json("mailbox", "sync") == {"done": True}


def test_quotas_are_set_and_shown(place: Place) -> None:
    place.run("user", "add", "ann@a.test", "--generate")
    none = {"address": "ann@a.test", "storage": 0, "messages": 0, "storage_limit": 0, "message_limit": 0}
    assert place.json("quota", "get", "ann@a.test") == none
    place.json("quota", "set", "@a.test", "--storage", "2G", "--messages", "500")
    assert place.json("quota", "set", "ann@a.test", "--messages", "none") == none | {"storage_limit": 2 << 30}
    assert place.run("quota", "recalculate", "ann@a.test").stdout.split()[3:] == [
        "ann@a.test", "storage", "0", "2G", "ann@a.test", "messages", "0", "none",
    ]  # fmt: skip
    assert place.run("quota", "set", "ann@a.test", "--storage", "much").exit_code == 2
    for address in ("eve@a.test", "@b.test"):
        assert place.run("quota", "get", address).exit_code == 3


def test_status_says_in_json_that_nothing_runs(place: Place) -> None:
    done = place.run("status", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["running"] is False


def test_check_names_file_line_key_and_what_is_allowed(place: Place) -> None:
    assert place.run("check").stdout == f"{place.config}: ok\n"
    place.config.write_text('domains = ["a.test"]\nhostnam = "x"\n[smtp]\nmessage_size_limit = "big"\n')
    done = place.run("check")
    assert done.exit_code == 1
    first, second = done.stderr.splitlines()
    assert f"{place.config}:2: hostnam:" in first
    assert f"{place.config}:4: smtp.message_size_limit:" in second
    assert "allowed: a whole number" in second
    found = place.run("check", "--json")
    assert found.exit_code == 1
    assert [problem["line"] for problem in json.loads(found.stdout)["problems"]] == [2, 4]
    assert place.run("user", "list").exit_code == 1


def test_a_config_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    done = CliRunner().invoke(root, ["check", "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 1
    assert "none.toml" in done.stderr


def test_help_lists_every_command_and_each_has_its_help(place: Place) -> None:
    text = place.run("--help").stdout
    commands = ("serve", "check", "status", "user", "domain", "alias", "queue", "mailbox", "version")
    for command in commands:
        assert f"\n  {command} " in text
        assert place.run(command, "--help").exit_code == 0
    for group, name in (("queue", "requeue"), ("user", "passwd"), ("mailbox", "rebuild")):
        assert place.run(group, name, "--help").exit_code == 0


def test_check_looks_at_the_files_that_are_named(place: Place, tmp_path: Path) -> None:
    place.config.write_text('[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n')
    lines = place.run("check").stderr.splitlines()
    assert [line.split(" found ")[0].rpartition(" ")[2] for line in lines] == ["tls.certificate:", "tls.key:"]
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nothing")
    (line,) = place.run("check").stderr.splitlines()
    assert "tls: found tls.certificate" in line
    for name, text in zip(("cert.pem", "key.pem"), self_signed("a.test", 1_800_000_000), strict=True):
        (tmp_path / name).write_bytes(text)
    assert place.run("check").exit_code == 0
    (tmp_path / "file").write_text("")
    place.config.write_text('data = "file/var"\n')
    (line,) = place.run("check").stderr.splitlines()
    assert "data: found" in line
    assert "can not write to" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cert.pem", "config.toml", "file", "key.pem"]


def test_app_passwords_and_the_second_factor(place: Place) -> None:
    place.run("user", "add", "ann@a.test", "--generate")
    made = place.run("user", "app-password", "add", "ann@a.test", "phone", "--for", "imap")
    assert len(made.stdout.strip()) == 23
    (listed,) = place.json("user", "app-password", "list", "ann@a.test")  # type: ignore[misc]
    assert (listed["name"], listed["services"], listed["used"]) == ("phone", ["imap"], 0)
    assert "phone  imap" in place.run("user", "app-password", "list", "ann@a.test").stdout
    assert place.run("user", "app-password", "add", "ann@a.test", "phone").exit_code != 0
    assert place.run("user", "app-password", "remove", "ann@a.test", "phone").exit_code == 0
    assert place.json("user", "app-password", "list", "ann@a.test") == []
    begun = place.json("user", "second-factor", "begin", "ann@a.test")
    assert isinstance(begun, dict)
    assert place.run("user", "second-factor", "confirm", "ann@a.test", "000000x").exit_code != 0
    now = code(begun["secret"], int(SystemClock().now()) // STEP)
    assert place.run("user", "second-factor", "confirm", "ann@a.test", now).exit_code == 0
    assert place.run("user", "second-factor", "begin", "ann@a.test").exit_code != 0
    assert place.run("user", "second-factor", "remove", "ann@a.test").exit_code == 0


def test_check_knows_the_systems_users_and_folders(place: Place) -> None:
    place.config.write_text(
        'user = "nobody:no-such-group"\n[local]\nsystem_users = true\nmail_spool_directory = "/no/such/folder"\n'
    )
    lines = place.run("check").stderr.splitlines()
    assert [line.split(" found ")[0].rpartition(" ")[2] for line in lines] == ["user:", "local.mail_spool_directory:"]
