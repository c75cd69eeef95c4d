"""How a cluster fares as its site grows, from what one message and one idle session were measured to cost (`make bench-cluster`).

    python -m bench.cluster_growth [bench/out/cluster.json] [--accounts N ...]

The busiest seconds of a day: messages come as they like (Poisson), to accounts that get unequally many (log-normal), by any node; each takes its
turn at its node's core, then at the cores of a database server, then its commits, which Galera puts in one order. A message meets another of the
same account that was not yet there when it was begun on another node, and is done again. What is assumed, and was not measured, is named.
"""

import argparse
import bisect
import heapq
import itertools
import json
import math
import random
from array import array
from dataclasses import dataclass
from pathlib import Path

PER_DAY, PEAK = 20.0, 2 / 3 / (8 * 3_600) * 4 / 3  # messages of an account; their share in a second of the busiest hour
LISTENING = 0.1  # of accounts, at one time
SPREAD = 1.3  # of the logarithm of what accounts get: one of a hundred gets nine times the mean
FULL = 0.6  # of a core, at the busiest: what is planned for
SESSIONS = 10_000  # of a node (sessions.limit)
CORES = 16  # of a database server; assumed
ROUND = (
    0.002  # seconds from a commit's beginning to its place in the order: one round trip of servers, one sync; assumed
)
_EVENTS = 60_000
_SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True)
class Cost:
    """Of a message: seconds of a core of its node, of one database server; statements; octets to all servers; commits. `polls`: statements a
    second of a node, whatever it does. `order`: seconds for each commit's turn among all."""

    node: float
    server: float
    statements: float
    octets: float
    commits: float
    polls: float
    order: float

    @classmethod
    def read(cls, path: Path) -> "Cost":
        found = json.loads(path.read_text())
        busy = found["3 nodes, 20 sessions"]
        polls = found["idle, 200 sessions, a second"]["Questions"]
        return cls(busy["cpu_ms"] / 1e3, busy["database_cpu_ms"] / 3e3, busy["Questions"], busy["wsrep_replicated_bytes"],
                   busy["Com_commit"], polls, 1 / found["commits of one row"]["commits_per_s"])  # fmt: skip


@dataclass(frozen=True)
class Day:
    """What came of it. `late`: seconds until 99 of 100 messages were in the index; "inf" where there are more than can be done."""

    rate: float
    nodes: int
    node_use: float
    server_use: float
    order_use: float
    late: float
    again: float
    most: float  # of one account, a second
    statements: float
    octets: float
    polls: float


def simulated(accounts: int, cost: Cost, chance: random.Random) -> Day:
    rate = accounts * PER_DAY * PEAK
    nodes = (
        max(2, math.ceil(rate * cost.node / FULL), math.ceil(accounts * LISTENING / SESSIONS)) + 1
    )  # one may be away
    shares = array("d", itertools.accumulate(chance.lognormvariate(0.0, SPREAD) for _ in range(accounts)))
    free = [0.0] * nodes
    servers = [0.0] * CORES  # each does all writes: one is looked at
    order = now = 0.0
    last: dict[int, tuple[float, int]] = {}  # by account: when its last message was in, and from which node
    took, again, of = [], 0, dict[int, int]()
    for _ in range(_EVENTS):
        now += chance.expovariate(rate)
        account = bisect.bisect(shares, chance.random() * shares[-1])
        of[account] = of.get(account, 0) + 1
        node = chance.randrange(nodes)
        free[node] = max(now, free[node]) + cost.node
        begun = free[node]
        came, where = last.get(account, (0.0, node))
        tries = 2 if where != node and came > begun else 1
        again += tries - 1
        core = heapq.heappop(servers)
        done = max(begun, core) + cost.server * tries
        heapq.heappush(servers, done)
        order = max(order, done) + cost.order * cost.commits * tries
        last[account] = (order + ROUND * tries, node)
        took.append(order + ROUND * tries - now)
    took.sort()
    uses = rate * cost.node / nodes, rate * cost.server / CORES, rate * cost.commits * cost.order
    late = math.inf if max(uses) >= 1 else took[int(len(took) * 0.99)]
    return Day(rate, nodes, *uses, late, again / _EVENTS, max(of.values()) / now, rate * cost.statements + nodes * cost.polls,
               rate * cost.octets, nodes * cost.polls)  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("measured", type=Path, nargs="?", default=Path("bench/out/cluster.json"))
    words.add_argument("--accounts", type=int, nargs="+", default=_SIZES)
    given = words.parse_args()
    cost, chance = Cost.read(given.measured), random.Random(1)
    print("| accounts | messages/s | nodes | of a node's core | of a database server's cores | of the order of commits | 99 of 100 in the index within"
          " | done again | most to one account | statements/s | written to each server |")  # fmt: skip
    print("|" + "---|" * 11)
    for accounts in given.accounts:
        day = simulated(accounts, cost, chance)
        late = "more than can be done" if day.late == math.inf else f"{day.late * 1000:,.0f} ms"
        print(f"| {accounts:,} | {day.rate:,.0f} | {day.nodes} | {day.node_use:.0%} | {day.server_use:.1%} | {day.order_use:.1%} | {late}"
              f" | {day.again:.3%} | {day.most:.2f}/s | {day.statements:,.0f} | {day.octets / 1e6:,.1f} MB/s |")  # fmt: skip


if __name__ == "__main__":
    main()
