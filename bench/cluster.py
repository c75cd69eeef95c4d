"""What a message and a session cost the database of a cluster, and how many messages a second one, two and three nodes take.

    python -m bench.cluster [--messages N] [--json FILE]

Three Galera servers and up to three mailhubs, a pair in each network namespace of this one machine: so messages a second say what the nodes
lose by sharing, not what three machines would do. Statements and octets a message are what other machines would see, too.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.cluster import SMTP, Hub, cluster, numbers
from support.galera import Node, galera

from bench.clients import Smtp

ACCOUNTS = [f"user{n}@example.test" for n in range(40)]
BODY = b"From: <a@out.test>\r\nSubject: message 1\r\n\r\n" + (b"x" * 76 + b"\r\n") * 50
COUNTERS = ("Questions", "Com_commit", "Bytes_received", "Bytes_sent", "wsrep_replicated_bytes", "wsrep_local_cert_failures",
            "wsrep_local_bf_aborts", "Handler_write", "Handler_update", "Handler_delete")  # fmt: skip
_IDLE = 10.0  # seconds
_SESSIONS = 200


def counters(nodes: Sequence[Node]) -> dict[str, int]:
    """Of all servers together; what is replicated is counted where it came from."""
    sums = dict.fromkeys(COUNTERS, 0)
    for node in nodes:
        for line in node.run("show global status").splitlines():
            name, _, value = line.partition("\t")
            if name in sums:
                sums[name] += int(value)
    return sums


def cpu(processes: Sequence[Hub | Node]) -> float:
    """Seconds of mailhubs, or of servers."""
    ticks = 0
    for one in processes:
        assert one.process is not None
        fields = Path(f"/proc/{one.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def send(hub: Hub, count: int) -> None:
    client = await Smtp.open(hub.address, SMTP)
    for n in range(count):
        await client.message(b"a@out.test", ACCOUNTS[n % len(ACCOUNTS)].encode(), BODY, "DATA")
        await client.expect(b"250")


async def load(hubs: Sequence[Hub], messages: int, sessions: int) -> None:
    each = messages // sessions
    await asyncio.gather(*(send(hubs[n % len(hubs)], each) for n in range(sessions)))


def delivered(hub: Hub) -> int:
    return int(hub.node.run("set session wsrep_sync_wait = 7; select count(*) from mailhub.message"))


def run(hubs: Sequence[Hub], nodes: Sequence[Node], messages: int, sessions: int) -> dict[str, float]:
    before, there, started = counters(nodes), delivered(hubs[0]), time.perf_counter()
    work, servers = cpu(hubs), cpu(nodes)
    asyncio.run(load(hubs, messages, sessions))
    accepted = time.perf_counter() - started
    while delivered(hubs[0]) < there + messages:
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    time.sleep(1.0)  # what settles last
    after = counters(nodes)
    cost = {name: round((after[name] - before[name]) / messages, 2) for name in COUNTERS}
    return {"accepted_per_s": round(messages / accepted, 1), "delivered_per_s": round(messages / seconds, 1),
            "cpu_ms": round((cpu(hubs) - work) / messages * 1000, 2),
            "database_cpu_ms": round((cpu(nodes) - servers) / messages * 1000, 2), **cost}  # fmt: skip


async def idle(hub: Hub, sessions: int) -> None:
    """Sessions that select INBOX and listen."""
    writers = []
    for n in range(sessions):
        reader, writer = await asyncio.open_connection(hub.address, 1143)
        await reader.readline()
        account = ACCOUNTS[n % len(ACCOUNTS)]
        for tag, line in ((b"a", f'LOGIN {account} "between three machines"'), (b"b", "SELECT INBOX"), (b"c", "IDLE")):
            writer.write(tag + b" " + line.encode() + b"\r\n")
            while not (answer := await reader.readline()).startswith((tag, b"+")):
                assert answer
        writers.append(writer)
    await asyncio.sleep(2)
    before = counters([hub.node])
    await asyncio.sleep(_IDLE)
    after = counters([hub.node])
    for name in ("Questions", "Bytes_received", "Bytes_sent"):
        print(f"  {name} a second, {sessions} idle sessions on one node: {(after[name] - before[name]) / _IDLE:.1f}")
    for writer in writers:
        writer.close()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=1_000)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cluster"))
    found: dict[str, object] = {}
    try:
        with galera() as nodes, cluster(folder, nodes, *ACCOUNTS) as hubs:
            load_one = (hubs[:1], nodes, 100, 1)
            run(*load_one)
            for count in (1, 2, 3):
                for sessions in (1, 20):
                    key = f"{count} nodes, {sessions} sessions"
                    found[key] = run(
                        hubs[:count], nodes, given.messages if sessions > 1 else given.messages // 5, sessions
                    )
                    print(key, json.dumps(found[key]), flush=True)
            assert numbers(hubs[2], ACCOUNTS[0])
            asyncio.run(idle(hubs[0], _SESSIONS))
    finally:
        print(Path(folder, "hub1/log").read_text()[-3000:]) if os.environ.get("DBG") else None
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
