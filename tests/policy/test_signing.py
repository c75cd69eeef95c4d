"""DKIM signing: keys by command, records in DNS, mail of ours signed by both; dkimpy and opendkim agree with what is good, and with what is not."""

import email
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import dkim as dkimpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.control import words
from mailhub.control.errors import ControlError
from mailhub.message import dkim, dkim_signing
from mailhub.testing import AsyncInternet, AsyncMailHub

TEXT = "From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: signed  twice\r\n\r\nHello  world \r\n\r\n.dot\r\n\r\n\r\n"
KEYS = {kind: dkim_signing.loaded(dkim_signing.made(kind)) for kind in dkim_signing.KINDS}


@pytest.fixture
async def net() -> AsyncIterator[AsyncInternet]:
    async with AsyncInternet() as net:
        yield net


async def post(hub: AsyncMailHub, text: str = TEXT, sender: str = "ann@a.test") -> None:
    where = {"hostname": hub.host, "port": hub.port("submission"), "username": "ann@a.test", "password": "password"}
    await aiosmtplib.send(text, sender=sender, recipients=["bob@b.test"], tls_context=hub.client_tls(), **where)  # type: ignore[arg-type]


async def publish(net: AsyncInternet, hub: AsyncMailHub, request: words.DkimCreate) -> tuple[words.DkimRecord, ...]:
    made = await hub.hub.control.perform(request)
    for one in made:
        net.dns.zone[one.name, "TXT"] = [f'"{one.record[:200]}" "{one.record[200:]}"']
    return made


def good(raw: bytes, records: dict[str, str]) -> list[bool]:
    """What dkimpy thinks of each signature, from the top."""
    count = raw.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    table = {f"{name}.".encode(): record.encode() for name, record in records.items()}
    one = dkimpy.DKIM(raw)
    found = []
    for n in range(count):
        try:
            found.append(one.verify(n, dnsfunc=lambda name, timeout=5: table.get(name)))
        except dkimpy.DKIMException:
            found.append(False)
    return found


