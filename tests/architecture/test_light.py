"""A server loads what its configuration needs, and no more: memory at rest and the time until the first greeting hang on it."""

import json
import subprocess
import sys
from pathlib import Path

from support.server import REPOSITORY
from support.source import PACKAGE

PROGRAM = """
import asyncio, json, pathlib, sys
from mailhub.config.load import load
from mailhub.hub import Hub
async def main():
    async with Hub(load(pathlib.Path(sys.argv[1]))):
        print(json.dumps(sorted(sys.modules)))
asyncio.run(main())
"""
PLAIN = """
data = "./var"
domains = ["example.test"]
spf.enabled = false
dkim.enabled = false
arc.enabled = false
dmarc.enabled = false
junk.enabled = false
""" + "".join(f'[[listener]]\nprotocol = "{name}"\nport = 0\n' for name in ("smtp", "pop3", "imap"))

NEEDLESS = (  # for SMTP, POP3, IMAP and the queue, without checks of who sends
    "aiohttp", "jinja2", "markupsafe", "nh3", "segno", "webauthn", "aiomysql", "pymysql", "dns", "spftrace", "aiobotocore", "httpx",
    "passlib", "http.client", "urllib.request", "xml.sax", "multiprocessing", "unittest", "pydoc",
    "difflib", "html", "pyexpat", "shutil", "tarfile", "tempfile", "zipfile",
    f"{PACKAGE}.web", f"{PACKAGE}.testing", f"{PACKAGE}.moving", f"{PACKAGE}.store.backup", f"{PACKAGE}.store.mysql",
    f"{PACKAGE}.protocols.managesieve", f"{PACKAGE}.protocols.auth", f"{PACKAGE}.hooks", f"{PACKAGE}.policy.hook",
    f"{PACKAGE}.policy.spf", f"{PACKAGE}.policy.dkim", f"{PACKAGE}.policy.dmarc", f"{PACKAGE}.policy.arc", f"{PACKAGE}.policy.junk",
    f"{PACKAGE}.jobs.dmarc_reports", f"{PACKAGE}.jobs.tls_reports", f"{PACKAGE}.jobs.webhooks", f"{PACKAGE}.jobs.autoexpunge",
    f"{PACKAGE}.jobs.renewal", f"{PACKAGE}.net.acme", f"{PACKAGE}.deputy.client",
)  # fmt: skip


def loaded(folder: Path, config: str) -> set[str]:
    file = folder / "config.toml"
    file.write_text(config)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def below(modules: set[str], name: str) -> list[str]:
    return sorted(module for module in modules if module == name or module.startswith(f"{name}."))


def test_a_server_without_web_and_checks_loads_neither(tmp_path: Path) -> None:
    modules = loaded(tmp_path, PLAIN)
    assert {f"{PACKAGE}.protocols.smtp", f"{PACKAGE}.protocols.imap.session", f"{PACKAGE}.protocols.pop3"} <= modules
    assert [found for name in NEEDLESS for found in below(modules, name)] == []


def test_what_speaks_a_protocol_is_there_before_the_first_client(tmp_path: Path) -> None:
    door = '[[listener]]\nprotocol = "managesieve"\nport = 0\n'
    modules = loaded(tmp_path, 'data = "./var"\ndomains = ["example.test"]\n' + door)
    assert f"{PACKAGE}.protocols.managesieve.session" in modules
    assert below(modules, f"{PACKAGE}.protocols.imap") == below(modules, f"{PACKAGE}.protocols.pop3") == []
