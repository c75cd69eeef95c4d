"""One mailing to a domain whose host takes ten seconds for each message: how long does other mail wait meanwhile?

    python -m bench.queue_fairness [--messages N] [--json FILE]

Time is virtual, but for the store's: "virtual" seconds are those that mail waits for its turn, "real" ones what the machine
needed. The other mail comes after the mailing, from the same sender, from another one, and to a mailbox.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.queue_world import Hosts, World

from mailhub.config.schema import Queue
from mailhub.delivery.transport import Job, Result
from mailhub.model.clock import VirtualClock

LIST = "list@far.test"
OTHERS = {"x@fast.test": LIST, "y@else.test": "somebody@far.test", "alice@mailhub.test": "somebody@far.test"}
SLOW = 10.0  # virtual seconds


class SlowHosts(Hosts):
    """`arrived`: when each address got its mail, in virtual and real seconds."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.arrived: dict[str, tuple[float, float]] = {}
        self.sleeping = 0

    async def deliver(self, job: Job) -> list[Result]:
        if job.nexthop == "slow.test":
            self.sleeping += 1
            await self._clock.sleep(SLOW)
            self.sleeping -= 1
        results = await super().deliver(job)
        for recipient in job.recipients:
            self.arrived[recipient.address] = self._clock.now(), time.perf_counter()
        return results


class Slow(World):
    """A world whose clock stands still until all that runs waits for a host."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Queue(jitter=0.0))
        self.hosts: SlowHosts = SlowHosts(self.clock)

    async def start(self) -> None:
        await self.manager.start()
        self.running = asyncio.get_running_loop().create_task(self.manager.run())

    async def stop(self, grace: float = 0.0) -> None:
        await self.manager.stop(grace)
        await self.running


async def run(messages: int) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=Path(__file__).parent))
    world = Slow(folder)
    await world.open()
    try:
        await world.directory.add_account("alice@mailhub.test", None)
        await world.start()
        began = time.perf_counter()
        for start in range(0, messages, 1_000):
            count = min(1_000, messages - start)
            await asyncio.gather(*(world.put(f"u{start + n}@slow.test", sender=LIST) for n in range(count)))
        filled = time.perf_counter() - began
        waits = {}
        for address, sender in OTHERS.items():
            virtual, real = world.clock.now(), time.perf_counter()
            await world.put(address, sender=sender)
            while address not in world.hosts.arrived and not (
                address.startswith("alice") and await world.mail(address)
            ):
                await asyncio.sleep(0.001)
                if time.perf_counter() - real > 2:  # only time can bring it
                    await world.clock.advance(SLOW)
            then, when = world.hosts.arrived.get(address, (world.clock.now(), time.perf_counter()))
            waits[address] = {"virtual_seconds": round(then - virtual, 1), "real_ms": round((when - real) * 1000, 1)}
        done = sum(address.endswith("@slow.test") for address in world.hosts.arrived)
        active = world.manager.active
        await world.stop()
    finally:
        await world.close()
        shutil.rmtree(folder)
    return {"case": "queue_fairness", "mailing": messages, "put_seconds": round(filled, 1), "active": active,
            "of_the_mailing_done": done, "waits": waits}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "queue_fairness.json")
    options = parser.parse_args()
    rows = [asyncio.run(run(messages)) for messages in (0, options.messages)]
    for row in rows:
        print(
            f"beside a mailing of {row['mailing']} messages ({row['active']} in the active set, put in {row['put_seconds']} s):"
        )
        waits = row["waits"]
        assert isinstance(waits, dict)
        for address, wait in waits.items():
            print(f"  {address:>20} waited {wait['virtual_seconds']} s for its turn; it took {wait['real_ms']} ms")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
