"""Options from the environment: any of them, above the file, with errors that name the variable."""

from pathlib import Path

import pytest

from mailhub.config.environment import document
from mailhub.config.load import ConfigError, load, parse, under
from mailhub.config.schema import Config, Listener


def test_text_numbers_lists_tables_and_look_up_tables() -> None:
    given = {
        "MAILHUB_HOSTNAME": "mail.example.test",
        "MAILHUB_DEMO": "true",
        "MAILHUB_DOMAINS": "a.test, b.test",
        "MAILHUB_QUEUE_ACTIVE_LIMIT": "50",
        "MAILHUB_QUEUE_RETRY": "[60, 120.5]",
        "MAILHUB_AUTH_OAUTH_ISSUER": "https://issuer.test",
        "MAILHUB_ALIASES_RELOCATED_MAPS": "hash:/etc/moved",
        "MAILHUB_LISTENER": '[{protocol = "smtp", port = 2525, tls = "none"}]',
    }
    config = parse('hostname = "file.test"', environ=given)
    assert (config.hostname, config.demo, config.domains) == ("mail.example.test", True, ("a.test", "b.test"))
    assert (config.queue.active_limit, config.queue.retry) == (50, (60.0, 120.5))
    assert config.auth.oauth.issuer == "https://issuer.test"
    assert config.listener == (Listener(protocol="smtp", port=2525, tls="none"),)
    assert (
        config.aliases.relocated_maps == parse('[aliases]\nrelocated_maps = "hash:/etc/moved"').aliases.relocated_maps
    )


def test_the_file_counts_where_the_environment_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('hostname = "file.test"\n[queue]\nactive_limit = 7\njitter = 0.5\n')
    monkeypatch.setenv("MAILHUB_QUEUE_ACTIVE_LIMIT", "9")
    config = load(file)
    assert (config.hostname, config.queue.active_limit, config.queue.jitter) == ("file.test", 9, 0.5)


def test_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILHUB_HOSTNAME", "mail.example.test")
    assert load().hostname == "mail.example.test"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("MAILHUB_QUEUE_ACTIVE_LIMIT", "many", '"many"'),
        ("MAILHUB_QUEUE_ACTIVE_LIMIT", "0", "0"),
        ("MAILHUB_DEMO", "yes", '"yes"'),
        ("MAILHUB_MODE", "sink", '"sink"'),
        ("MAILHUB_QUEUE_RETRY", "60", "60"),
        ("MAILHUB_DOMAINS", "[1", '"[1"'),
    ],
)
def test_what_is_wrong_is_named_by_its_variable(name: str, value: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("", environ={name: value})
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.found) == (name, 0, found)
    assert problem.allowed


def test_rules_hold_for_the_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("", environ={"MAILHUB_HOSTNAME": "no host name"})
    assert [(problem.file, problem.key) for problem in caught.value.problems] == [("MAILHUB_HOSTNAME", "hostname")]


def test_names_of_others_are_left_alone() -> None:
    others = {
        "MAILHUB_PORT": "tcp://10.0.0.1:25",
        "MAILHUB_SERVICE_HOST": "10.0.0.1",
        "HOSTNAME": "x",
        "mailhub_demo": "1",
    }
    assert document(others) == ({}, {})


def test_above_a_configuration_that_a_program_made() -> None:
    made = Config(mode="capture", hostname="made.test")
    given = {
        "MAILHUB_MODE": "server",
        "MAILHUB_SMTP_MESSAGE_SIZE_LIMIT": "1000",
        "MAILHUB_AUTH_OAUTH_ISSUER": "https://i.test",
    }
    config = under(given, made, frozenset(("mode",)))
    assert (config.mode, config.hostname, config.smtp.message_size_limit) == ("capture", "made.test", 1000)
    assert config.auth.oauth.issuer == "https://i.test"
    assert config.auth.scheme == made.auth.scheme
