"""SMTP in until the message is in its Maildir, and IMAP NOOP on another connection meanwhile.

    python -m bench.smtp_in [--messages N] [--json FILE]

Commits are on disk (`synchronous=full`); the clients share the machine with the server, so the server's CPU time per
message is the figure that travels best.
"""

import argparse
import asyncio
import json
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.server import Server

USERS = 200
BODY = (
    b"Subject: bench\r\nFrom: <a@other.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n"
    + (b"x" * 76 + b"\r\n") * 51
)
PASSWORD = "bench password"


async def session(port: int, count: int, first: int, finals: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO bench.test\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    for n in range(first, first + count):
        writer.write(b"MAIL FROM:<a@other.test>\r\nRCPT TO:<u%d@example.test>\r\nDATA\r\n" % (n % USERS))
        for _ in range(3):
            line = await reader.readline()
            if line[:1] not in b"23":
                raise SystemExit(f"refused: {line!r}")
        began = time.perf_counter()
        writer.write(BODY + b".\r\n")
        if not (await reader.readline()).startswith(b"250"):
            raise SystemExit("a message was refused")
        finals.append(time.perf_counter() - began)
    writer.write(b"QUIT\r\n")
    await reader.readline()
    writer.close()


async def noops(port: int, stop: asyncio.Event, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b'a LOGIN noop@example.test "%b"\r\n' % PASSWORD.encode())
    while not (line := await reader.readline()).startswith(b"a "):
        pass
    if not line.startswith(b"a OK"):
        raise SystemExit(f"IMAP login: {line!r}")
    while not stop.is_set():
        began = time.perf_counter()
        writer.write(b"n NOOP\r\n")
        while not (await reader.readline()).startswith(b"n "):
            pass
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)
    writer.close()


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000 if times else 0.0


async def measure(server: Server, sessions: int, messages: int) -> dict[str, Any]:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    db = sqlite3.connect(server.folder / "var/mailhub.db")
    before = db.execute("select coalesce(sum(messages), 0) from folder").fetchone()[0]
    cpu = process.cpu_times()
    finals: list[float] = []
    waits: list[float] = []
    stop = asyncio.Event()
    other = asyncio.create_task(noops(server.ports["imap"], stop, waits))
    began = time.perf_counter()
    each = max(1, messages // sessions)
    await asyncio.gather(*(session(server.ports["smtp"], each, n * each, finals) for n in range(sessions)))
    accepted = time.perf_counter() - began
    total = each * sessions
    while db.execute("select coalesce(sum(messages), 0) from folder").fetchone()[0] - before < total:
        await asyncio.sleep(0.01)
    delivered = time.perf_counter() - began
    stop.set()
    await other
    after = process.cpu_times()
    return {
        "sessions": sessions,
        "messages": total,
        "accepted_per_second": round(total / accepted),
        "delivered_per_second": round(total / delivered),
        "final_250_p50_ms": round(percentile(finals, 0.5), 2),
        "final_250_p99_ms": round(percentile(finals, 0.99), 2),
        "server_cpu_ms_each": round((after.user + after.system - cpu.user - cpu.system) / total * 1000, 3),
        "imap_noop_p50_ms": round(percentile(waits, 0.5), 2),
        "imap_noop_p99_ms": round(percentile(waits, 0.99), 2),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
    }


async def make_reader(server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailhub", "--config", str(server.config), "user", "add", "noop@example.test",
        "--password-stdin", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await process.communicate(PASSWORD.encode() + b"\n")
    if process.returncode:
        raise SystemExit("mailhub user add failed")


async def run(messages: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=Path(__file__).parent))
    try:
        server = Server(folder, "[auth]\nallow_plaintext = true\n")
        await server.accounts(*(f"u{n}@example.test" for n in range(USERS)))
        await make_reader(server)
        await server.start()
        rows = []
        for sessions in (1, 20, 100):
            rows.append(await measure(server, sessions, messages if sessions > 1 else max(100, messages // 5)))
            print_row(rows[-1], header=len(rows) == 1)
        await server.stop()
    finally:
        shutil.rmtree(folder)
    return {
        "case": "smtp_in",
        "size": len(BODY),
        "machine": {"cpus": psutil.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "rows": rows,
    }


def print_row(row: dict[str, Any], *, header: bool) -> None:
    if header:
        print("  ".join(f"{name.replace('_', ' '):>20}" for name in row))
    print("  ".join(f"{value!s:>20}" for value in row.values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "smtp_in.json")
    options = parser.parse_args()
    result = asyncio.run(run(options.messages))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
