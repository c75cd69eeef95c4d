"""Secrets of the configuration, and of files that it names, stand in nothing that a command, the log or an error prints."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import inspect
from support.hubs import messages, running
from support.server import REPOSITORY, free_port

from mailhub.cli.root import root
from mailhub.config import schema, secrets
from mailhub.config.lookup import Lookup

MARK = "hush0mark"
ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"
_TELLING = re.compile(r"passw|passwd|secret|token|credential|private|key|pin\b|environment|introspection_client")
# Names that only sound so.
_HARMLESS = {
    "password_query", "password_scheme", "allow_plaintext", "keys_seconds", "discard_ehlo_keywords", "milter_protocol",
    "keep_seconds", "keep_limit", "token_limit", "keys_interval",
}  # fmt: skip


def options(section: type[msgspec.Struct]) -> Iterator[str]:
    """Last words of all options."""
    for field in msgspec.structs.fields(section):
        kinds = [inspect.type_info(field.type)]
        inner = []
        for kind in kinds:
            kinds += kind.types if isinstance(kind, inspect.UnionType) else ()
            kinds += [kind.item_type] if isinstance(kind, inspect.VarTupleType) else ()
            kinds += [kind.value_type] if isinstance(kind, inspect.DictType) else ()
            inner += [kind.cls] if isinstance(kind, inspect.StructType) and kind.cls is not Lookup else []
        yield field.name
        for one in inner:
            yield from options(one)


def test_options_that_sound_like_secrets_are_known() -> None:
    telling = {name for name in options(schema.Config) if _TELLING.search(name)}
    assert telling >= secrets.SECRET | secrets.FILES
    assert telling - secrets.SECRET - secrets.FILES <= _HARMLESS
    assert set(secrets.ALLOWED) == secrets.SECRET


CONFIG = """
hostname = "here.test"
domains = ["here.test"]
[log]
level = "debug"
[store]
free_space_floor = 0
[delivery]
relayhost = "[127.0.0.1]:{relay}"
[smtp]
greet_pause = 0.0
[[listener]]
protocol = "smtp"
port = {port}
[relay]
passwords = [{{ "[127.0.0.1]" = "ann@mailhub.test:{mark}" }}, "inline:{{x.test=eve:{mark}}}", "hash:passwords"]
auth_mechanisms = ["PLAIN"]
[transport.shop]
protocol = "pipe"
command = ["/bin/cat"]
user = "nobody"
environment = ["API_KEY={mark}"]
[transport.far]
protocol = "smtp"
[transport.far.relay]
passwords = {{ "y.test" = "eve:{mark}" }}
[webhook.crm]
url = "http://127.0.0.1:9/mail"
secret_file = "crm.secret"
[auth.oauth]
introspection = "http://127.0.0.1:9/introspect"
introspection_client = "oauth"
issuer = "http://127.0.0.1:9"
audience = ["mailhub"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "crm.secret").write_text(f"{MARK}{MARK}{MARK}{MARK}\n")
    (folder / "oauth").write_text(f"client:{MARK}\n")
    (folder / "oauth").chmod(0o600)
    (folder / "passwords").write_text(f"z.test eve:{MARK}\n")
    return folder


def shown(text: str) -> list[str]:
    """Lines with a secret, as it is or as SASL carries it."""
    forms = [MARK, base64.b64encode(f"\0{ANN}\0{MARK}".encode()).decode(), base64.b64encode(MARK.encode()).decode()]
    return [line for line in text.splitlines() if any(form in line for form in forms)]