async def test_signed_by_both_keys_once_their_records_are_there(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await a.add_account("ann@a.test")
    await b.add_account("bob@b.test")
    made = await a.hub.control.perform(words.DkimCreate(domain="A.test"))
    assert [(one.kind, one.state) for one in made] == [("rsa", "new"), ("ed25519", "new")]
    await post(a)
    await net.settled()
    (first,) = await b.inbox("bob@b.test")
    assert "DKIM-Signature" not in str(first.headers.get("DKIM-Signature")), "nobody could check it yet"
    for one in made:
        net.dns.zone[one.name, "TXT"] = [f'"{one.record[:200]}" "{one.record[200:]}"']
    await net.clock.advance(hours=1)
    await post(a)
    await net.settled()
    signed = (await b.inbox("bob@b.test"))[-1]
    assert good(signed.raw[signed.raw.index(b"DKIM-Signature:") :], {one.name: one.record for one in made}) == [
        True,
        True,
    ]
    assert [one.state for one in await a.hub.control.perform(words.DkimList(domain="a.test"))] == ["active", "active"]
    assert signed.headers.get("Authentication-Results").count("dkim=pass") == 2


async def test_rotation_signs_by_the_old_keys_until_the_new_ones_are_seen(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await a.add_account("ann@a.test")
    await b.add_account("bob@b.test")
    await publish(net, a, words.DkimCreate(domain="a.test", selector="one"))
    await post(a)
    made = await a.hub.control.perform(words.DkimCreate(domain="a.test", selector="two", rotate=True))
    await net.clock.advance(hours=1)
    await post(a)
    await net.settled()
    assert [b"s=oner;" in message.raw for message in await b.inbox("bob@b.test")] == [True, True]
    for one in made:
        net.dns.zone[one.name, "TXT"] = [f'"{one.record[:200]}" "{one.record[200:]}"']
    await net.clock.advance(hours=1)
    await post(a)
    await net.settled()
    last = (await b.inbox("bob@b.test"))[-1].raw
    assert b"s=twor;" in last
    assert b"s=oner;" not in last
    states = {one.selector: one.state for one in await a.hub.control.perform(words.DkimList())}
    assert states == {"oner": "retired", "onee": "retired", "twor": "active", "twoe": "active"}
    await a.hub.control.perform(words.DkimRemove(domain="a.test", selector="oner"))
    assert len(await a.hub.control.perform(words.DkimList())) == 3


async def test_who_is_not_ours_is_not_signed_for(net: AsyncInternet) -> None:
    a, b = await net.hub("a.test"), await net.hub("b.test")
    await b.add_account("bob@b.test")
    await publish(net, b, words.DkimCreate(domain="b.test"))
    forged = TEXT.replace("ann@a.test", "eve@b.test")
    await aiosmtplib.send(
        forged, sender="ann@a.test", recipients=["bob@b.test"], hostname=a.host, port=a.port("smtp"), start_tls=False
    )
    await net.settled()
    (message,) = await b.inbox("bob@b.test")
    assert b"DKIM-Signature" not in message.raw
    for wrong in (
        words.DkimCreate(domain="c.test"),
        words.DkimCreate(domain="b.test"),
        words.DkimActivate(domain="a.test"),
    ):
        with pytest.raises(ControlError):
            await (a if wrong.domain == "a.test" else b).hub.control.perform(wrong)


def signed(kind: str, header: bytes, body: bytes) -> bytes:
    hashed = dkim.BodyHash("relaxed")
    hashed.feed(body)
    key = dkim_signing.SigningKey("a.test", "s", kind, KEYS[kind])
    return dkim_signing.field(key, dkim.fields(header), hashed.digest(), 1_700_000_000)


@pytest.mark.parametrize("kind", dkim_signing.KINDS)
@given(
    body=st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"\xff", b"x" * 900]), max_size=30).map(
        lambda parts: b"".join(parts) + b"\r\n" * bool(parts)
    ),
    fields=st.lists(
        st.sampled_from(
            [b"Subject:  a\r\n\tb \r\n", b"To: x@y.test\r\n", b"List-Id: <l>\r\n", b"X: y\r\n", b"CC:\r\n"]
        ),
        max_size=6,
    ).map(b"".join),
)
def test_dkimpy_takes_whatever_is_signed(kind: str, body: bytes, fields: bytes) -> None:
    header = b"From: Ann <ann@a.test>\r\n" + fields
    raw = signed(kind, header, body) + header + b"\r\n" + body
    records = {"s._domainkey.a.test": dkim_signing.record(KEYS[kind])}
    assert good(raw, records) == [True]
    for change in (
        raw + b"more\r\n",
        raw.replace(b"From: Ann", b"From: Eve"),
        raw.replace(header, b"From: eve@a.test\r\n" + header, 1),
    ):
        assert good(change, records) != [True]


@pytest.mark.skipif(shutil.which("opendkim") is None, reason="opendkim is not installed")
@pytest.mark.parametrize("change", [b"", b"Hello", b"one"])
def test_opendkim_agrees(tmp_path: Path, change: bytes) -> None:
    """Of RSA: Debian's knows no other."""
    header = b"From: Ann <ann@a.test>\r\nSubject: one\r\n\t two\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n"
    body = b"Hello  world \r\n\r\n.dot\r\n\r\n"
    raw = signed("rsa", header, body) + header + b"\r\n" + body
    (tmp_path / "message").write_bytes(raw.replace(change, b"other") if change else raw)
    (tmp_path / "keys").write_text(f"s._domainkey.a.test {dkim_signing.record(KEYS['rsa'])}\n")
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\nSyslog no\n")
    command = ["opendkim", "-x", str(tmp_path / "conf"), "-v", "-t", str(tmp_path / "message")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("succeeded" in done.stdout + done.stderr) == (not change), done.stdout + done.stderr


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    pem = dkim_signing.made("ed25519")
    assert b"PRIVATE" in pem
    assert "PRIVATE" not in dkim_signing.record(dkim_signing.loaded(pem))
    with pytest.raises(ValueError, match=r"[a-z]"):
        dkim_signing.loaded(b"no key")
    assert email.message_from_bytes(signed("rsa", b"From: a@a.test\r\n", b""))["DKIM-Signature"]
