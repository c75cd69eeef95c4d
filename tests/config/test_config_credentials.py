"""`credential:NAME` in config.toml: a file that systemd keeps for the service."""

from pathlib import Path

import pytest

from mailhub.config.load import ConfigError, load, parse

TEXT = '[tls]\ncertificate = "credential:cert.pem"\nkey = "credential:key.pem"\n'


def test_it_is_the_file_of_that_name() -> None:
    tls = parse(TEXT, environ={"CREDENTIALS_DIRECTORY": "/run/credentials/mailhub.service"}).tls
    assert tls.certificate == "/run/credentials/mailhub.service/cert.pem"
    assert tls.key == "/run/credentials/mailhub.service/key.pem"


@pytest.mark.parametrize(
    ("text", "folder", "problem"),
    [
        (TEXT, "", "LoadCredential="),
        (TEXT.replace("cert.pem", "../cert.pem"), "/run/x", "without a slash"),
        (TEXT.replace("cert.pem", ".."), "/run/x", "without a slash"),
    ],
)
def test_what_can_not_be_one_is_told_with_its_line(text: str, folder: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, environ={"CREDENTIALS_DIRECTORY": folder})
    first = caught.value.problems[0]
    assert (first.line, first.key) == (2, "tls.certificate")
    assert problem in str(first)


def test_a_command_that_no_unit_begins_reads_them_where_the_service_has_them(tmp_path: Path) -> None:
    (file := tmp_path / "config.toml").write_text(TEXT)
    assert load(file).tls.key == "/run/credentials/mailhub.service/key.pem"
    with pytest.raises(ConfigError, match="LoadCredential="):
        load(file, served=True)
