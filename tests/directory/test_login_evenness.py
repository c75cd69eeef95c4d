"""What a stranger can not find out by asking: who has an account, and how its password is stored.

Times are counted, not measured: each slow computation by name, and the clock is the test's.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.hubs import until

from mailhub.config import schema
from mailhub.directory import Authenticator, Directory, Hasher, passwords
from mailhub.directory.providers import Secret
from mailhub.directory.providers.stored import StoredPasswords
from mailhub.directory.signin import Peer, Refused
from mailhub.model.clock import VirtualClock
from mailhub.store.api import AccountRow
from mailhub.store.sqlite import SqliteStore

SECURE = Peer("imap", "192.0.2.1", secure=True)
NAMES = {"plain": "PLAIN", "keys": "ARGON2ID", "crypt": "SSHA", "cram": "CRAM-MD5"}


class CountingHasher(Hasher):
    """A real hasher that keeps what was computed."""

    def __init__(self, threads: int, backlog: int) -> None:
        super().__init__(threads, backlog)
        self.derived: list[int] = []

    async def scram(self, scheme: str, password: bytes, salt: bytes, iterations: int, client: str = "") -> str:
        self.derived.append(iterations)
        return await super().scram(scheme, password, salt, iterations, client)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, schema.Store(), VirtualClock(), "mx.a.test")
    await store.open()
    for name, scheme in NAMES.items():
        stored = passwords.hashed(b"secret", scheme, ("SCRAM-SHA-256",) if name == "keys" else ())
        await store.directory.put_account(AccountRow(f"{name}@a.test", stored))
    yield store
    await store.close()


def made(store: SqliteStore, hasher: Hasher, clock: VirtualClock, auth: schema.Auth, *providers: Any) -> Authenticator:
    directory = Directory(store.directory, auth, hasher, domains=["a.test"])
    asked = providers or (StoredPasswords(directory, auth, hasher),)
    return Authenticator(directory, store.directory, auth, clock, hasher, asked)


async def challenge(authenticator: Authenticator, name: str, mechanism: str = "SCRAM-SHA-256") -> dict[bytes, bytes]:
    exchange = authenticator.begin(mechanism, SECURE)
    assert exchange is not None
    step: Any = await exchange.step(b"n,,n=" + name.encode() + b",r=abc")
    return dict(part.split(b"=", 1) for part in step.text.split(b","))


@pytest.mark.parametrize("auth", [schema.Auth(failure_delay=0), schema.Auth(failure_delay=0, scheme="PLAIN")])
async def test_scram_costs_the_same_for_everybody(store: SqliteStore, auth: schema.Auth) -> None:
    """One derivation at the first attempt, none afterwards, whether keys, the password, something else or nothing is stored."""
    hasher = CountingHasher(2, 100)
    authenticator = made(store, hasher, VirtualClock(), auth)
    names = [f"{name}@a.test" for name in (*NAMES, "nobody", "nobody else")]
    for name in names:
        hasher.derived.clear()
        first = await challenge(authenticator, name)
        assert hasher.derived == [auth.scram_iterations], name
        assert {**(await challenge(authenticator, name)), b"r": b""} == {**first, b"r": b""}
        assert hasher.derived == [auth.scram_iterations], name
        assert (len(first[b"s"]), first[b"i"]) == (24, b"%d" % auth.scram_iterations)


async def test_a_name_in_other_spellings_has_the_same_salt(store: SqliteStore) -> None:
    auth = schema.Auth(failure_delay=0, default_domain="a.test")
    authenticator = made(store, Hasher(2, 100), VirtualClock(), auth)
    for name in ("nobody", "plain", "keys"):
        salts = {
            (await challenge(authenticator, text))[b"s"] for text in (name, f"{name}@a.test", f"{name.upper()}@A.TEST")
        }
        assert len(salts) == 1, name


async def turns() -> None:
    """Let all go on that can."""
    for _ in range(50):
        await asyncio.sleep(0)


class Slow:
    """A provider that takes its time on the clock, and refuses."""

    name = "slow"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.asked = 0

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        self.asked += 1
        await self.clock.sleep(float(login.partition("@")[0]))
        return None

    async def secret(self, login: str) -> Secret | None:
        return None


@pytest.mark.parametrize(("spent", "answered"), [("0", 2), ("0.001", 2), ("0.25", 2), ("1.9", 2), ("2.5", 4), ("5", 6)])
async def test_a_refusal_is_told_at_a_time_that_does_not_tell_what_it_took(
    store: SqliteStore, spent: str, answered: int
) -> None:
    clock = VirtualClock()
    clock.attach(turns)
    provider = Slow(clock)
    authenticator = made(store, Hasher(2, 100), clock, schema.Auth(failure_delay=2), provider)
    asked = asyncio.create_task(authenticator.authenticate(f"{spent}@a.test", "x", service="imap", client=""))
    await until(lambda: provider.asked)
    began = clock.monotonic()
    for second in range(1, answered + 1):
        assert not asked.done()
        await clock.advance(began + second + 0.001 - clock.monotonic())
    assert asked.done()
    assert await asked is None


@pytest.mark.parametrize("name", [*NAMES, "nobody"])
async def test_a_wrong_proof_is_refused_alike(store: SqliteStore, name: str) -> None:
    clock = VirtualClock()
    authenticator = made(store, Hasher(2, 100), clock, schema.Auth(failure_delay=2))
    exchange = authenticator.begin("SCRAM-SHA-256", SECURE)
    assert exchange is not None
    step: Any = await exchange.step(f"n,,n={name}@a.test,r=abc".encode())
    nonce = step.text.split(b",")[0]
    ended = asyncio.create_task(exchange.step(b"c=biws," + nonce + b",p=" + b"A" * 43 + b"="))
    await until(lambda: clock._heap)
    await clock.advance(1.9)
    assert not ended.done()
    await clock.advance(0.1)
    assert isinstance(await ended, Refused)
