"""Rules about what a message carries: real types, archives in archives, bombs; no message makes a check raise or pass its bounds."""

import base64
import gzip
import io
import random
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message.window import Window
from mailhub.model.envelope import Origin
from mailhub.model.verdict import Action
from mailhub.policy.attachments import Attachments
from mailhub.policy.caller import Caller
from mailhub.policy.carried import Finding, Limits, findings
from mailhub.policy.check import Statement
from mailhub.policy.letter import Letter
from mailhub.policy.visit import Visit
from mailhub.store.api import Body

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "messages"
PROGRAM = b"MZ" + b"\x90" * 300
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


def window(data: bytes) -> Window:
    return Window(len(data), lambda offset, length: data[offset : offset + length])


def mail(content: bytes, name: str = "x.bin", kind: str = "application/octet-stream") -> bytes:
    return (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n'
        b'Content-Type: %b\r\nContent-Disposition: attachment; filename="%b"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b--b--\r\n'
        % (kind.encode(), name.encode(), base64.encodebytes(content))
    )


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return made.getvalue()


def tarred(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def zip_bomb(megabytes: int) -> bytes:
    """So many of zeros in one member; made of one that is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = chunk * megabytes + b"\x03\x00"
    sizes = struct.pack("<III", 0, len(data), megabytes << 20)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", 5, 0) + b"zeros"
    central = (
        b"PK\x01\x02"
        + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0)
        + sizes
        + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0)
        + b"zeros"
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(data), 0)
    return local + data + central + end


def liar(bomb: bytes) -> bytes:
    """The same, which says that it is small."""
    return bomb.replace(struct.pack("<I", 1 << 30), struct.pack("<I", 1_000))


def nested_parts(count: int) -> bytes:
    return (
        b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(count))
        + b"\r\nend\r\n"
    )


def many_parts(count: int) -> bytes:
    return b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"


def zip_in_zip(depth: int) -> bytes:
    data = zipped(("x.exe", PROGRAM))
    for n in range(depth):
        data = zipped((f"{n}.zip", data), method=zipfile.ZIP_STORED)
    return data


async def asked(data: bytes, *, trusted: bool = False, **options: Any) -> Statement | None:
    lane = HeavyLane()
    visit = Visit(Origin(client="192.0.2.1"), "smtp", None, Caller("192.0.2.1", None))
    visit.trusted = trusted
    visit.letter = Letter(data, 0, Body(len(data), data), None, lane)  # type: ignore[arg-type]
    try:
        check = Attachments(msgspec.structs.replace(schema.Attachments(), **options))
        return await check.ask(visit) if check.concerns(visit) else None
    finally:
        lane.close()


@pytest.mark.parametrize(
    ("data", "word", "action"),
    [
        (mail(b"hello", "letter.txt"), "", Action.ACCEPT),
        (mail(b"hello", "run.EXE"), "unwanted", Action.QUARANTINE),
        (mail(b"hello", "letter.pdf.exe ."), "unwanted", Action.QUARANTINE),
        (mail(PROGRAM, "photo.jpg", "image/jpeg"), "unwanted", Action.QUARANTINE),
        (mail(b"<html><script>x</script>", "photo.jpg"), "disguise", Action.ACCEPT),
        (mail(b"\x7fELF" + bytes(60), "tool"), "unwanted", Action.QUARANTINE),
        (mail(zipped(("a.txt", b"x"), ("b/run.js", b"x")), "a.zip"), "unwanted", Action.QUARANTINE),
        (mail(zipped(("a.txt", PROGRAM)), "a.docx"), "unwanted", Action.QUARANTINE),
        (mail(zipped(("a.txt", b"x")), "a.zip"), "", Action.ACCEPT),
        (mail(zip_in_zip(2), "a.zip"), "unwanted", Action.QUARANTINE),
        (mail(zip_in_zip(6), "a.zip"), "unknown", Action.ACCEPT),
        (mail(tarred(("run.exe", PROGRAM)), "a.tar"), "unwanted", Action.QUARANTINE),
        (mail(gzip.compress(tarred(("x", PROGRAM))), "a.tgz"), "unwanted", Action.QUARANTINE),
        (mail(zipped(("word/vbaProject.bin", b"x")), "a.docm"), "macros", Action.ACCEPT),
        (mail(OLE + "VBA".encode("utf-16-le") + b"\0" + "_VBA_PROJECT".encode("utf-16-le"), "a.doc"), "macros", Action.ACCEPT),
        (mail(OLE, "a.doc"), "", Action.ACCEPT),
        (mail(zipped(("a", b"x"))[:-30], "a.zip"), "unknown", Action.ACCEPT),
        (mail(zip_bomb(1_024), "a.zip"), "bomb", Action.REJECT),
        (mail(zipped(("b.zip", zip_bomb(1_024))), "a.zip"), "bomb", Action.REJECT),
        (mail(gzip.compress(bytes(1 << 20), 9) * 1_024, "a.gz"), "bomb", Action.REJECT),
        (nested_parts(10_000), "bomb", Action.REJECT),
        (nested_parts(40), "bomb", Action.REJECT),
        (many_parts(10_000), "bomb", Action.REJECT),
        (many_parts(900), "", Action.ACCEPT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_what_a_message_carries(data: bytes, word: str, action: Action) -> None:
    said = await asked(data)
    assert (said.result if said else "", said.action if said else Action.ACCEPT) == (word, action)
    assert await asked(data, trusted=True) is None


async def test_a_member_with_a_password_is_named() -> None:
    data = bytearray(zipped(("secret.txt", b"x")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    said = await asked(mail(bytes(data), "a.zip"))
    assert said == Statement("encrypted", 1.0, "encrypted:  a.zip/secret.txt")


async def test_the_operator_says_what_is_not_wanted() -> None:
    data = mail(zipped(("a.pdf", b"%PDF-1.4")), "a.zip")
    assert await asked(data) is None
    said = await asked(data, types=("pdf",), unwanted="reject")
    assert said is not None
    assert said.action is Action.REJECT
    assert str(said.reply) == "550 5.7.1 Message refused: it carries a file of a kind that is not taken here"
    assert "a.zip/a.pdf" in said.reason


@pytest.mark.parametrize(
    "content",
    [zip_bomb(1_024), liar(zip_bomb(1_024)), zipped(*[(f"{n}.gz", gzip.compress(bytes(1 << 22))) for n in range(100)]),
     gzip.compress(bytes(1 << 20), 9) * 1_024, zipped(*[(str(n), b"") for n in range(30_000)]), zip_in_zip(30)],
    ids=["zip", "liar", "many", "gzip", "members", "depth"],
)  # fmt: skip
def test_a_bomb_stays_small_and_quick(content: bytes) -> None:
    data = mail(content, "a.zip")
    began = time.process_time()
    tracemalloc.start()
    found = findings(window(data), Limits(octets=1 << 24))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {one.kind for one in found} & {"bomb", "large", "unreadable"}
    assert most < 6 * (len(data) + (1 << 24))
    assert time.process_time() - began < 20, "a gigabyte, or a million members, were looked at"


KINDS = st.sampled_from(["zip", "gzip", "tar", "ole", "text"])
SEEDS = {
    "zip": zipped(("a/b.txt", b"hello" * 50)),
    "gzip": gzip.compress(b"hello" * 50),
    "tar": tarred(("x", b"hello")),
    "ole": OLE,
    "text": b"x" * 500,
}


@given(KINDS, st.lists(st.tuples(st.integers(0, 3_000), st.binary(max_size=8)), max_size=10), st.integers(0, 3_000))
def test_broken_archives_are_read_as_far_as_they_go(kind: str, changes: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(SEEDS[kind])
    for at, octets in changes:
        data[at % len(data) : at % len(data) + len(octets)] = octets
    found = findings(window(mail(bytes(data[: max(1, cut)]), "x")), Limits(octets=1 << 20))
    assert all(isinstance(one, Finding) for one in found)


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
def test_real_messages_and_what_chance_makes_of_them_raise_nothing() -> None:
    chance = random.Random(7)
    files = [file for file in sorted(SUITE.rglob("*")) if file.is_file() and file.stat().st_size < 100_000]
    assert len(files) > 100
    for file in files:
        data = file.read_bytes()
        findings(window(data), Limits())
        for _ in range(3):
            broken = bytearray(data)
            for _ in range(chance.randrange(1, 20)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            findings(window(bytes(broken)), Limits(octets=1 << 20))
