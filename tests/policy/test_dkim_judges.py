"""One set of signed messages, whole and changed on the way, before three judges: mailhub, dkimpy and Debian's opendkim say the same of each."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import dkim, dkim_signing
from mailhub.policy.dkim import checked

KEY = dkim_signing.loaded(dkim_signing.made("rsa"))
OTHER = dkim_signing.loaded(dkim_signing.made("rsa"))
RECORDS = {"s._domainkey.a.test": dkim_signing.record(KEY), "s._domainkey.b.test": dkim_signing.record(OTHER)}
HEADER = (
    b"Received: from x by y; Thu, 26 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@a.test>\r\nTo: bob@b.test,\r\n\teve@c.test\r\n"
    b"Subject: two  spaces\r\n and a fold\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n"
)
BODY = b"Hello  world\r\n\r\n.dot\r\nthe end\r\n"
CANONS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]

Change = Callable[[bytes], bytes]
# what happens on the way; good by any canonicalization, by relaxed of the header or of the body alone, by none
WAYS: dict[str, tuple[Change, str]] = {
    "nothing": (lambda m: m, "any"),
    "a field that is not signed": (lambda m: b"X-Spam: no\r\n" + m, "any"),
    "a Received changed": (lambda m: m.replace(b"from x by y", b"from x by z"), "any"),
    "empty lines at the end": (lambda m: m + b"\r\n\r\n", "any"),
    "a blank at a line's end": (lambda m: m.replace(b".dot\r\n", b".dot \r\n"), "body"),
    "blanks made one": (lambda m: m.replace(b"Hello  world", b"Hello world"), "body"),
    "a blank line that is not empty": (lambda m: m + b" \r\n", "body"),
    "a fold undone": (lambda m: m.replace(b"spaces\r\n and", b"spaces and"), "header"),
    "a field's name in capitals": (lambda m: m.replace(b"Subject:", b"SUBJECT:"), "header"),
    "a blank gone": (lambda m: m.replace(b"two  spaces", b"twospaces"), "none"),
    "a word of the body": (lambda m: m.replace(b"world", b"world!"), "none"),
    "a line more": (lambda m: m + b"P.S.\r\n", "none"),
    "a line gone": (lambda m: m.replace(b"the end\r\n", b""), "none"),
    "an empty line within": (lambda m: m.replace(b".dot\r\n", b".dot\r\n\r\n"), "none"),
    "another author": (lambda m: m.replace(b"ann@a.test", b"eve@a.test"), "none"),
    "an author more, above": (lambda m: b"From: eve@a.test\r\n" + m, "none"),
    "a signed field gone": (lambda m: m.replace(b"Message-ID: <1@a.test>\r\n", b""), "none"),
    "a subject more, below": (lambda m: m.replace(b"\r\n\r\n", b"\r\nSubject: other\r\n\r\n", 1), "none"),
    "bh= of another body": (lambda m: m.replace(b"bh=", b"bh=AA", 1), "none"),
    "two letters more in b=": (lambda m: m.replace(b"==\r\n", b"AA==\r\n", 1), "none"),
    "another domain's key": (lambda m: m.replace(b"d=a.test", b"d=b.test", 1), "none"),
    "no key at all": (lambda m: m.replace(b"d=a.test", b"d=c.test", 1), "none"),
    "h= without a name": (lambda m: m.replace(b"subject", b"", 1), "none"),
}  # fmt: skip


def by_dkimpy(canon: str) -> bytes:
    pem = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    header, body = canon.encode().split(b"/")
    names = [b"from", b"from", b"to", b"subject", b"subject", b"date", b"message-id"]
    message = HEADER + b"\r\n" + BODY
    return (
        bytes(dkimpy.sign(message, b"s", b"a.test", pem, canonicalize=(header, body), include_headers=names)) + message
    )


def by_mailhub() -> bytes:
    hashed = dkim.BodyHash("relaxed")
    hashed.feed(BODY)
    key = dkim_signing.SigningKey("a.test", "s", "rsa", KEY)
    return dkim_signing.field(key, dkim.fields(HEADER), hashed.digest(), 1_790_000_000) + HEADER + b"\r\n" + BODY


class Zone:
    async def records(self, name: str, kind: str) -> list[str]:
        return [RECORDS.get(name, "v=DKIM1; p=")]


class Letter:
    def __init__(self, message: bytes) -> None:
        head = message.partition(b"\r\n\r\n")[0]
        self.header, self.start, self.size, self._message = head + b"\r\n", len(head) + 4, len(message), message

    async def read(self, offset: int, length: int) -> bytes:
        return self._message[offset : offset + length]


async def mailhub_s(message: bytes) -> bool:
    lane = HeavyLane()
    found = await checked(Letter(message), Zone(), 1_800_000_000.0, 5, lane)  # type: ignore[arg-type]
    lane.close()
    return [one.result for one in found] == ["pass"]


def dkimpy_s(message: bytes) -> bool:
    try:
        found = dkimpy.DKIM(message).verify(
            dnsfunc=lambda name, timeout=5: RECORDS.get(name.decode().rstrip("."), "").encode()
        )
    except dkimpy.DKIMException:
        return False
    return bool(found)


def opendkim_s(message: bytes, folder: Path) -> bool:
    (folder / "message").write_bytes(message)
    (folder / "keys").write_text("".join(f"{name} {record}\n" for name, record in RECORDS.items()))
    (folder / "conf").write_text(f"Mode v\nTestPublicKeys {folder}/keys\nSyslog no\n")
    command = ["opendkim", "-x", str(folder / "conf"), "-v", "-t", str(folder / "message")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return "succeeded" in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("opendkim") is None, reason="opendkim is not installed")
@pytest.mark.parametrize("signed", [*CANONS, "by mailhub"])
async def test_three_judges_agree(tmp_path: Path, signed: str) -> None:
    message = by_mailhub() if signed == "by mailhub" else by_dkimpy(signed)
    header, _, body = ("relaxed/relaxed" if signed == "by mailhub" else signed).partition("/")
    for way, (change, good) in WAYS.items():
        changed = change(message)
        assert (changed == message) == (way == "nothing"), way
        wanted = good == "any" or (good == "header" and header == "relaxed") or (good == "body" and body == "relaxed")
        said = await mailhub_s(changed), dkimpy_s(changed), opendkim_s(changed, tmp_path)
        assert said == (wanted,) * 3, (way, said)
