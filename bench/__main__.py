"""All cases against all targets.

    python -m bench [--short] [--only CASE,...] [--runs N] [--json FILE]

The targets run one at a time and in turn (A B A B), so that an hour's change of the machine meets both.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench import hostile, imap_search, meters, relay, smtp
from bench.peers import dovecot, postfix
from bench.target import Target, mailhub

Row = dict[str, object]
Results = dict[tuple[str, str], list[Row]]  # (load, target) -> a row for each run


@dataclass(frozen=True, slots=True)
class Case:
    """Loads, what is measured of each, and `targets`: name -> how to start it. `compared`: the figure whose ratio is told.
    `short` empty: the case has no short form."""

    full: Sequence[Any]
    short: Sequence[Any]
    measure: Callable[[Target, Any], Awaitable[Row]]
    targets: dict[str, Callable[[], AbstractAsyncContextManager[Target]]]
    compared: str


CASES = {
    "smtp": Case(
        smtp.FULL, smtp.SHORT, smtp.measure,
        {"mailhub": mailhub, "postfix": postfix.postfix}, "delivered_per_second",
    ),
    "relay": Case(
        relay.FULL, relay.SHORT, relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.mailhub), "postfix": lambda: relay.to_sink(relay.postfix)}, "relayed_per_second",
    ),
    "relay-million": Case(
        relay.FULL, (), relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.crowded)}, "relayed_per_second",
    ),
    "hostile": Case(
        hostile.FULL, hostile.SHORT, hostile.measure,
        {"mailhub": lambda: mailhub(hostile.CONFIG)}, "message_p50_ms",
    ),
    "imap-search": Case(
        imap_search.loads(imap_search.SIZES), imap_search.loads(imap_search.SIZES[:1]), imap_search.measure,
        {"mailhub": lambda: imap_search.mailhub(imap_search.SIZES), "dovecot": lambda: imap_search.dovecot(imap_search.SIZES)},
        "body_ms",
    ),
    "imap-search-large": Case(
        imap_search.loads(imap_search.LARGE), (), imap_search.measure,
        {"mailhub": lambda: imap_search.mailhub(imap_search.LARGE), "dovecot": lambda: imap_search.dovecot(imap_search.LARGE)},
        "body_ms",
    ),
}  # fmt: skip


MISSING = {"postfix": postfix.missing, "dovecot": dovecot.missing}  # why it can not be measured here


async def run(name: str, case: Case, runs: int, *, short: bool) -> dict[str, object]:
    """The case's table, printed as it grows."""
    found: Results = {}
    versions: dict[str, str] = {}
    for turn in range(runs):
        for label, start in case.targets.items():
            if why := MISSING[label]() if label in MISSING else "":
                print(f"{name}: {label} is left out: {why}", file=sys.stderr)
                continue
            async with start() as target:
                versions[label] = target.version
                for load in case.short if short else case.full:
                    row = await case.measure(target, load)
                    found.setdefault((str(row["load"]), label), []).append(row)
                    print_row(f"{label} {turn + 1}/{runs}", row)
    rows = [{"target": label, **medians(rows)} for (_, label), rows in found.items()]
    ratios = compare(found, case.compared)
    for load, ratio in ratios.items():
        print(f"{load}: {case.compared.replace('_', ' ')} is {ratio:.2f} times that of the other")
    return {"case": name, "versions": versions, "runs": runs, "rows": rows, "ratios": ratios}


def medians(rows: Sequence[Row]) -> Row:
    """One row of many: of each figure its median, and of those that varied the least and the most."""
    out: Row = {}
    for key, first in rows[0].items():
        if not isinstance(first, int | float):
            out[key] = first
            continue
        values = [float(str(row[key])) for row in rows]
        out[key] = statistics.median(values)
        if len(values) > 1 and min(values) != max(values):
            out[f"{key}_range"] = [min(values), max(values)]
    return out


def compare(found: Results, key: str) -> dict[str, float]:
    """mailhub's median through the other's, for each load that both did."""
    ratios = {}
    for (load, label), rows in found.items():
        other = found.get((load, "postfix")) or found.get((load, "dovecot"))
        if label == "mailhub" and other:
            ours, theirs = (statistics.median(float(str(row[key])) for row in each) for each in (rows, other))
            ratios[load] = round(ours / theirs, 2)
    return ratios


def print_row(label: str, row: Row) -> None:
    figures = "  ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items() if key != "load")
    print(f"{label:>14}  {row['load']!s:<34} {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure mailhub, and beside it what is installed."
    )
    parser.add_argument("--short", action="store_true", help="a minute instead of many")
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--runs", type=int, default=0, help="turns of each target (default 3; 1 with --short)")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "bench.json")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    result = {"machine": meters.machine(), "date": time.strftime("%Y-%m-%d"), "cases": []}
    for name in names:
        if options.short and not CASES[name].short:
            continue  # it takes minutes to prepare
        runs = options.runs or (1 if options.short else 3)
        result["cases"].append(uvloop.run(run(name, CASES[name], runs, short=options.short)))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