def run(file: Path, *words: str, **environ: str) -> str:
    done = CliRunner(env=environ).invoke(root, ["--config", str(file), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def test_no_form_of_config_and_check_shows_them(place: Path) -> None:
    file = place / "config.toml"
    file.write_text(CONFIG.format(mark=MARK, port=2525, relay=2526))
    names = ("relay", "relay.passwords", "transport", "transport.shop.environment", "webhook", "auth")
    forms = [(), ("-n",), ("-d",), ("-m",), ("-a",), *((name,) for name in names), ("--value", "relay.passwords")]
    said = ""
    for form in forms:
        said += run(file, "config", *form) + run(file, "config", *form, "--json")
    said += run(file, "check") + run(file, "check", "--json")
    assert shown(said) == []
    assert said.count(secrets.HIDDEN) > 10
    assert 'environment = ["API_KEY=(not shown)"]' in said
    run(file, "config", "-e", "smtp.recipient_limit=7")
    assert len(shown(file.read_text())) == 3  # the file itself keeps them


@pytest.mark.parametrize(
    "wrong",
    [
        f'[relay]\npasswords = "eve:{MARK}"',
        f'[relay]\npasswords = ["{MARK}"]',
        f'[relay]\npasswords = {{ "a.test" = ["{MARK}"] }}',
        f'[relay]\npasswords = "inline:{{{MARK}}}"',
        f'[transport.x]\nprotocol = "smtp"\n[transport.x.relay]\npasswords = "{MARK}"',
        f'[transport.x]\nprotocol = "pipe"\ncommand = ["/bin/cat"]\nenvironment = ["{MARK}"]',
        f'[transport.x]\nprotocol = "pipe"\ncommand = ["/bin/cat"]\nenvironment = "{MARK}"',
        f'[relay]\npassword = "{MARK}"',
        '[relay]\npasswords = "hash:forgotten"',
        '[relay]\npasswords = "regexp:forgotten"',
        '[relay]\npasswords = "sqlite:forgotten"',
    ],
)
def test_nor_does_an_error_about_them(place: Path, wrong: str) -> None:
    file = place / "config.toml"
    (place / "forgotten").write_text(f"{MARK}\n")
    file.write_text(wrong)
    said = run(file, "check") + run(file, "check", "--json") + run(file, "config", "-e", "smtp.recipient_limit=7")
    assert "forgotten" in said or "found" in said
    assert shown(said) == []


def test_nor_an_error_about_the_environment(place: Path) -> None:
    file = place / "config.toml"
    file.write_text("")
    said = run(file, "check", MAILHUB_RELAY_PASSWORDS=f"eve:{MARK}")
    assert "MAILHUB_RELAY_PASSWORDS: relay.passwords: found" in said
    assert shown(said) == []
    assert shown(run(file, "config", "-e", f"relay.passwords=eve:{MARK}")) == []


@pytest.mark.slow
async def test_nor_a_server_that_uses_them(place: Path) -> None:
    """It signs in at another host, at log level "debug", and reloads what is right and what is wrong."""
    file, port = place / "config.toml", free_port()

    def mailhub(*words: str, stdin: str = "") -> str:
        command = [sys.executable, "-P", "-m", "mailhub", "--config", str(file), *words]
        return subprocess.run(
            command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        ).stdout  # fmt: skip

    async with running(
        place.parent / "there", ANN, BOB, smtp=schema.Smtp(check_sender_login=False), auth=schema.Auth(scram=())
    ) as provider:
        await provider.directory.set_password(ANN, MARK)
        text = CONFIG.format(mark=MARK, port=port, relay=provider.port("submission"))
        await asyncio.to_thread(file.write_text, text)
        said = await asyncio.to_thread(mailhub, "start", "--json")
        try:
            started = json.loads(said)
            for n in range(2):
                letter = f"From: s@here.test\nTo: {BOB}\nSubject: {n}\n\nx\n"
                said += await asyncio.to_thread(mailhub, "sendmail", "-f", "s@here.test", BOB, stdin=letter)
            async with asyncio.timeout(60):
                while len(await messages(provider, BOB)) < 2:
                    await asyncio.sleep(0.02)
            for words in (("status",), ("queue", "list"), ("queue", "summary"), ("webhook", "list"), ("trace", BOB)):
                said += await asyncio.to_thread(mailhub, *words) + await asyncio.to_thread(mailhub, *words, "--json")
            said += await asyncio.to_thread(mailhub, "route", BOB)
            broken = text.replace("passwords = [", f'passwords = ["{MARK}", ')
            await asyncio.to_thread(file.write_text, broken)
            said += await asyncio.to_thread(mailhub, "reload")
            os.kill(started["pid"], signal.SIGHUP)  # the command does not come so far as to ask the server
            async with asyncio.timeout(60):
                while "not reloaded" not in (place / "var/mailhub.log").read_text():
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(file.write_text, text)
        finally:
            said += await asyncio.to_thread(mailhub, "abort")
    log = await asyncio.to_thread((place / "var/mailhub.log").read_text)
    assert "status=sent" in log
    assert shown(said + log) == []
