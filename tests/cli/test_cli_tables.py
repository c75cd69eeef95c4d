"""`mailhub table query` and `mailhub config -m`."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from mailhub.cli.root import root


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(root, args, input=stdin, catch_exceptions=False)


def test_query_is_postmap_q(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a one\nb two\n")
    name = f"hash:{tmp_path}/t"
    assert (run("table", "query", name, "A").stdout, run("table", "query", name, "A").exit_code) == ("one\n", 0)
    assert (run("table", "query", name, "c").stdout, run("table", "query", name, "c").exit_code) == ("", 1)
    assert run("table", "query", name, "-", stdin="a\nc\nb\n").stdout == "a\tone\nb\ttwo\n"
    assert json.loads(run("table", "query", name, "b", "--json").stdout) == [{"key": "b", "value": "two"}]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    assert "no table" in run("table", "query", "nosuch:x", "a").stderr
    assert "No such file" in run("table", "query", f"hash:{tmp_path}/none", "a").stderr


def test_types_of_tables_are_listed() -> None:
    assert "cidr_table(5)" in run("config", "-m").stdout
    assert {row["type"] for row in json.loads(run("config", "-m", "--json").stdout)} >= {"hash", "mysql", "pipemap"}


def test_mechanisms_are_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[auth]\nmechanisms = ["PLAIN", "CRAM-MD5"]\n')
    rows = json.loads(run("--config", str(tmp_path / "config.toml"), "config", "-a", "--json").stdout)["mechanisms"]
    why = {row["mechanism"]: (row["offered"], row["why"]) for row in rows}
    assert why["PLAIN"][0] == "yes"
    assert why["LOGIN"] == ("no", "not in auth.mechanisms")
    assert "auth.scheme" in why["CRAM-MD5"][1]
    assert "tls-exporter" in why["SCRAM-SHA-256-PLUS"][1]


def test_tokens_are_offered_where_somebody_can_check_them(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"

    def shown(text: str) -> dict[str, tuple[str, str]]:
        config.write_text(text)
        rows = json.loads(run("--config", str(config), "config", "-a", "--json").stdout)["mechanisms"]
        return {row["mechanism"]: (row["offered"], row["why"]) for row in rows}

    for name in ("OAUTHBEARER", "XOAUTH2"):
        assert shown("")[name] == ("no", "nobody can check tokens: auth.oauth.jwks, auth.oauth.introspection")
        assert shown('[auth.oauth]\njwks = "k"\nissuer = "i"\naudience = ["a"]\n')[name][0] == "yes"
    done = run("--config", str(config), "check")
    assert f'auth.oauth.jwks: found "{tmp_path}/k", which this user can not read' in done.stderr


def test_check_reads_every_table_that_the_configuration_names(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("a b\n")
    (tmp_path / "bad").write_text("lonely\n")
    config = tmp_path / "config.toml"
    text = '[smtp]\nrelay_domains = "hash:good"\nmynetworks = ["127.0.0.0/8", "cidr:none"]\n'
    config.write_text(text + 'sender_restrictions = ["check_sender_access hash:bad"]\n')
    done = run("--config", str(config), "check")
    assert done.exit_code == 1
    assert f"hash:{tmp_path}/bad" in done.stderr
    assert "line 1: no value behind the key" in done.stderr
    assert f"cidr:{tmp_path}/none" in done.stderr
    assert "good" not in done.stderr
    config.write_text('[smtp]\nrelay_domains = "hash:good"\n')
    assert run("--config", str(config), "check").exit_code == 0
