"""The client's side of SASL against our server's side, and against servers that lie."""

import base64
import hashlib
import hmac

import pytest

from mailhub.wire.sasl import MECHANISMS, Challenge, Context, Credentials, NeedSecret, Proved, SaslError, md5, scram
from mailhub.wire.sasl.client import CLIENT_MECHANISMS, ITERATIONS_LIMIT, ClientMechanism, Derive, Login

LOGIN = Login("ann,=é@mailhub.test", "pénc il")
SALT = b"salt" * 4


def derived(step: bytes | Derive) -> bytes:
    assert isinstance(step, Derive)
    return hashlib.pbkdf2_hmac(step.hash, step.password, step.salt, step.iterations)


def client(name: str, login: Login = LOGIN, nonce: str = "ours") -> ClientMechanism:
    return CLIENT_MECHANISMS[name](login, nonce)


def octets(step: bytes | Derive) -> bytes:
    assert isinstance(step, bytes)
    return step


@pytest.mark.parametrize("name", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_scram_on_both_sides(name: str) -> None:
    ours, server = client(name), MECHANISMS[name].make(Context("mx.test", "theirs"))
    asked = server.step(ours.begin())
    assert isinstance(asked, NeedSecret)
    assert asked.authcid == LOGIN.name
    first = server.secret(scram.derive(name, LOGIN.password.encode(), SALT, 4096).text(), name)
    assert isinstance(first, Challenge)
    step = ours.answer(first.text)
    assert not ours.proved
    last = server.step(ours.keyed(derived(step)))
    assert isinstance(last, Proved)
    assert last.final is not None
    assert ours.answer(last.final) == b""
    assert ours.proved


def test_the_example_of_rfc_7677_section_3() -> None:
    ours = client("SCRAM-SHA-256", Login("user", "pencil"), "rOprNGfwEbeRWgbNEkqO")
    assert ours.begin() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert ours.keyed(derived(ours.answer(first))) == last
    assert ours.answer(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""
    assert ours.proved


@pytest.mark.parametrize(
    "first",
    [
        b"", b"r=ours", b"r=other,s=YQ==,i=4096", b"r=ours,s=YQ==,i=4096", b"r=oursX,s=*,i=4096", b"r=oursX,s=,i=4096",
        b"r=oursX,s=YQ==,i=0", b"r=oursX,s=YQ==,i=-1", b"r=oursX,s=YQ==,i=%d" % (ITERATIONS_LIMIT + 1), b"r=oursX,s=YQ==,i=x",
        b"m=x,r=oursX,s=YQ==,i=4096", b"r=oursX,s=YQ==,i=4096" + b"," * 3000, b"r=ours\xff,s=YQ==,i=4096",
    ],
)  # fmt: skip
def test_what_is_no_first_message_of_a_server(first: bytes) -> None:
    ours = client("SCRAM-SHA-256")
    with pytest.raises(SaslError):
        ours.answer(first)


@pytest.mark.parametrize("last", [b"", b"v=", b"v=AAAA", b"e=invalid-proof"])
def test_a_server_that_does_not_know_the_password(last: bytes) -> None:
    ours = client("SCRAM-SHA-256")
    ours.keyed(derived(ours.answer(b"r=oursX,s=%s,i=4096" % base64.b64encode(SALT))))
    with pytest.raises(SaslError):
        ours.answer(last)
    assert not ours.proved


def test_a_server_that_skips_our_proof() -> None:
    ours = client("SCRAM-SHA-256")
    ours.answer(b"r=oursX,s=%s,i=4096" % base64.b64encode(SALT))
    with pytest.raises(SaslError):
        ours.answer(b"v=")


def test_plain_login_and_cram_md5_as_our_server_reads_them() -> None:
    server = MECHANISMS["PLAIN"].make(Context())
    assert server.step(client("PLAIN").begin()) == Credentials("", LOGIN.name, LOGIN.password)
    server, ours = MECHANISMS["LOGIN"].make(Context()), client("LOGIN")
    assert ours.begin() is None
    assert isinstance(server.step(None), Challenge)
    server.step(octets(ours.answer(b"Username:")))
    assert server.step(octets(ours.answer(b"Password:"))) == Credentials("", LOGIN.name, LOGIN.password)
    server, ours = MECHANISMS["CRAM-MD5"].make(Context("mx.test", "n")), client("CRAM-MD5")
    asked = server.step(None)
    assert isinstance(asked, Challenge)
    assert isinstance(server.step(octets(ours.answer(asked.text))), NeedSecret)
    assert server.secret(md5.cram_secret(LOGIN.password.encode()), "CRAM-MD5") == Proved("", LOGIN.name)


def test_the_example_of_rfc_2195_section_2() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    answer = client("CRAM-MD5", Login("tim", "tanstaaftanstaaf")).answer(challenge)
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert hmac.new(b"tanstaaftanstaaf", challenge, "md5").hexdigest().encode() in octets(answer)


def test_nothing_more_is_said_than_was_asked_for() -> None:
    with pytest.raises(SaslError):
        client("PLAIN").answer(b"")
    with pytest.raises(SaslError):
        client("PLAIN", Login("a\0b", "c")).begin()
    ours = client("LOGIN")
    ours.answer(b""), ours.answer(b"")
    with pytest.raises(SaslError):
        ours.answer(b"")
    for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
        with pytest.raises(SaslError):
            client(name).keyed(b"")


def test_passwords_are_not_shown() -> None:
    assert LOGIN.password not in repr(LOGIN)
    assert LOGIN.password not in repr(Derive("sha256", LOGIN.password.encode(), SALT, 1))
