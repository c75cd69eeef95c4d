"""Run the soak: two thirds of the time with kills, a third in one life whose memory and file handles are judged."""

import argparse
import asyncio
import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import uvloop
from support.server import Server, free_port

from bench import meters
from bench.target import folder_on_disk

from . import audit
from .clients import Imap
from .far import FarHost
from .faults import Faults
from .gauge import Gauge
from .ledger import Ledger
from .traffic import ACCOUNTS, PASSWORD, Traffic

_CONFIG = """
[auth]
allow_plaintext = true
failure_delay = 0
[limits]
messages_per_account = 10_000_000
[smtp]
greet_pause = 0
[spf]
enabled = false
[dmarc]
enabled = false
[dnsbl]
enabled = false
[queue]
retry = [1, 2, 5]
destination_pause = 1
[web]
requests_per_minute = 1_000_000
[delivery]
transport = [{{ "far.test" = "relay:[127.0.0.1]:{far}" }}]
[[listener]]
protocol = "http"
port = {http}
tls = "none"
"""
_STEP = 1.0  # seconds between two looks at its memory


@dataclass
class Soak:
    """One run. `seconds` of traffic; then the audit."""

    seconds: float
    seed: int
    kills: float = 2 / 3  # share of the time until the server is killed no more
    ledger: Ledger = field(default_factory=Ledger)
    gauge: Gauge = field(default_factory=Gauge)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    async def run(self, folder: Path) -> dict[str, object]:
        chance, loop = self._chance, asyncio.get_running_loop()
        far, http = FarHost(self.ledger, chance), free_port()
        await far.open()
        server = Server(folder, _CONFIG.format(far=far.port, http=http))
        await server.accounts(*ACCOUNTS, password=PASSWORD)
        await server.start()
        try:
            for account in ACCOUNTS:
                await self._folder(server, account)
            self.gauge.at_rest(self._pid(server))
            done = asyncio.Event()
            traffic = Traffic({**server.ports, "http": http}, self.ledger, chance, done).tasks()
            faults, began = Faults(server, far, self.ledger, chance), loop.time()
            with _bar(self.seconds) as tell:
                await self._through(faults, began, tell)
                done.set()
                await asyncio.wait_for(asyncio.gather(*traffic), 120)
            far.rude = 0.0
            print("the queue empties, the audit begins", file=sys.stderr, flush=True)
            await audit.quiet(server, self.ledger)
            await audit.folders(server, self.ledger)
            await audit.itself(server, self.ledger)
            self.gauge.at_rest(self._pid(server))
            if (code := await server.stop()) != 0:
                self.ledger.blame(f"at the end it was asked to stop and ended with {code}")
        finally:
            far.shut()
            if server.process is not None and server.process.returncode is None:
                await server.kill()
        audit.crashes(server, self.ledger)
        figures, wrong = self.gauge.judge(self.seconds)
        self.ledger.wrong += wrong
        return {
            "figures": figures, "samples": self.gauge.samples[:: max(1, len(self.gauge.samples) // 200)], "counts": dict(sorted(self.ledger.counts.items())),
            "refusals": dict(self.ledger.refusals.most_common(40)), "faults": faults.story,
        }  # fmt: skip

    @staticmethod
    def _pid(server: Server) -> int:
        assert server.process is not None
        return server.process.pid

    async def _folder(self, server: Server, account: str) -> None:
        client = await Imap.open(server.ports["imap"])
        await client.sign_in(account, PASSWORD)
        await client.ask(b"CREATE Archive")
        client.close()

    async def _through(self, faults: Faults, began: float, tell: Callable[[float, Ledger], None]) -> None:
        loop, last = asyncio.get_running_loop(), -1
        fault: asyncio.Task[None] | None = None
        due, step = began + 3, self.seconds / 3
        while (now := loop.time() - began) < self.seconds:
            fatal = now < self.seconds * self.kills
            if fault is not None and fault.done():
                fault.result()
                fault = None
            if fault is None and loop.time() >= due and now < self.seconds - 8:
                fault = asyncio.create_task(faults.one(fatal=fatal))
                due = loop.time() + self._chance.uniform(1, min(25, max(4, step / 3)))
            if not fatal and fault is None and int(now / _STEP) != last:
                last = int(now / _STEP)
                self.gauge.look(loop.time(), faults.pid)
            tell(now, self.ledger)
            await asyncio.sleep(0.1)
        if fault is not None:
            await fault


@contextmanager
def _bar(seconds: float) -> Iterator[Callable[[float, Ledger], None]]:
    """A progress bar of the time, with counts behind it."""
    with click.progressbar(
        length=int(seconds), label="soak", file=sys.stderr, item_show_func=lambda item: str(item or "")
    ) as bar:

        def tell(now: float, ledger: Ledger) -> None:
            counts = ledger.counts
            words = f"{counts['answered']} taken, {len(ledger.ends)} lives, {len(ledger.wrong)} wrong"
            if int(now) > bar.pos:
                bar.update(int(now) - bar.pos, words)

        yield tell


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="An hour of load, faults and kills.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--json", type=Path, default=Path(__file__).resolve().parents[1] / "out" / "soak.json")
    parser.add_argument(
        "--no-kills", action="store_true", help="one life: memory and file handles are judged all the time"
    )
    parser.add_argument("--keep", action="store_true", help="leave the server's folder for a look")
    options = parser.parse_args()
    folder, soak = folder_on_disk(), Soak(options.minutes * 60, options.seed, 0.0 if options.no_kills else 2 / 3)
    print(f"seed {options.seed}, in {folder}", file=sys.stderr, flush=True)
    try:
        result = uvloop.run(soak.run(folder))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    wrong = audit.some(soak.ledger, random.Random(1))
    result = {
        "case": "soak", "date": time.strftime("%Y-%m-%d"), "machine": meters.machine(), "minutes": options.minutes,
        "seed": options.seed, **result, "wrong": len(soak.ledger.wrong), "of_them": wrong,
    }  # fmt: skip
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    for part in ("counts", "figures"):
        for name, value in result[part].items():  # type: ignore[attr-defined]
            print(f"{name.replace('_', ' '):>24}  {value}")
    for words in wrong:
        print(f"WRONG: {words}")
    print(f"{len(soak.ledger.wrong)} things wrong; written to {options.json}")
    sys.exit(bool(soak.ledger.wrong))


if __name__ == "__main__":
    main()
