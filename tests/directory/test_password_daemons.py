"""Providers against the real daemons of other mail hosts, and against sockets that talk rubbish."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.daemons import LOGIN, PASSWORD, authdaemond, dovecot_auth, saslauthd
from support.hubs import running, until

from mailhub.config import schema
from mailhub.directory.providers.daemons import CONNECTIONS, DAEMONS, SECONDS, Authdaemond, DovecotAuth, Saslauthd
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.model.errors import Temporary

CLIENTS = itertools.count()
HOSTILE = ["\0", "a\tb", "a\nb", "a\r\nAUTH 1\n", "x" * 70_000, " ", "ü", "'; --", "a\0b"]


async def asked(provider: Saslauthd | Authdaemond | DovecotAuth, login: str, password: str) -> str | None:
    client = f"2001:db8:{next(CLIENTS):x}::1"  # Dovecot lets a client that guesses wrong wait
    return await provider.verify(login, password, service="imap", client=client)


async def knows_ann_alone(provider: Authdaemond | DovecotAuth) -> None:
    """Right and wrong, thirty at a time, and what could break out of a field."""
    assert await asyncio.gather(*(asked(provider, LOGIN, PASSWORD) for _ in range(30))) == [LOGIN] * 30
    assert await asked(provider, LOGIN, "wrong") is None
    assert await asked(provider, "nobody@mailhub.test", PASSWORD) is None
    for text in HOSTILE:
        for login, password in ((text, PASSWORD), (LOGIN, text), (text, text)):
            try:
                assert await asked(provider, login, password) is None
            except Temporary:  # too long for its buffer: it hangs up
                assert len(text) > 8_000
    assert await asked(provider, LOGIN, PASSWORD) == LOGIN


async def test_dovecot_s_auth_service() -> None:
    with dovecot_auth() as path:
        await knows_ann_alone(DovecotAuth(str(path), SystemClock()))


async def test_courier_s_authdaemond() -> None:
    with authdaemond() as path:
        await knows_ann_alone(Authdaemond(str(path), SystemClock()))


async def test_saslauthd(tmp_path: Path) -> None:
    """It asks an IMAP server whether a password is right: ours."""
    auth = schema.Auth(allow_plaintext=True, failure_delay=0)
    async with running(tmp_path, auth=auth) as hub:
        await hub.directory.add_account(LOGIN, PASSWORD)
        with saslauthd(hub.port("imap")) as path:
            provider = Saslauthd(str(path), SystemClock())
            assert await asked(provider, LOGIN, PASSWORD) == LOGIN
            assert await asked(provider, LOGIN, "wrong") is None
            assert await asked(provider, "nobody@mailhub.test", PASSWORD) is None
            for text in HOSTILE[:4]:
                assert await asked(provider, text, PASSWORD) is None


@pytest.mark.parametrize("kind", DAEMONS)
async def test_one_that_is_away_or_talks_rubbish_is_temporary(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "s")
    provider = DAEMONS[kind](path, SystemClock())
    with pytest.raises(Temporary, match=kind):
        await asked(provider, LOGIN, PASSWORD)
    said = [
        b"",
        b"\n",
        b"\xff" * 100_000,
        b"OK",
        b"VERSION\t9\t0\n",
        b"VERSION\t1\t1\nDONE\n",
        b"x=y\n" * 1_000,
        b"DONE\nOK\t1\n" * 3,
    ]
    for words in said:
        if kind == "saslauthd" and words in (b"\xff" * 100_000,):
            continue
        async with await asyncio.start_unix_server(_saying(words), path):
            try:
                assert await asked(provider, LOGIN, PASSWORD) in (None, LOGIN)
            except Temporary:
                continue


async def test_who_stands_in_line_is_answered_in_time_too(tmp_path: Path) -> None:
    """However many guesses wait for a daemon that is slow."""
    clock, path = VirtualClock(), str(tmp_path / "s")
    provider = DAEMONS["dovecot"](path, clock)
    silent: list[asyncio.StreamWriter] = []
    async with await asyncio.start_unix_server(lambda _, writer: silent.append(writer), path):
        asking = [asyncio.create_task(asked(provider, LOGIN, PASSWORD)) for _ in range(3 * CONNECTIONS)]
        await until(lambda: len(silent) == CONNECTIONS)
        await clock.advance(SECONDS)
        ends = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(end, Temporary) for end in ends)
        for writer in silent:
            writer.close()


def _saying(words: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        writer.close()

    return talk
