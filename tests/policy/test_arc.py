"""ARC: the chain validation suite of RFC 8617's authors, chains of dkimpy's making, and sealing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ruamel.yaml import YAML

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import arc, dkim
from mailhub.message.arc_sealing import made, results_of, status_of
from mailhub.message.dkim_signing import SigningKey, loaded, record
from mailhub.message.dkim_signing import made as key_made
from mailhub.net.resolver import NoSuchName
from mailhub.policy.arc import validated

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "arc" / "tests"


class Keys:
    """A resolver that knows TXT records."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    async def records(self, name: str, kind: str) -> list[str]:
        if name.rstrip(".") not in self._texts:
            raise NoSuchName(name)
        return [self._texts[name.rstrip(".")]]


class Text:
    """A letter."""

    def __init__(self, message: bytes) -> None:
        head, _, _ = message.partition(b"\r\n\r\n")
        self.header = b"" if message.startswith(b"\r\n") else head + b"\r\n"
        self._message, self.size = message, len(message)
        self.start = min(len(self.header) + 2, self.size)

    async def read(self, offset: int, length: int) -> bytes:
        return self._message[offset : offset + length]


def octets(text: str) -> bytes:
    return (text.rstrip("\n") + "\n").replace("\n", "\r\n").encode() if text else b""


def vectors(name: str) -> Iterator[Any]:
    if not SUITE.exists():
        return
    reader = YAML(typ="safe")
    reader.allow_duplicate_keys = True  # one test stands there twice
    with (SUITE / name).open(encoding="utf-8") as file:
        for scenario in reader.load_all(file):
            texts = {key: "".join(text.split("\n")) for key, text in (scenario.get("txt-records") or {}).items()}
            for test, fields in scenario["tests"].items():
                yield pytest.param(scenario, texts, fields, id=test)


@pytest.fixture
def lane() -> Iterator[HeavyLane]:
    made = HeavyLane()
    yield made
    made.close()


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
@pytest.mark.parametrize(("scenario", "texts", "test"), list(vectors("arc-draft-validation-tests.yml")))
async def test_the_validation_suite(scenario: Any, texts: dict[str, str], test: Any, lane: HeavyLane) -> None:
    chain = await validated(Text(octets(test["message"])), Keys(texts), lane)  # type: ignore[arg-type]
    wanted = {"Pass": "pass", "Fail": "fail", None: "none", "None": "none", "": "fail"}[test["cv"]]
    assert (chain.status, chain.reason) == (wanted, chain.reason)


def tags(text: str | bytes) -> dict[str, str]:
    plain = text.decode() if isinstance(text, bytes) else text
    return {
        name.strip(): "".join(value.split())
        for name, _, value in (piece.partition("=") for piece in " ".join(plain.split()).split(";"))
    }


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
@pytest.mark.parametrize(("scenario", "texts", "test"), list(vectors("arc-draft-sign-tests.yml")))
def test_the_signing_suite(scenario: Any, texts: dict[str, str], test: Any) -> None:
    head, _, body = octets(test["message"]).partition(b"\r\n\r\n")
    fields = dkim.fields(head + b"\r\n")
    key = SigningKey(scenario["domain"], scenario["sel"], "rsa", loaded(scenario["privatekey"].encode()))
    results = results_of(fields, test["srv-id"])
    hashed = dkim.BodyHash("relaxed")
    hashed.feed(body)
    sealed = any(name == arc.SEAL for name, _ in fields)
    status = status_of(results, sealed)
    wanted = test["sig-headers"].encode().lower().split(b":")
    if not test["AS"]:
        with pytest.raises(ValueError, match="broken already"):
            made(key, fields, hashed.digest(), results, test["srv-id"], "fail", test["t"], wanted)
        return
    assert status is not None
    got = made(key, fields, hashed.digest(), results, test["srv-id"], status, test["t"], wanted)
    (_, seal), (_, message), (_, told) = dkim.fields(got)
    assert tags(seal.partition(b":")[2]) == tags(test["AS"])
    assert tags(message.partition(b":")[2]) == tags(test["AMS"])
    assert b" ".join(told.partition(b":")[2].split()) == b" ".join(test["AAR"].encode().split())


