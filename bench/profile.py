"""Where the server's time goes: a flame graph for each stage, drawn by py-spy while a load of `bench.smtp` or `bench.relay` runs.

    python -m bench.profile [--only WORD,...] [--folder DIR]

For each load two files: NAME.svg to look at (a column for each thread: the loop, the writer, the files, the pool), NAME.txt with a line for
each stack (`a;b;c COUNT`), of which the heaviest functions are printed, by their own time and by all they called.
"""

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from bench import relay, smtp
from bench.target import Target, mailhub

PY_SPY = Path(sys.executable).with_name("py-spy")  # of the lock
LOADS = {
    "one": smtp.Load(1, 3_000, 4096),
    "many": smtp.Load(20, 10_000, 4096),
    "short": smtp.Load(20, 4_000, 4096, each=1),
    "tls": smtp.Load(20, 10_000, 4096, tls=True),
    "middling": smtp.Load(20, 1_500, 100 << 10),
    "large": smtp.Load(20, 120, 5 << 20),
}
RELAYED = {
    "relay": relay.Load(20, 8_000, 4096),
    "relay-many": relay.Load(20, 8_000, 4096, 100),
    "relay-middling": relay.Load(20, 1_500, 100 << 10),
}
STAGES = (*LOADS, *RELAYED)
_HEAVIEST = 25
Measure = Callable[[Any], Awaitable[dict[str, object]]]


async def profile(name: str, folder: Path) -> None:
    if name in LOADS:
        async with mailhub() as target:
            await _watch(name, target, partial(smtp.measure, target), LOADS[name], folder)
    else:
        async with relay.to_sink(relay.mailhub) as target:
            await _watch(name, target, partial(relay.measure, target), RELAYED[name], folder)


async def _watch(name: str, target: Target, measure: Measure, load: Any, folder: Path) -> None:
    """The load twice, watched the second time: the first makes folders and fills caches."""
    await measure(load)
    stacks = folder / f"{name}.txt"
    spies = [
        await asyncio.create_subprocess_exec(
            str(PY_SPY), "record", "--pid", str(target.roots()[0]), "--threads", "--rate", "200",
            "--format", kind, "--output", str(path), "--duration", "600", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        ) for kind, path in (("flamegraph", folder / f"{name}.svg"), ("raw", stacks))
    ]  # fmt: skip
    row = await measure(load)
    for spy in spies:
        spy.send_signal(signal.SIGINT)
        await spy.wait()
    print(f"\n{name}: {load.words}: {row['server_cpu_ms_each']} ms of CPU each, watched; {folder / name}.svg")
    for label, found in (("own", own(stacks)), ("all", everything(stacks))):
        total = sum(own(stacks).values())
        for function, count in found.most_common(_HEAVIEST):
            print(f"{label:>4} {100 * count / total:5.1f} %  {function}")


def own(stacks: Path) -> Counter[str]:
    """Samples by the function that ran."""
    return _count(stacks, lambda frames: frames[-1:])


def everything(stacks: Path) -> Counter[str]:
    """Samples by each function that stood in the stack."""
    return _count(stacks, set)


def _count(stacks: Path, chosen: Callable[[list[str]], Iterable[str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        for frame in chosen(frames.split(";")):
            found[frame] += int(count)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="Flame graphs of a server under load.")
    parser.add_argument("--only", default=",".join(STAGES), help=f"of {', '.join(STAGES)}")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "out" / "profile")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        uvloop.run(profile(name, options.folder))


if __name__ == "__main__":
    main()
