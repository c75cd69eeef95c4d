"""SCRAM and CRAM-MD5 as machines: the examples of the RFCs, every way to be wrong, and channel binding."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.sasl import (
    MECHANISMS,
    Challenge,
    Context,
    Disproved,
    Mechanism,
    NeedSecret,
    Proved,
    SaslError,
    md5,
    scram,
)  # fmt: skip


def begun(name: str, first: bytes, secret: str, **context: Any) -> tuple[Mechanism, bytes]:
    """A mechanism that has had the client's first message, and the server's answer."""
    mechanism = MECHANISMS[name].make(Context("mx.test", **{"nonce": "server", **context}))
    step = mechanism.step(first)
    assert isinstance(step, NeedSecret)
    step = mechanism.secret(secret, step.schemes[0])
    assert isinstance(step, Challenge)
    return mechanism, step.text


SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEPT = scram.derive("SCRAM-SHA-256", b"pencil", SALT, 4096).text()


def test_the_example_of_rfc_7677_section_3() -> None:
    mechanism, first = begun(
        "SCRAM-SHA-256", b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", KEPT, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    assert first == b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert mechanism.step(last) == Proved("", "user", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_the_example_of_rfc_5802_section_5() -> None:
    kept = scram.derive("SCRAM-SHA-1", b"pencil", base64.b64decode("QSXCR+Q6sek8bf92"), 4096).text()
    mechanism, _ = begun("SCRAM-SHA-1", b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", kept, nonce="3rfcNHYJY1ZVvWVs7j")
    last = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    assert mechanism.step(last) == Proved("", "user", b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


def proof(password: bytes, bare: bytes, first: bytes, without: bytes) -> bytes:
    """What an honest client sends last."""
    salted = hashlib.pbkdf2_hmac("sha256", password, SALT, 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), b",".join((bare, first, without)), "sha256")
    return without + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


BOUND = {"tls-server-end-point": b"certificate hash"}


@pytest.mark.parametrize(
    ("gs2", "bound", "right"),
    [
        (b"p=tls-server-end-point,,", b"certificate hash", True),
        (b"p=tls-server-end-point,,", b"another certificate", False),
        (b"p=tls-server-end-point,,", b"", False),
    ],
)
def test_channel_binding(gs2: bytes, bound: bytes, right: bool) -> None:
    bare = b"n=user,r=abc"
    mechanism, first = begun("SCRAM-SHA-256-PLUS", gs2 + bare, KEPT, bindings=BOUND)
    last = proof(b"pencil", bare, first, b"c=" + base64.b64encode(gs2 + bound) + b",r=abcserver")
    assert isinstance(mechanism.step(last), Proved if right else Disproved)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("SCRAM-SHA-256", b"y,,n=user,r=abc"),  # somebody took -PLUS away
        ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=user,r=abc"),
        ("SCRAM-SHA-256-PLUS", b"n,,n=user,r=abc"),
        ("SCRAM-SHA-256-PLUS", b"y,,n=user,r=abc"),
        ("SCRAM-SHA-256-PLUS", b"p=tls-unique,,n=user,r=abc"),
        ("SCRAM-SHA-256", b"n,,m=x,n=user,r=abc"), ("SCRAM-SHA-256", b"n,,r=abc,n=user"), ("SCRAM-SHA-256", b"n,,n=,r=abc"),
        ("SCRAM-SHA-256", b"n,,n=user,r="), ("SCRAM-SHA-256", b"n,,n=a=b,r=abc"), ("SCRAM-SHA-256", b"n,x,n=user,r=abc"),
        ("SCRAM-SHA-256", b""), ("SCRAM-SHA-256", b"n,,n=user,r=\xc3\xbc"), ("SCRAM-SHA-256", b"n,,n=" + b"u" * 3_000 + b",r=a"),
    ],
)  # fmt: skip
def test_first_messages_refused(name: str, first: bytes) -> None:
    mechanism = MECHANISMS[name].make(Context("mx.test", "server", BOUND, plus_offered=True))
    with pytest.raises(SaslError):
        mechanism.step(first)


def test_a_client_without_tls_may_say_that_it_could_bind() -> None:
    begun("SCRAM-SHA-256", b"y,,n=user,r=abc", KEPT)


@pytest.mark.parametrize(
    ("without", "password", "right"),
    [
        (b"c=biws,r=abcserver", b"pencil", True), (b"c=biws,r=abcserver", b"Pencil", False),
        (b"c=biws,r=abcservfr", b"pencil", False), (b"c=eSws,r=abcserver", b"pencil", False),
        (b"c=biws,r=abcserver,x=extension", b"pencil", True),
    ],
)  # fmt: skip
def test_last_messages(without: bytes, password: bytes, right: bool) -> None:
    mechanism, first = begun("SCRAM-SHA-256", b"n,,n=user,r=abc", KEPT)
    step = mechanism.step(proof(password, b"n=user,r=abc", first, without))
    assert isinstance(step, Proved if right else Disproved)


def test_an_authorization_identity_is_told() -> None:
    bare, gs2 = b"n=us=2Cer,r=abc", b"n,a=o=3Dther,"
    mechanism, first = begun("SCRAM-SHA-256", gs2 + bare, KEPT)
    step = mechanism.step(proof(b"pencil", bare, first, b"c=" + base64.b64encode(gs2) + b",r=abcserver"))
    assert isinstance(step, Proved)
    assert (step.authzid, step.authcid) == ("o=ther", "us,er")


@pytest.mark.parametrize("stored", ["{PLAIN}", "{CRAM-MD5}"])
@pytest.mark.parametrize(("password", "right"), [(b"tanstaaftanstaaf", True), (b"wrong", False)])
def test_cram_md5(stored: str, password: bytes, right: bool) -> None:
    mechanism = MECHANISMS["CRAM-MD5"].make(Context("mx.test", "1896.697170952"))
    asked = mechanism.step(None)
    assert asked == Challenge(b"<1896.697170952@mx.test>")
    digest = hmac.new(password, asked.text, "md5").hexdigest().upper()
    need = mechanism.step(f"tim {digest}".encode())
    assert isinstance(need, NeedSecret)
    kept = "tanstaaftanstaaf" if stored == "{PLAIN}" else md5.cram_secret(b"tanstaaftanstaaf")
    step = mechanism.secret(kept, stored.strip("{}"))
    assert step == (Proved("", "tim") if right else Disproved("tim"))


def test_cram_md5_of_nobody_is_wrong() -> None:
    mechanism = MECHANISMS["CRAM-MD5"].make(Context("mx.test", "x"))
    mechanism.step(None)
    digest = hmac.new(b"\0", b"<x@mx.test>", "md5").hexdigest()
    mechanism.step(f"tim {digest}".encode())
    assert mechanism.secret(None, "CRAM-MD5") == Disproved("tim")


@given(st.sampled_from(sorted(MECHANISMS)), st.lists(st.binary(max_size=200) | st.none(), min_size=1, max_size=4))
def test_no_answer_makes_a_mechanism_raise_anything_but_its_own_error(name: str, answers: list[bytes | None]) -> None:
    mechanism = MECHANISMS[name].make(Context("mx.test", "server", BOUND))
    kept = scram.ScramSecret("SCRAM-SHA-1", 4096, b"salt", bytes(20), bytes(20)).text()
    try:
        for answer in answers:
            step = mechanism.step(answer)
            if isinstance(step, NeedSecret):
                mechanism.secret(KEPT if "256" in name else kept, step.schemes[0])
            elif not isinstance(step, Challenge):
                return
    except SaslError:
        return


@pytest.mark.parametrize(
    ("name", "response", "token"),
    [
        ("OAUTHBEARER", b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmT==\x01\x01", "vF9dft4qmT=="),
        ("OAUTHBEARER", b"n,,\x01auth=bearer abc\x01\x01", "abc"),
        ("XOAUTH2", b"user=user@example.com\x01auth=Bearer ya29.x\x01\x01", "ya29.x"),
    ],
)  # fmt: skip
def test_tokens(name: str, response: bytes, token: str) -> None:
    from mailhub.wire.sasl import Token

    mechanism = MECHANISMS[name].make(Context())
    step = mechanism.step(response)
    assert isinstance(step, Token)
    assert step.token == token
    assert token not in repr(step)
    refusal = mechanism.refused("expired")
    assert isinstance(refusal, Challenge)
    assert refusal.text.startswith(b'{"status":')
    assert mechanism.step(b"\x01") == Disproved("")


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("OAUTHBEARER", b""), ("OAUTHBEARER", b"p=x,,\x01auth=Bearer a\x01\x01"), ("OAUTHBEARER", b"n,,\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Basic a\x01\x01"), ("OAUTHBEARER", b"n,,\x01auth=Bearer \x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer " + b"a" * 9_000 + b"\x01\x01"), ("XOAUTH2", b"auth=Bearer a\x01\x01"),
        ("XOAUTH2", b"user=\xff\x01auth=Bearer a\x01\x01"),
    ],
)  # fmt: skip
def test_tokens_refused(name: str, response: bytes) -> None:
    with pytest.raises(SaslError):
        MECHANISMS[name].make(Context()).step(response)
