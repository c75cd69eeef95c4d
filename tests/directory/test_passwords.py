"""Stored passwords of every scheme, made here or by other systems."""

import pytest

from mailhub.directory import passwords
from mailhub.model.errors import Temporary

# "pässwort 1" as bcrypt's $2y$ (cost 4), and crypt(3)'s $6$ and $5$ with 1,000 rounds.
FOREIGN = [
    "{BLF-CRYPT}$2y$04$/5YrXaYNeMb5YqMhFsCNOehJqyVyc2RPmVh5chtAJvsBVubbGHY5u",
    "{SHA512-CRYPT}$6$rounds=1000$C2F1C3bNKsK2ZSzm$8BjoS.r7binGq.qPJw/wFO8JCgnH6FSKWm57gtMEzv4nWfDZuQYEWeEJjPyXMS0KAfgr/ekF0aXIersTrN.eV1",
    "{SHA256-CRYPT}$5$rounds=1000$JubuUZ76MRg2Ec.m$jO4kB5ZezugGnpGhdrKFT79ja85Qaak864jLi8P0KXA",
]


def test_a_new_password_is_argon2id() -> None:
    stored = passwords.hashed(b"secret")
    assert stored.startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(stored, b"secret")
    assert not passwords.verify(stored, b"Secret")
    assert stored != passwords.hashed(b"secret")


@pytest.mark.parametrize("stored", FOREIGN)
def test_passwords_of_other_systems(stored: str) -> None:
    assert passwords.verify(stored, "pässwort 1".encode())
    assert not passwords.verify(stored, "pässwort 2".encode())
    bare = stored.partition("}")[2]
    assert passwords.verify(bare, "pässwort 1".encode())
    assert passwords.verify("{crypt}" + bare, "pässwort 1".encode())


def test_bcrypt_looks_at_72_octets() -> None:
    import bcrypt

    stored = "{BLF-CRYPT}" + bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert passwords.verify(stored, b"x" * 73)
    assert not passwords.verify(stored, b"x" * 71)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "{NOSUCH}secret",
        "{ARGON2ID}",
        "{ARGON2ID}$argon2id$broken",
        "{BLF-CRYPT}$2y$99$x",
        "{SHA512-CRYPT}$6$",
    ],
)
def test_what_can_not_be_understood_is_temporary_and_not_told(stored: str) -> None:
    with pytest.raises(Temporary) as caught:
        passwords.verify(stored, b"secret")
    assert "secret" not in str(caught.value)


def test_nothing_stands_behind_a_password_in_the_clear() -> None:
    stored = passwords.hashed(b"secret", "PLAIN", ["SCRAM-SHA-256"])
    assert passwords.verify(stored, b"secret")
    assert not passwords.outdated(stored, "PLAIN", ["SCRAM-SHA-256"])


def test_the_decoy_is_as_dear_as_a_password_and_never_right() -> None:
    decoy = passwords.decoy()
    real = passwords.hashed(b"x")
    assert decoy.rsplit("$", 2)[0] == real.rsplit("$", 2)[0]
    assert list(map(len, decoy.split("$"))) == list(map(len, real.split("$")))
    assert not passwords.verify(decoy, b"-")
