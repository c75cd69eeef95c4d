"""DKIM: the vectors of RFC 8463, messages signed by dkimpy, broken variants, and the check in a whole server."""

import base64
import hashlib
from collections.abc import Mapping

import aiosmtplib
import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import dkim
from mailhub.net.resolver import DnsTemporary, NoSuchName
from mailhub.policy.dkim import Checked, checked
from mailhub.testing import AsyncInternet

RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
PEM = RSA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
DER = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
RAW = ED.public_key().public_bytes_raw()
KEYS = {
    "r._domainkey.a.test": f"v=DKIM1; k=rsa; p={base64.b64encode(DER).decode()}",
    "e._domainkey.a.test": f"v=DKIM1; k=ed25519; p={base64.b64encode(RAW).decode()}",
}
MESSAGE = (
    b"From: Ann <ann@a.test>\r\nTo: bob@b.test,\r\n\teve@c.test\r\nSubject:  two   spaces\t and a tab\r\n"
    b"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n\r\nHello  world \t \r\n\r\n.dot\r\n\r\n\r\n"
)
# RFC 8463, appendix A
VECTOR = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
VECTOR_KEYS = {
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi"
        "0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}


class Zone:
    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys

    async def records(self, name: str, kind: str) -> list[str]:
        assert kind == "TXT"
        if name not in self.keys:
            raise NoSuchName(name)
        if self.keys[name] == "SERVFAIL":
            raise DnsTemporary(name)
        return [self.keys[name]]


class Letter:
    """As `policy.letter` has it."""

    def __init__(self, message: bytes, step: int = 1 << 20) -> None:
        head, _, _ = message.partition(b"\r\n\r\n")
        self.header, self.start, self.size = head + b"\r\n", len(head) + 4, len(message)
        self._message, self._step = message, step

    async def read(self, offset: int, length: int) -> bytes:
        return self._message[offset : offset + length]


async def check(
    message: bytes, keys: Mapping[str, str] = KEYS, now: float = 1_800_000_000.0, limit: int = 5
) -> list[Checked]:
    lane = HeavyLane()
    try:
        return await checked(Letter(message), Zone(keys), now, limit, lane)  # type: ignore[arg-type]
    finally:
        lane.close()


def sign(message: bytes = MESSAGE, *, ed: bool = False, canon: str = "relaxed/relaxed", **options: object) -> bytes:
    """By dkimpy."""
    header, _, body = canon.partition("/")
    key = base64.b64encode(ED.private_bytes_raw()) if ed else PEM
    algorithm = b"ed25519-sha256" if ed else b"rsa-sha256"
    field = dkimpy.sign(
        message, b"e" if ed else b"r", b"a.test", key, signature_algorithm=algorithm,
        canonicalize=(header.encode(), body.encode()), **options,
    )  # fmt: skip
    return bytes(field) + message


def words(found: list[Checked]) -> list[tuple[str, str]]:
    return [(one.result, one.reason) for one in found]


async def test_the_vectors_of_rfc_8463() -> None:
    assert words(await check(VECTOR, VECTOR_KEYS)) == [("pass", ""), ("pass", "")]
    changed = VECTOR.replace(b"hungry", b"thirsty")
    assert words(await check(changed, VECTOR_KEYS)) == [("fail", "the body was changed")] * 2


@pytest.mark.parametrize("canon", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("ed", [False, True])
@pytest.mark.parametrize(
    "body", [MESSAGE.partition(b"\r\n\r\n")[2], b"", b"\r\n", b" \r\n\t\r\n", b"x", b"a\tb\r\n\r\nc\r\n\r\n"]
)
async def test_what_dkimpy_signs(canon: str, ed: bool, body: bytes) -> None:
    message = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    assert words(await check(sign(message, ed=ed, canon=canon))) == [("pass", "")]


@pytest.mark.parametrize(
    ("change", "result", "reason"),
    [
        (lambda m: m.replace(b"Subject:  two", b"Subject:  three"), "fail", "the signature does not fit the header"),
        (lambda m: m.replace(b".dot", b"dot"), "fail", "the body was changed"),
        (
            lambda m: m.replace(b"From: Ann", b"From: Eve <eve@x.test>\r\nFrom: Ann"),
            "fail",
            "the signature does not fit the header",
        ),
        (lambda m: m.replace(b"v=1;", b"v=2;"), "permerror", "the signature is of another version"),
        (lambda m: m.replace(b"a=rsa-sha256", b"a=rsa-sha1"), "permerror", "the algorithm rsa-sha1 is not taken"),
        (lambda m: m.replace(b"i=@a.test", b"i=@b.test"), "permerror", "i= is not below d="),
        (lambda m: m.replace(b"s=r;", b"s=nobody;"), "permerror", "no key at nobody._domainkey.a.test"),
        (lambda m: m.replace(b"s=r;", b"s=e;"), "fail", "the key is for another algorithm"),
        (lambda m: m.replace(b" bh=", b" x=1; bh="), "fail", "the signature has expired"),
    ],
)
async def test_broken_ones(change: object, result: str, reason: str) -> None:
    message = sign(include_headers=[b"from", b"from", b"subject"], identity=b"@a.test")
    assert words(await check(change(message))) == [(result, reason)]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("record", "result", "reason"),
    [
        ("v=DKIM1; p=", "permerror", "the key was taken back"),
        ("v=DKIM1; k=rsa", "permerror", "the record holds no key"),
        ("v=DKIM2; p=x", "permerror", "the key is of another version"),
        ("v=DKIM1; s=tlsrpt; p=x", "permerror", "the key is not for mail"),
        ("v=DKIM1; h=sha1; p=x", "permerror", "the key is for other hashes"),
        ("v=DKIM1; p=%%%", "permerror", "what should be base64 is none"),
        ("SERVFAIL", "temperror", "r._domainkey.a.test"),
    ],
)
async def test_keys_that_can_not_be_used(record: str, result: str, reason: str) -> None:
    assert words(await check(sign(), {"r._domainkey.a.test": record})) == [(result, reason)]


async def test_a_short_key_is_none() -> None:
    short = rsa.generate_private_key(65537, 1024).public_key()  # 512 bits can not even be made here: the bound is moved
    octets = short.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert dkim.read_key(f"p={base64.b64encode(octets).decode()}").kind == "rsa"
    tiny = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAhFPBTQsGJJ7lrr2dLGk2vzZmXzvCXyBNwpqmF7dkDrZXgQVBC8rqE5kqQ1pWqf7nYfWZr2V3d6E8xUYkCAwEAAQ=="
    assert words(await check(sign(), {"r._domainkey.a.test": f"p={tiny}"}))[0][0] in ("policy", "permerror")


async def test_a_signed_beginning_is_no_signature() -> None:
    message = sign(length=True) + b"P.S. buy this\r\n"
    assert words(await check(message)) == [("policy", "only the beginning of the body is signed")]


async def test_ten_thousand_signatures_cost_what_five_cost() -> None:
    asked: list[str] = []

    class Counting(Zone):
        async def records(self, name: str, kind: str) -> list[str]:
            asked.append(name)
            return await super().records(name, kind)

    field = sign().partition(b"From:")[0]
    lane = HeavyLane()
    found = await checked(Letter(field * 10_000 + MESSAGE), Counting(KEYS), 0.0, 5, lane)  # type: ignore[arg-type]
    lane.close()
    assert (len(found), len(asked)) == (5, 5)


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=8), st.sampled_from(["simple", "relaxed"]))
def test_the_body_s_hash_does_not_depend_on_blocks(text: bytes, cuts: list[int], canon: str) -> None:
    body = b"\r\n".join([*text.replace(b"\r", b"\n").split(b"\n"), b""])  # as SMTP has it: the last line ends, too
    whole, pieces, at = dkim.BodyHash(canon), dkim.BodyHash(canon), 0
    whole.feed(body)
    for cut in cuts:
        pieces.feed(body[at : at + cut])
        at += cut
    pieces.feed(body[at:])
    digest = pieces.digest()
    assert digest == whole.digest()
    oracle = dkimpy.canonicalization.CanonicalizationPolicy.from_c_value(f"{canon}/{canon}".encode())
    assert digest == hashlib.sha256(oracle.canonicalize_body(body)).digest()


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise_but_value_errors(text: bytes) -> None:
    for work in (lambda: dkim.read(b"DKIM-Signature:" + text), lambda: dkim.read_key(text.decode("latin-1"))):
        try:
            work()
        except ValueError:
            continue


async def test_the_result_is_stamped() -> None:
    async with AsyncInternet() as net:
        hub = await net.hub("b.test")
        await hub.add_account("bob@b.test")
        for name, record in KEYS.items():
            half = len(record) // 2
            net.dns.zone[name, "TXT"] = [f'"{record[:half]}" "{record[half:]}"']
        where = {"hostname": hub.host, "port": hub.port("smtp"), "start_tls": False}
        await aiosmtplib.send(sign(sign(), ed=True), sender="ann@a.test", recipients=["bob@b.test"], **where)  # type: ignore[arg-type]
        (result,) = (await hub.expect(to="bob@b.test")).headers.all("Authentication-Results")
        assert "dkim=pass header.d=a.test header.s=e header.a=ed25519-sha256" in result
        assert "dkim=pass header.d=a.test header.s=r header.a=rsa-sha256" in result
