"""A fresh server for each test, many times over: `make flake` runs 1,000 of these under xdist 20 times."""

import os
import smtplib
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from time import perf_counter

import pytest

from mailhub.testing import MailHub
from mailhub.testing.sync import LoopThread

TIMES = int(os.environ.get("MAILHUB_FLAKE", "200"))
starts: list[float] = []


@pytest.fixture(scope="module")
def thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()
    told = f"{len(starts)} servers, start {mean(starts) * 1000:.1f} ms on average, {max(starts) * 1000:.1f} at the most"
    print(f"\n{told}")
    if file := os.environ.get("MAILHUB_FLAKE_FIGURES"):  # what a worker of xdist prints nobody sees
        with Path(file).open("a") as figures:
            figures.write(f"{told}\n")


@pytest.mark.parametrize("number", range(TIMES))
def test_a_fresh_server(thread: LoopThread, number: int) -> None:
    began = perf_counter()
    hub = MailHub(thread=thread)
    hub.start()
    starts.append(perf_counter() - began)
    try:
        assert hub.messages() == []
        with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
            client.sendmail("app@example.test", ["bob@example.test"], f"Subject: {number}\r\n\r\nhello\r\n")
        assert hub.expect(to="bob@example.test").subject == str(number)
        hub.settled()
        assert len(hub.inbox("eve@example.test")) == 0
    finally:
        hub.stop()
