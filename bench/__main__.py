"""All cases against all targets.

    python -m bench [--short] [--only CASE,...] [--runs N] [--json FILE]

The targets run one at a time and in turn (A B A B), so that an hour's change of the machine meets both.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench import meters
from bench.cases import CASES
from bench.turns import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure mailhub, and beside it what is installed."
    )
    parser.add_argument("--short", action="store_true", help="a minute instead of many")
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--runs", type=int, default=0, help="turns of each target (default 3; 1 with --short)")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "bench.json")
    parser.add_argument("--targets", default="", help="such as mailhub,dovecot; all where it is left out")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    result: dict[str, Any] = {"machine": meters.machine(), "date": time.strftime("%Y-%m-%d"), "cases": []}
    for name in names:
        if not (CASES[name].short if options.short else CASES[name].full):
            continue  # it takes minutes to prepare, or has a longer form
        runs = options.runs or (1 if options.short else 3)
        case = CASES[name]
        if options.targets:
            chosen = {label: start for label, start in case.targets.items() if label in options.targets.split(",")}
            case = replace(case, targets=chosen)
        result["cases"].append(uvloop.run(run(name, case, runs, short=options.short)))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}")
    if failed := [line for case in result["cases"] for line in case["failed"]]:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
