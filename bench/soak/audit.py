"""At the end: all folders by IMAP, the files by themselves, the queue, the log, and what the server says of itself."""

import asyncio
import json
import random
import sqlite3
import sys
from collections import Counter

from support.server import REPOSITORY, Server

from .clients import Imap
from .ledger import Key, Ledger
from .traffic import ACCOUNTS, FOLDERS, PASSWORD, whole

_LONGEST = 300.0  # seconds in which the queue has to empty itself once all is well


async def quiet(server: Server, ledger: Ledger) -> None:
    """Wait until all has been delivered."""
    until = asyncio.get_running_loop().time() + _LONGEST
    while asyncio.get_running_loop().time() < until:
        database = sqlite3.connect(f"file:{server.folder / 'var/mailhub.db'}?mode=ro", uri=True)
        waiting = database.execute("select count(*) from recipient").fetchone()[0]
        database.close()
        if not waiting:
            return
        await asyncio.sleep(0.5)
    ledger.blame(f"{waiting} recipients wait in the queue, with nothing wrong any more")


async def folders(server: Server, ledger: Ledger) -> None:
    """What is there is what was promised."""
    found: Counter[Key] = Counter()
    for account in ACCOUNTS:
        client = await Imap.open(server.ports["imap"])
        await client.sign_in(account, PASSWORD)
        for folder in FOLDERS:
            await client.select(folder)
            ledger.selected((account, folder), client.validity, client.uid_next)
            for one in await client.fetch(b"BODY.PEEK[]"):
                ledger.seen((account, folder), one.uid, one.number, one.flags)
                found[one.number, account] += 1
                if not whole(one):
                    ledger.blame(f"{account}: message {one.number} is not what was sent")
        client.close()
    ledger.close(found)
    ledger.counts["there at the end"] = found.total()


async def command(server: Server, *words: str) -> tuple[int, str]:
    """Of the command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailhub", "--config", str(server.config), *words, cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    return process.returncode or 0, said


async def itself(server: Server, ledger: Ledger) -> None:
    """Each account's files and index agree; status has nothing to complain of."""
    for account in ACCOUNTS:
        code, said = await command(server, "mailbox", "check", account)
        if code:
            ledger.blame(f"mailhub mailbox check {account}: {said[:1_000]}")
    code, said = await command(server, "status", "--json")
    status = json.loads(said) if code == 0 else {}
    if code or status["trouble"] or status["queue_recipients"]:
        ledger.blame(f"mailhub status, when all is well: {said[:2_000]}")


def crashes(server: Server, ledger: Ledger) -> None:
    """Tracebacks in the log: the faults that were made are no reason for one."""
    for piece in server.log().split("Traceback (most recent call last):")[1:]:
        last = next((line for line in piece.splitlines()[1:] if len(line) - len(line.lstrip()) <= 4), "")
        ledger.blame(f"the log has a traceback that ends with: {last.strip()[:300]}")


def some(ledger: Ledger, chance: random.Random) -> list[str]:
    """What is wrong, few enough to read."""
    return ledger.wrong if len(ledger.wrong) <= 30 else [*ledger.wrong[:15], *chance.sample(ledger.wrong[15:], 15)]
