import pytest

from mailhub.wire.sasl import MECHANISMS, Challenge, Context, Credentials, Mechanism, SaslError, decode, encode


def made(name: str) -> Mechanism:
    return MECHANISMS[name].make(Context("mx.test", "nonce"))


def test_plain_with_and_without_initial_response() -> None:
    assert made("PLAIN").step(b"\0alice\0secret") == Credentials("", "alice", "secret")
    mechanism = made("PLAIN")
    assert mechanism.step(None) == Challenge(b"")
    assert mechanism.step("\0zoë\0pässword".encode()) == Credentials("", "zoë", "pässword")


def test_authorization_identity_is_kept_only_when_it_is_another() -> None:
    assert made("PLAIN").step(b"alice\0alice\0x") == Credentials("", "alice", "x")
    assert made("PLAIN").step(b"bob\0alice\0x") == Credentials("bob", "alice", "x")


def test_login_asks_twice_or_once() -> None:
    mechanism = made("LOGIN")
    assert mechanism.step(None) == Challenge(b"Username:")
    assert mechanism.step(b"alice") == Challenge(b"Password:")
    assert mechanism.step(b"secret") == Credentials("", "alice", "secret")
    initial = made("LOGIN")
    assert initial.step(b"alice") == Challenge(b"Password:")


@pytest.mark.parametrize(
    "response",
    [b"", b"alice", b"\0alice", b"\0\0secret", b"\0alice\0", b"\0a\0b\0c", b"\0\xff\0x", b"\0a\0" + b"x" * 2000],
)
def test_plain_refuses(response: bytes) -> None:
    with pytest.raises(SaslError):
        made("PLAIN").step(response)


@pytest.mark.parametrize(("name", "password"), [(b"", b"x"), (b"a\0b", b"x"), (b"a", b""), (b"\xfe", b"x")])
def test_login_refuses(name: bytes, password: bytes) -> None:
    mechanism = made("LOGIN")
    with pytest.raises(SaslError):  # noqa: PT012 - which of the two steps refuses is the mechanism's choice
        mechanism.step(name)
        mechanism.step(password)


def test_a_password_is_not_in_the_repr() -> None:
    assert "secret" not in repr(made("PLAIN").step(b"\0alice\0secret"))


@pytest.mark.parametrize("line", [b"*", b"a", b"YQ", b"YQ=", b"Y Q==", b"YQ==\r", b"YQ==YQ==", b"====", b"\xff"])
def test_base64_is_strict(line: bytes) -> None:
    with pytest.raises(SaslError):
        decode(line)


def test_base64_there_and_back() -> None:
    assert decode(b"=") == b""
    assert decode(b"") == b""
    assert decode(encode(bytes(range(256)))) == bytes(range(256))
