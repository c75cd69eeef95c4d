"""A daemon that is asked about mail is stalled, killed and started again while mail flows."""

import asyncio
import imaplib
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.hubs import PASSWORD, messages, running, trusting, until
from support.scanners import Daemon

from mailhub.config.schema import Dmarc, Dnsbl, Smtp, Spf
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock

ANN = "ann@mailhub.test"
LIMITS = {"time_limit": 10.0, "breaker_failures": 2, "breaker_seconds": 60.0}
NOOPS = 200  # answered in another session while a message waits


class Flow:
    """Letters one after another, each tried once. `taken`: those that were answered 250; the others 4xx."""

    def __init__(self, hub: Hub, clock: VirtualClock) -> None:
        self._hub, self.clock = hub, clock
        self.taken: list[int] = []
        self._count = 0

    async def send(self) -> bool:
        """One letter; whether it was taken."""
        self._count += 1
        number = self._count
        code, text = await asyncio.to_thread(self._deliver, number)
        assert code == 250 or 400 <= code < 500, (code, text)
        if code == 250:
            self.taken.append(number)
        return code == 250

    def _deliver(self, number: int) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", self._hub.port("smtp"), timeout=60) as client:
            try:
                client.sendmail(
                    f"x{number}@far.test", [ANN], b"From: x@far.test\r\nSubject: %d\r\n\r\ntext\r\n" % number
                )
            except smtplib.SMTPRecipientsRefused as error:
                return error.recipients[ANN]
            except smtplib.SMTPResponseException as error:
                return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        return 250, b""

    async def wait_in_vain(self) -> bool:
        """One letter, while the daemon is stalled: it waits for it, another session is answered meanwhile, then its time is over."""
        waiting = asyncio.create_task(self.send())
        await until(lambda: waiting.done() or any(state.busy for state in self._hub.services.states))
        await asyncio.to_thread(_noops, self._hub.port("imaps"))
        assert not waiting.done()
        await self.clock.advance(LIMITS["time_limit"] + 0.5)
        return await waiting


async def troubled(
    folder: Path,
    daemon: Daemon,
    options: Callable[[str], dict[str, Any]],
    mark: bytes,
    name: str,
    passing: str = "mark",
) -> None:
    """`options(failure)`: those of a hub that asks the daemon, with LIMITS; `mark`: what stands in a message that it has looked at;
    `name`: of the daemon in `mailhub status`; `passing`: the choice that lets mail pass without it."""
    async with _hub(folder / "careful", options("tempfail")) as (hub, flow):
        assert await flow.send()
        daemon.stall()
        assert not await flow.wait_in_vain()
        assert not await flow.wait_in_vain()
        assert _state(hub, name) == "open"
        assert not await flow.send()
        daemon.kill()
        daemon.start()
        await flow.clock.advance(LIMITS["breaker_seconds"])
        assert await flow.send()
        assert _state(hub, name) == "closed"
        daemon.kill()
        assert not await flow.send()
        daemon.start()
        assert await flow.send()
        assert await _seen(hub, mark) == dict.fromkeys(flow.taken, True)
    async with _hub(folder / "trusting", options(passing)) as (hub, flow):
        daemon.stall()
        assert await flow.wait_in_vain()
        daemon.kill()
        assert await flow.send()
        daemon.start()
        await flow.clock.advance(LIMITS["breaker_seconds"])
        assert await flow.send()
        first, second, third = flow.taken
        assert await _seen(hub, mark) == {first: False, second: False, third: True}


@asynccontextmanager
async def _hub(folder: Path, options: dict[str, Any]) -> AsyncIterator[tuple[Hub, Flow]]:
    """For strangers."""
    clock, smtp = VirtualClock(), Smtp(mynetworks=(), greet_pause=0.0)
    options = {
        "smtp": smtp,
        "spf": Spf(enabled=False),
        "dnsbl": Dnsbl(enabled=False),
        "dmarc": Dmarc(enabled=False),
        **options,
    }
    async with running(folder, ANN, clock=clock, **options) as hub:
        yield hub, Flow(hub, clock)


def _noops(port: int) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=trusting()) as client:
        client.login(ANN, PASSWORD)
        for _ in range(NOOPS):
            assert client.noop()[0] == "OK"


def _state(hub: Hub, name: str) -> str:
    return next(state.state for state in hub.services.states if state.name == name)


async def _seen(hub: Hub, mark: bytes) -> dict[int, bool]:
    """Of each message that has arrived, whether the daemon has looked at it."""
    arrived = await messages(hub, ANN)
    found = {
        int(next(line[9:] for line in one.split(b"\r\n") if line.startswith(b"Subject: "))): mark in one
        for one in arrived
    }
    assert len(found) == len(arrived)
    return found
