"""What a message and a session cost the database of a cluster, and how many messages a second one, two and three nodes take.

    python -m bench.cluster [--messages N] [--json FILE]

Three Galera servers and up to three mailhubs, a pair in each network namespace of this one machine: so messages a second say what the nodes
lose by sharing, not what three machines would do. Statements and octets a message are what other machines would see, too.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.cluster import IMAP, PASSWORD, SMTP, Hub, cluster, numbers
from support.galera import Node, galera

from bench.clients import Smtp

ACCOUNTS = [f"user{n}@example.test" for n in range(40)]
BODY = b"From: <a@out.test>\r\nSubject: message 1\r\n\r\n" + (b"x" * 76 + b"\r\n") * 50
COUNTERS = ("Questions", "Com_commit", "Bytes_received", "Bytes_sent", "wsrep_replicated_bytes", "wsrep_local_cert_failures",
            "wsrep_local_bf_aborts", "Handler_write", "Handler_update", "Handler_delete")  # fmt: skip
_IDLE = 10.0  # seconds
_SESSIONS = 200
_TIMES = 100
_COMMITS = 6_400
_POLL = 0.5  # seconds: what a site has that sets nothing


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


def ordered(node: Node) -> dict[str, float]:
    """How many commits of one row a second one server puts in order with the others: what is left of a message when all else is small."""
    most = 0.0
    node.run("create database slap; create table slap.t (id bigint auto_increment primary key, v varbinary(100))")
    for clients in (8, 16, 32):
        done = subprocess.run(
            ["mariadb-slap", "--no-defaults", f"--socket={node.socket}", "-u", "root", f"--concurrency={clients}",
             f"--number-of-queries={_COMMITS}", "--create-schema=slap", "--no-drop", "--csv=-",
             "--query=insert into slap.t (v) values (repeat('x', 100))"],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        most = max(most, _COMMITS / float(done.stdout.split(",")[2]))
    return {"commits_per_s": round(most)}


async def heard(hub: Hub, other: Hub, times: int) -> dict[str, float]:
    """Seconds from the OK of an APPEND on one node to EXISTS in a session that listens on the other."""
    account, found = ACCOUNTS[0], []
    listener, listening = await session(other, account, "IDLE")
    reader, writer = await session(hub, account)
    for _ in range(times):
        await asyncio.sleep(random.uniform(0.2, 1.2))  # at any moment between two looks
        writer.write(b"d APPEND INBOX {%d+}\r\n%b\r\n" % (len(BODY), BODY))
        while not (line := await reader.readline()).startswith(b"d OK"):
            assert line
        started = time.perf_counter()
        while b"EXISTS" not in await listener.readline():
            pass
        found.append(time.perf_counter() - started)
    for each in (writer, listening):
        each.close()
    found.sort()
    return {"heard_p50_s": round(found[len(found) // 2], 3), "heard_p99_s": round(found[int(len(found) * 0.99)], 3),
            "heard_most_s": round(found[-1], 3)}  # fmt: skip


async def session(hub: Hub, account: str, *more: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Signed in, INBOX selected."""
    reader, writer = await asyncio.open_connection(hub.address, IMAP)
    await reader.readline()
    for n, line in enumerate((f'LOGIN {account} "{PASSWORD}"', "SELECT INBOX", *more)):
        tag = b"a%d" % n
        writer.write(tag + b" " + line.encode() + b"\r\n")
        while not (answer := await reader.readline()).startswith((tag, b"+")):
            assert answer
    return reader, writer


async def idle(hub: Hub, sessions: int) -> dict[str, float]:
    """Sessions that select INBOX and listen."""
    writers = []
    for n in range(sessions):
        _, writer = await session(hub, ACCOUNTS[n % len(ACCOUNTS)], "IDLE")
        writers.append(writer)
    await asyncio.sleep(2)
    before = counters([hub.node])
    await asyncio.sleep(_IDLE)
    after = counters([hub.node])
    for writer in writers:
        writer.close()
    return {
        name: round((after[name] - before[name]) / _IDLE, 1) for name in ("Questions", "Bytes_received", "Bytes_sent")
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=1_000)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cluster"))
    found: dict[str, object] = {}
    try:
        with galera() as nodes, cluster(folder, nodes, *ACCOUNTS, poll=_POLL) as hubs:
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
            for sessions in (0, _SESSIONS):
                found[f"idle, {sessions} sessions, a second"] = asyncio.run(idle(hubs[0], sessions))
            found["heard on another node"] = asyncio.run(heard(hubs[0], hubs[1], _TIMES))
            found["commits of one row"] = ordered(nodes[0])
            for key in list(found)[-4:]:
                print(key, json.dumps(found[key]), flush=True)
    finally:
        print(Path(folder, "hub1/log").read_text()[-3000:]) if os.environ.get("DBG") else None
        shutil.rmtree(folder, ignore_errors=True)
    found["load"] = {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}
    print(json.dumps(found["load"]))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
