"""How well the junk filter that learns tells junk from good mail, and how long it takes.

    python -m bench.junk [--samples FOLDER]... [--messages N] [--seed N] [--noise PART]

Two corpora, each split at random (seeded) in halves, one to teach and one to ask: a generated one, and files named by FOLDER, where those
below a folder called spam or phishing are junk and all others good. What is generated says how the filter learns, not how it does with
real mail; samples of some hundred messages say little more.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mailhub.config.schema import Junk
from mailhub.mailbox.heavy import HeavyLane
from mailhub.mailbox.junk import JunkFilter
from mailhub.message import tokens
from mailhub.model.clock import SystemClock
from mailhub.store.sqlite.junk import SqliteJunk

_BOTH = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "for",
    "on",
    "with",
    "this",
    "that",
    "from",
    "your",
    "you",
    "we",
    "have",
    "please",
    "today",
    "more",
    "time",
    "all",
    "new",
    "day",
    "week",
    "thank",
]
_TOPICS = {
    True: [
        ["cheap", "pills", "pharmacy", "order", "discount", "price", "bottle", "doctor", "shipping", "guarantee"],
        ["lottery", "winner", "prize", "million", "claim", "transfer", "bank", "agent", "fund", "urgent"],
        ["verify", "account", "suspended", "password", "login", "security", "update", "click", "confirm", "link"],
        list("发票代开免费领取优惠促销赚钱加微信中奖"),
    ],
    False: [
        ["meeting", "agenda", "minutes", "tuesday", "project", "report", "deadline", "budget", "draft", "review"],
        ["patch", "commit", "branch", "test", "build", "release", "merge", "issue", "function", "module"],
        ["dinner", "weekend", "family", "birthday", "photos", "trip", "train", "hotel", "kids", "garden"],
        list("会议记录项目报告同事周末晚饭照片旅行学校"),
    ],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    data: bytes
    junk: bool


def generated(count: int, chance: random.Random, noise: float) -> list[Sample]:
    """Junk and good mail by turns. Each message has words of its kind, of every kind, of nobody, and `noise` (0 to 0.65) of the other kind."""
    made = []
    for n in range(count):
        junk = n % 2 == 0
        topic, other = chance.choice(_TOPICS[junk]), chance.choice(_TOPICS[not junk])
        words = [
            chance.choice(topic if (dice := chance.random()) < 0.35 else other if dice < 0.35 + noise else _BOTH)
            if chance.random() < 0.9
            else f"x{chance.randrange(10_000)}"
            for _ in range(chance.randrange(20, 80))
        ]
        domain = f"{'bulk' if junk else 'firm'}{chance.randrange(200)}.example"
        text = f"From: a{n}@{domain}\r\nSubject: {' '.join(words[:4])}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{' '.join(words)}\r\n"
        made.append(Sample(text.encode(), junk))
    return made


def read(folders: Sequence[Path]) -> list[Sample]:
    found = []
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name not in ("ORIGIN", "COPYING", "LICENSE"):
                junk = not {"spam", "phishing"}.isdisjoint(file.parts) or file.name.startswith("sample-spam")
                found.append(Sample(file.read_bytes()[: tokens.READ], junk))
    return found


async def measured(samples: list[Sample], chance: random.Random) -> dict[str, object]:
    """Taught one half, asked about the other."""
    samples = samples[:]
    chance.shuffle(samples)
    half = len(samples) // 2
    lane = HeavyLane()
    config = msgspec.structs.replace(Junk(), min_messages=1)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteJunk(f"{folder}/junk.db")
        store.start()
        learnt = JunkFilter(store, None, config, "bench.test", lane, SystemClock())  # type: ignore[arg-type]
        began = time.perf_counter()
        for sample in samples[:half]:
            await learnt.learn("", sample.data, sample.junk)
        taught = time.perf_counter()
        told: dict[bool, list[float]] = {True: [], False: []}
        for sample in samples[half:]:
            found = await learnt.judge("", sample.data)
            assert found is not None
            told[sample.junk].append(found.opinion.probability)
        asked = time.perf_counter()
        await store.stop()
    lane.close()
    return {
        "taught_junk": sum(sample.junk for sample in samples[:half]),
        "taught_good": sum(not sample.junk for sample in samples[:half]),
        "asked_junk": len(told[True]),
        "asked_good": len(told[False]),
        "junk_told_junk": sum(p >= config.junk_from for p in told[True]),
        "junk_told_likely": sum(config.likely_from <= p < config.junk_from for p in told[True]),
        "junk_told_good": sum(p <= config.good_to for p in told[True]),
        "good_told_junk": sum(p >= config.junk_from for p in told[False]),
        "good_told_likely": sum(config.likely_from <= p < config.junk_from for p in told[False]),
        "good_told_good": sum(p <= config.good_to for p in told[False]),
        "teach_ms": round((taught - began) / half * 1_000, 2),
        "ask_ms": round((asked - taught) / (len(samples) - half) * 1_000, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.junk", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=Path, action="append", default=[])
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--noise", type=float, default=0.1, help="part of a message's words that are of the other kind")
    asked = parser.parse_args()
    results = {
        "generated": asyncio.run(
            measured(generated(asked.messages, random.Random(asked.seed), asked.noise), random.Random(asked.seed))
        )
    }
    if asked.samples:
        results["samples"] = asyncio.run(measured(read(asked.samples), random.Random(asked.seed)))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
