"""Charts of what the bench wrote, as SVG.

    python -m bench.charts [--out docs/images] FILE.json ...

Each file is what `python -m bench` or `python -m bench.queue_million` wrote. Growth is drawn with both axes by powers of ten; the slope beside
a curve is that of its straight line: 0 is flat, 1 grows as fast as what it is drawn over.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]
_WIDE, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 360, 70, 250, 40, 45
_COLOURS = ("#0b6e99", "#b3541e", "#3f7d20", "#7b4397", "#8a6d00", "#c2185b", "#455a64")
_SUFFIXES = {"postfix": "", "postfix+lmtp": "-lmtp"}  # of the files of charts that show how we stand to them
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" font-family="sans-serif"'
    ' font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n<text x="{left}" y="22" font-size="15">{title}</text>\n'
)


def slope(points: Points) -> float:
    """Of the straight line through the logarithms that fits best."""
    xs, ys = [math.log10(x) for x, _ in points], [math.log10(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mx) ** 2 for x in xs)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def growth(title: str, across: str, up: str, curves: Mapping[str, Points]) -> str:
    """Curves over sizes, both axes by powers of ten. Values that are not above 0 are left out."""
    kept = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in curves.items()}
    kept = {name: points for name, points in kept.items() if len(points) > 1}
    every = [point for points in kept.values() for point in points]
    low_x, high_x = _decades(x for x, _ in every)
    low_y, high_y = _decades(y for _, y in every)

    def place(x: float, y: float) -> tuple[float, float]:
        right, bottom = _WIDE - _RIGHT, _HIGH - _BOTTOM
        return (
            _LEFT + (math.log10(x) - low_x) / (high_x - low_x) * (right - _LEFT),
            bottom - (math.log10(y) - low_y) / (high_y - low_y) * (bottom - _TOP),
        )

    out = [_HEAD.format(wide=_WIDE, high=_HIGH, left=_LEFT, title=escape(title))]
    for power in range(low_x, high_x + 1):
        x, _ = place(10.0**power, 10.0**low_y)
        out.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HIGH - _BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{_HIGH - _BOTTOM + 16}" text-anchor="middle">{_number(power)}</text>')
    for power in range(low_y, high_y + 1):
        _, y = place(10.0**low_x, 10.0**power)
        out.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDE - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(power)}</text>')
    for n, (name, points) in enumerate(kept.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legend = f"{name} (slope {slope(points):.2f})"
        out.append(f'<text x="{_WIDE - _RIGHT + 12}" y="{_TOP + 14 + 18 * n}" fill="{colour}">{escape(legend)}</text>')
    middle = (_WIDE - _RIGHT + _LEFT) / 2
    out.append(f'<text x="{middle}" y="{_HIGH - 8}" text-anchor="middle">{escape(across)}</text>')
    out.append(f'<text x="{_LEFT}" y="{_TOP - 5}" fill="#555">{escape(up)}</text>')
    return "\n".join(out) + "\n</svg>\n"


def ratios(title: str, rows: Mapping[str, float]) -> str:
    """A bar for each load: how many times the other's figure is ours. The line is where both are the same."""
    high = _TOP + 26 * len(rows) + 30
    most = max([1.2, *rows.values()])
    out = [_HEAD.format(wide=_WIDE, high=high, left=20, title=escape(title))]
    start, room = 300, _WIDE - 300 - 60
    for n, (name, ratio) in enumerate(rows.items()):
        y, wide = _TOP + 26 * n, ratio / most * room
        out.append(f'<text x="{start - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect x="{start}" y="{y}" width="{wide:.1f}" height="18" fill="{_COLOURS[0]}"/>')
        out.append(f'<text x="{start + wide + 6:.1f}" y="{y + 14}">{ratio:.2f}</text>')
    same = start + room / most
    out.append(
        f'<line x1="{same:.1f}" y1="{_TOP - 6}" x2="{same:.1f}" y2="{high - 22}" stroke="#b3541e" stroke-width="2"/>'
    )
    return "\n".join(out) + "\n</svg>\n"


def _decades(values: Iterable[float]) -> tuple[int, int]:
    logs = [math.log10(value) for value in values] or [0.0]
    low = math.floor(min(logs))
    return low, max(low + 1, math.ceil(max(logs)))


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def drawn(results: Iterable[dict[str, Any]]) -> dict[str, str]:
    """SVG texts by file name, of what is there."""
    found: dict[str, str] = {}
    mailbox: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        if result.get("case") == "queue_million":
            found["growth-queue"] = _queue(result["rows"])
        for case in result.get("cases", ()):
            name, rows = case["case"], [row for row in case["rows"] if row["target"] == "mailhub"]
            if not rows:
                continue
            if name in ("smtp", "relay") and case["ratios"]:
                first = "delivered_per_second" if name == "smtp" else "relayed_per_second"
                for other, loads in case["ratios"].items():
                    for key, words in ((first, "a second"), ("server_cpu_ms_each", "CPU each")):
                        if chosen := {load: figures[key] for load, figures in loads.items() if key in figures}:
                            file = f"{name}-{'rate' if key == first else 'cpu'}{_SUFFIXES.get(other, f'-{other}')}"
                            found[file] = ratios(f"{name}: mailhub's {words}, times that of {other}", chosen)
            elif name == "accounts":
                points = [(row["accounts"], row["server_cpu_ms_each"]) for row in rows]
                found["growth-accounts"] = growth(
                    "A message of 4 KB, by accounts", "accounts", "ms", {"CPU each": points}
                )
            elif name.startswith("imap-") and name.removeprefix("imap-").isdigit():
                size = int(name.removeprefix("imap-"))
                for key in ("select_cold_ms", "select_warm_ms", "fetch_ms", "fetch_flags_ms", "store_ms"):
                    mailbox.setdefault(key.removesuffix("_ms").replace("_", " "), []).append((size, rows[0][key]))
                rate = rows[0]["append_per_second"]
                mailbox.setdefault("APPEND, each", []).append((size, 1_000 / rate))
    if any(len(points) > 1 for points in mailbox.values()):
        found["growth-mailbox"] = growth("Commands, by messages in the folder", "messages", "ms", mailbox)
    return found


def _queue(rows: Sequence[Mapping[str, float]]) -> str:
    keys = ("put_and_settle", "open", "lease_nothing", "first_page", "middle_page", "counts")
    curves = {key.replace("_", " "): [(row["messages"], row[key]) for row in rows] for key in keys}
    return growth("The queue, by deferred messages in it", "messages", "ms", curves)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.charts", description="Draw what the bench wrote.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in drawn(json.loads(file.read_text()) for file in options.files).items():
        (options.out / f"bench-{name}.svg").write_text(text)
        print(options.out / f"bench-{name}.svg")


if __name__ == "__main__":
    main()
