"""Every mechanism in every protocol: SASL's own client (gsasl), and a dialogue by hand for tokens and certificates."""

import asyncio
import base64
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.hubs import running
from support.smtp_peer import Server

from mailhub.config import schema
from mailhub.directory.signin import Peer, withheld
from mailhub.hub import Hub

GSASL = shutil.which("gsasl")
PASSWORD = "pénc il"
ANN = "ann@mailhub.test"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path, auth=schema.Auth(failure_delay=0, scheme="PLAIN", scram=())) as hub:
        await hub.directory.add_account(ANN, PASSWORD)
        yield hub


async def gsasl(hub: Hub, protocol: str, mechanism: str, password: str = PASSWORD, bound: str = "") -> str:
    """Its exit code and what it printed. `bound`: with channel binding, under those GnuTLS priorities."""
    if GSASL is None:
        pytest.skip("gsasl is not installed")
    port = hub.port("submission" if protocol == "smtp" else protocol)
    ca = hub.data / "tls" / "certificate.pem"
    arguments = [
        f"--{protocol}", f"--mechanism={mechanism}", f"--authentication-id={ANN}", f"--password={password}",
        f"--x509-ca-file={ca}", "--starttls", *((f"--priority={bound}",) if bound else ("--no-cb",)), f"--connect=localhost:{port}",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        GSASL,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    said = (await process.communicate())[0].decode(errors="replace")
    return f"{process.returncode}\n{said}"


@pytest.mark.parametrize("protocol", ["smtp", "imap"])
@pytest.mark.parametrize(
    "mechanism",
    ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
)
async def test_gsasl_signs_in(hub: Hub, protocol: str, mechanism: str) -> None:
    right, wrong = await gsasl(hub, protocol, mechanism), await gsasl(hub, protocol, mechanism, "wrong")
    assert right.startswith("0\n"), right
    assert not wrong.startswith("0\n"), wrong


async def test_scram_works_beside_argon2id_and_for_nobody_looks_the_same(tmp_path: Path) -> None:
    async with running(tmp_path, auth=schema.Auth(failure_delay=0)) as hub:
        await hub.directory.add_account(ANN, PASSWORD)
        assert (await gsasl(hub, "imap", "SCRAM-SHA-256")).startswith("0\n")
        authenticator = hub.authenticator
        peer = Peer("imap", secure=True)
        asked = []
        for login in (b"nobody@mailhub.test", b"nobody@mailhub.test", b"other@mailhub.test", ANN.encode()):
            exchange = authenticator.begin("SCRAM-SHA-256", peer)
            assert exchange is not None
            step: Any = await exchange.step(b"n,,n=" + login + b",r=abc")
            asked.append(step.text.partition(b",")[2])
        assert asked[0] == asked[1] != asked[2]
        assert {text.rpartition(b",i=")[2] for text in asked} == {b"20000"}
        assert len({len(text) for text in asked}) == 1


@pytest.mark.parametrize("protocol", ["smtp", "imap"])
async def test_gsasl_binds_to_the_channel_where_it_can(hub: Hub, protocol: str) -> None:
    """Under TLS 1.2. Under TLS 1.3 it wants tls-exporter, and -PLUS is not offered where we do not have it."""
    said = await gsasl(hub, protocol, "SCRAM-SHA-256-PLUS", bound="NORMAL:-VERS-TLS1.3")
    assert said.startswith("0\n"), said
    if "tls-exporter" not in ssl.CHANNEL_BINDING_TYPES:
        assert not (await gsasl(hub, protocol, "SCRAM-SHA-256-PLUS", bound="NORMAL")).startswith("0\n")


async def test_what_is_offered_and_why_not() -> None:
    def why(name: str, peer: Peer, **auth: Any) -> str:
        return withheld(schema.Auth(**auth), name, peer, tokens=False)

    clear, secure = Peer("imap"), Peer("imap", secure=True)
    assert "TLS first" in why("PLAIN", clear)
    assert "TLS first" in why("SCRAM-SHA-256", clear)
    assert why("PLAIN", clear, allow_plaintext=True) == why("PLAIN", secure) == why("SCRAM-SHA-256", secure) == ""
    assert "auth.scram" in why("SCRAM-SHA-1", secure)
    assert why("SCRAM-SHA-1", secure, scheme="PLAIN") == ""
    assert "channel binding" in why("SCRAM-SHA-256-PLUS", secure)
    assert "auth.scheme" in why("CRAM-MD5", secure)
    assert "tls.client_ca" in why("EXTERNAL", secure)
    assert why("EXTERNAL", Peer("imap", secure=True, names=(ANN,))) == ""
    assert "auth.oauth" in why("XOAUTH2", secure)
    assert "auth.mechanisms" in why("PLAIN", secure, mechanisms=("LOGIN",))


async def test_scram_plus_over_tls() -> None:
    """Channel binding with the hash of the server's certificate, by hand: no Debian client has it yet over STARTTLS."""
    from mailhub.wire.sasl import scram

    async with Server(service="submission", tls="starttls", auth=schema.Auth(scheme="PLAIN")) as server:
        talk = await server.connect()
        context = server.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        await talk.start_tls(context)
        shown = await talk.ask("EHLO c")
        assert ("SCRAM-SHA-256-PLUS" in shown) == bool(server.end_point)
        first, gs2 = b"n=alice@mailhub.test,r=abc", b"p=tls-server-end-point,,"
        answer = await talk.ask("AUTH SCRAM-SHA-256-PLUS " + base64.b64encode(gs2 + first).decode())
        message = base64.b64decode(answer.removeprefix("334 "))
        parts = dict(part.split(b"=", 1) for part in message.split(b","))
        without = b"c=" + base64.b64encode(gs2 + server.end_point) + b",r=" + parts[b"r"]
        salt, count = base64.b64decode(parts[b"s"]), int(parts[b"i"])
        import hashlib
        import hmac

        salted = hashlib.pbkdf2_hmac("sha256", b"secret", salt, count)
        key = hmac.digest(salted, b"Client Key", "sha256")
        whole = b",".join((first, message, without))
        signature = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        last = without + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
        answer = await talk.ask(base64.b64encode(last))
        kept = scram.derive("SCRAM-SHA-256", b"secret", salt, count)
        final = base64.b64decode(answer.removeprefix("334 "))
        assert final == b"v=" + base64.b64encode(hmac.digest(kept.server_key, whole, "sha256"))
        assert (await talk.ask("")).startswith("235 2.7.0 ")
        talk.close()


async def test_a_made_up_salt_outlives_a_restart_as_a_real_one_does(tmp_path: Path) -> None:
    asked = []
    for _ in range(2):
        async with running(tmp_path, auth=schema.Auth(failure_delay=0)) as hub:
            exchange = hub.authenticator.begin("SCRAM-SHA-256", Peer("imap", secure=True))
            assert exchange is not None
            step: Any = await exchange.step(b"n,,n=nobody@mailhub.test,r=abc")
            asked.append(step.text.partition(b",")[2])
    assert asked[0] == asked[1]
