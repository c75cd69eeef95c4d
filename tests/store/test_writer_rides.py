"""Units that no client waits for ride with the commit of one that a client waits for, within bounds."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from mailhub.store.sqlite import writer as room
from mailhub.store.sqlite.writer import Told, Writer

_LONG = 60.0  # seconds: who waits for that long has failed


class Asked:
    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        """Nothing: its commit counts."""


class Patient(Asked):
    patient: ClassVar[bool] = True


@pytest_asyncio.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    made = Writer(str(tmp_path / "db"), lambda told: None)
    made.start()
    yield made
    await made.close()


async def taken(writer: Writer) -> None:
    """The lane has what was given, and waits or commits."""
    while writer._jobs.qsize():
        await asyncio.sleep(0)


async def test_a_patient_unit_shares_the_commit_of_the_next_that_is_asked_for(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_RIDE", _LONG)
    first = writer.do(Patient())
    await taken(writer)
    await asyncio.wait_for(asyncio.gather(first, writer.do(Asked())), 30)
    assert writer.commits == 1


async def test_nobody_is_held_up_where_a_client_waits(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RIDE", _LONG)
    await asyncio.wait_for(writer.do(Asked()), 30)
    assert writer.commits == 1


async def test_as_many_as_are_worth_a_commit_go_alone(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RIDE", _LONG)
    await asyncio.wait_for(asyncio.gather(*(writer.do(Patient()) for _ in range(room._RIDERS))), 30)


async def test_waits_in_vain_become_rare(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RIDE", 0.0)
    await writer.do(Patient())  # in vain: the next goes at once
    monkeypatch.setattr(room, "_RIDE", _LONG)
    await asyncio.wait_for(writer.do(Patient()), 30)
    assert writer.commits == 2


async def test_who_stops_the_writer_does_not_wait(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RIDE", _LONG)
    unit = writer.do(Patient())
    await taken(writer)
    await asyncio.wait_for(writer.close(), 30)
    assert unit.done()
