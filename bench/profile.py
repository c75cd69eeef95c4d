"""Where the server's time goes: a flame graph for each stage, drawn by py-spy while a load of `bench.smtp` runs.

    python -m bench.profile [--only WORD,...] [--folder DIR]

For each load two files: NAME.svg to look at (a column for each thread: the loop, the writer, the files, the pool), NAME.txt with a line for
each stack (`a;b;c COUNT`), of which the heaviest functions are printed, by their own time and by all they called.
"""

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import uvloop

from bench import smtp
from bench.target import mailhub

PY_SPY = Path(sys.executable).with_name("py-spy")  # of the lock
LOADS = {
    "one": smtp.Load(1, 3_000, 4096),
    "many": smtp.Load(20, 10_000, 4096),
    "short": smtp.Load(20, 4_000, 4096, each=1),
    "tls": smtp.Load(20, 10_000, 4096, tls=True),
    "middling": smtp.Load(20, 1_500, 100 << 10),
    "large": smtp.Load(20, 120, 5 << 20),
}
_HEAVIEST = 25


async def profile(name: str, load: smtp.Load, folder: Path) -> None:
    """The load twice, watched the second time: the first makes folders and fills caches."""
    async with mailhub() as target:
        await smtp.measure(target, load)
        stacks = folder / f"{name}.txt"
        spies = [
            await asyncio.create_subprocess_exec(
                str(PY_SPY), "record", "--pid", str(target.roots()[0]), "--threads", "--rate", "200",
                "--format", kind, "--output", str(path), "--duration", "600", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            ) for kind, path in (("flamegraph", folder / f"{name}.svg"), ("raw", stacks))
        ]  # fmt: skip
        row = await smtp.measure(target, load)
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
    parser.add_argument("--only", default=",".join(LOADS), help=f"of {', '.join(LOADS)}")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "out" / "profile")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        uvloop.run(profile(name, LOADS[name], options.folder))


if __name__ == "__main__":
    main()
