"""The two accounts of a first try: alice@ and bob@ of the first domain, where the config says `demo = true`."""

import os
from pathlib import Path

from mailhub.directory import Directory
from mailhub.model.errors import Exists
from mailhub.model.generated import password
from mailhub.store.api import DirectoryStore

FILE = "demo-accounts.txt"
_NOTE = "demo-accounts"
_NAMES = ("alice", "bob")

Accounts = tuple[tuple[str, str], ...]


async def create(directory: Directory, store: DirectoryStore, domain: str, data: Path) -> Accounts:
    """Addresses and passwords of the accounts made now; none where there are accounts, or were when this was first asked.

    The file comes first and the note that it is done last: after a crash between them all is made again.
    """
    if await store.meta(_NOTE) is not None:
        return ()
    ours = tuple(f"{name}@{domain.lower()}" for name in _NAMES)
    if any(account.name not in ours for account in await directory.accounts(limit=3)):
        await store.set_meta(_NOTE, "not made: there were accounts")
        return ()
    made = tuple((address, password()) for address in ours)
    _write(data / FILE, "".join(f"{address} {secret}\n" for address, secret in made))
    for address, secret in made:
        try:
            await directory.add_account(address, secret)
        except Exists:
            await directory.set_password(address, secret)
    await store.set_meta(_NOTE, "made")
    return made


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