@pytest.mark.parametrize(
    ("told", "author"),
    [
        ("dmarc=pass header.from=A.test", "a.test"),
        ("DMARC=Pass (p=none; dis=none) header.from=\"a.test\"", "a.test"),
        ("dmarc=fail header.from=a.test", ""),
        ("dmarc=pass", ""),
        ("", ""),
        # what a sender may choose: an address, a name
        ('spf=pass smtp.mailfrom="x; dmarc=pass header.from=a.test "@evil.test', ""),
        ('spf=pass smtp.mailfrom="x; dmarc=pass header.from=a.test "@evil.test; dmarc=pass header.from=evil.test', "evil.test"),
        ('dmarc=pass policy.x="a header.from=a.test b" header.from=evil.test', "evil.test"),
        ("spf=pass (helo x; dmarc=pass header.from=a.test) smtp.helo=x", ""),
        # who does not quote what a sender chose says it twice, or leaves something without an end
        ("spf=pass (helo x) ; dmarc=pass header.from=a.test; x=y () smtp.helo=x; dmarc=fail header.from=a.test", ""),
        ("spf=pass (helo x); dmarc=pass header.from=a.test (", ""),
        ("dmarc=pass header.from=evil.test header.from=a.test", ""),
    ],
)  # fmt: skip
def test_what_a_sealer_is_believed_to_have_found(told: str, author: str) -> None:
    field = f"ARC-Authentication-Results: i=1; mx.test; {told}".encode()
    signature = dkim.Signature(b"", "", "", "", "", (), "", "", b"", b"")
    one = arc.Set(field, signature, arc.Seal(b"", "", "", "", "none", b""))
    assert arc.dmarc_passed(one) == author


async def test_chains_of_dkimpy_hold_and_break(lane: HeavyLane) -> None:
    key = loaded(key_made("rsa"))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    keys = {"s._domainkey.z.test": record(key)}
    told = b"Authentication-Results: z.test; dmarc=pass header.from=a.test\r\n"
    raw = told + b"From: ann@a.test\r\nSubject: x\r\n\r\nHello\r\n"
    for _ in range(3):
        fields = dkimpy.arc_sign(raw, b"s", b"z.test", pem, b"z.test")
        assert fields
        raw = b"".join(fields).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + raw
        chain = await validated(Text(raw), Keys(keys), lane)  # type: ignore[arg-type]
        assert chain.status == "pass", (chain.reason, raw)
        later = b"Authentication-Results: z.test; arc=pass; dmarc=pass header.from=a.test\r\n"
        raw = later + raw.replace(told, b"").replace(later, b"")
    chain = await validated(Text(raw), Keys(keys), lane)  # type: ignore[arg-type]
    assert [arc.dmarc_passed(one) for one in chain.sets] == ["a.test"] * 3
    for old, new, reason in (
        (b"Hello", b"Hallo", "the body was changed"),
        (b"\r\nFrom: ann@a.test", b"\r\nFrom: eve@a.test", "does not fit the header"),
        (b"i=2;", b"i=4;", "is missing from a set"),
    ):
        broken = await validated(Text(raw.replace(old, new)), Keys(keys), lane)  # type: ignore[arg-type]
        assert broken.status == "fail"
        assert reason in broken.reason
    earlier = raw.replace(b"i=1; z.test;\r\n dmarc=pass", b"i=1; z.test;\r\n dmarc=fail")
    assert earlier != raw
    assert "the seal i=3 of z.test" in (await validated(Text(earlier), Keys(keys), lane)).reason  # type: ignore[arg-type]


async def test_fifty_false_seals_cost_one_look_up(lane: HeavyLane) -> None:
    """Of the last signature, which is none; and more than fifty sets are not looked at."""
    asked: list[str] = []

    class Counting(Keys):
        async def records(self, name: str, kind: str) -> list[str]:
            asked.append(name)
            return await super().records(name, kind)

    def sets(count: int) -> bytes:
        return b"".join(
            b"ARC-Seal: i=%d; a=rsa-sha256; b=AAAA; cv=%s; d=d%d.test; s=x\r\nARC-Message-Signature: i=%d; a=rsa-sha256; b=AAAA; bh=AAAA; "
            b"c=relaxed/relaxed; d=m%d.test; h=from; s=x\r\nARC-Authentication-Results: i=%d; z.test; none\r\n"
            % (n, b"pass" if n > 1 else b"none", n, n, n, n)
            for n in range(1, count + 1)
        )

    letter = b"From: ann@a.test\r\n\r\nHello\r\n"
    keys = Counting({"x._domainkey.m50.test": record(loaded(key_made("rsa")))})
    chain = await validated(Text(sets(50) + letter), keys, lane)  # type: ignore[arg-type]
    assert (chain.status, asked) == ("fail", ["x._domainkey.m50.test"])
    assert "changed" in chain.reason
    chain = await validated(Text(sets(51) + letter), keys, lane)  # type: ignore[arg-type]
    assert (chain.status, chain.reason, len(asked)) == ("fail", "more than 50 sets", 1)
