"""Each scheme against Dovecot's own tool: what it wrote we verify, what we write it verifies."""

import hashlib
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.directory import passwords
from mailhub.model.errors import Permanent, Temporary
from mailhub.wire.sasl import md5, scram

PASSWORD = "s3crét pass {PLAIN}x"
DOVEADM = shutil.which("doveadm")
BY_DOVECOT = (
    "PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-MD5", "LDAP-MD5", "SMD5", "SHA", "SHA1", "SSHA", "SHA256", "SSHA256", "SHA512",
    "SSHA512", "SHA256.HEX", "SSHA512.HEX", "SHA.B64", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT",
    "PBKDF2", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "ARGON2ID", "ARGON2I", "CRYPT",
)  # fmt: skip


def doveadm(*arguments: str) -> str:
    if DOVEADM is None:
        pytest.skip("doveadm (dovecot-core) is not installed")
    done = subprocess.run([DOVEADM, "pw", *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("scheme", BY_DOVECOT)
def test_what_dovecot_wrote_is_verified(scheme: str) -> None:
    stored = doveadm("-s", scheme, "-p", PASSWORD)
    assert passwords.verify(stored, PASSWORD.encode())
    assert not passwords.verify(stored, b"s3cret pass")


@pytest.mark.parametrize("scheme", passwords.SCHEMES)
def test_what_we_write_dovecot_verifies(scheme: str) -> None:
    stored = passwords.hashed(PASSWORD.encode(), scheme)
    assert stored.startswith(f"{{{scheme}}}")
    assert passwords.verify(stored, PASSWORD.encode())
    assert "(verified)" in doveadm("-t", stored, "-p", PASSWORD)


def test_other_forms_may_stand_beside_the_first() -> None:
    stored = passwords.hashed(b"secret", beside=("SCRAM-SHA-256", "SCRAM-SHA-1"), iterations=4096)
    assert passwords.verify(stored, b"secret")
    assert not passwords.verify(stored, b"Secret")
    found = passwords.form(stored, "SCRAM-SHA-256")
    assert found is not None
    assert passwords.verify("{SCRAM-SHA-256}" + found[1], b"secret")
    assert passwords.form(stored, "CRAM-MD5", "PLAIN") is None
    assert not passwords.outdated(stored, "ARGON2ID", ("SCRAM-SHA-256",), 4096)
    assert passwords.outdated(
        stored, "ARGON2ID", ("SCRAM-SHA-256",), 8192
    )  # what is asked of nobody is asked of everybody
    assert passwords.outdated(stored, "BLF-CRYPT", ())
    assert passwords.outdated(passwords.hashed(b"x"), "ARGON2ID", ("SCRAM-SHA-256",))


def test_a_clear_password_may_look_like_anything() -> None:
    stored = "{PLAIN}a {SCRAM-SHA-256}b"
    assert passwords.verify(stored, b"a {SCRAM-SHA-256}b")
    assert not passwords.verify(stored, b"a")
    assert passwords.form(stored, "SCRAM-SHA-256") is None


@pytest.mark.parametrize(
    "stored",
    ["{NOSUCH}x", "{SHA256}!!", "{SSHA}YQ==", "{PBKDF2}$2$x$y", "{SCRAM-SHA-256}1,2", "{CRAM-MD5}00", "{BLF-CRYPT}x",
     "{SCRAM-SHA-256}99999999999,AAAA,AAAA,AAAA", "{PBKDF2}$1$a$99999999999$00", "{", "", "{}", "$9$x$y"],
)  # fmt: skip
def test_what_can_not_be_understood_is_no_verdict(stored: str) -> None:
    with pytest.raises(Temporary):
        passwords.verify(stored, b"x")


def test_a_scheme_that_is_not_written_is_named() -> None:
    with pytest.raises(Permanent, match="NOPE"):
        passwords.hashed(b"x", "NOPE")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_cram_md5_is_hmac_md5(password: bytes, challenge: bytes) -> None:
    import hmac

    wanted = hmac.new(password, challenge, hashlib.md5).hexdigest()
    assert md5.cram_digest(md5.cram_secret(password), challenge) == wanted


def test_the_keys_of_rfc_7677() -> None:
    """Section 3: user "user", password "pencil"."""
    import base64
    import hmac

    kept = scram.derive("SCRAM-SHA-256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}".encode()
    signature = base64.b64encode(hmac.digest(kept.server_key, message, "sha256"))
    assert signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert scram.parse_secret("SCRAM-SHA-256", kept.text()) == kept


@pytest.mark.parametrize(
    ("text", "prepared"), [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")]
)
def test_saslprep_as_rfc_4013_section_3_shows(text: str, prepared: str) -> None:
    assert scram.saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u06271"])
def test_saslprep_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        scram.saslprep(text)
