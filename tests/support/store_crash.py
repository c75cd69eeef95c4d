"""A store whose data folder is copied from under it, as a crash of its process leaves it behind."""

import shutil
from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.store.sqlite import SqliteStore

CLOCK = VirtualClock()
WHO = "alice@example.org"


async def opened(path: Path, interval: float = 3600) -> SqliteStore:
    """With a long interval nothing is synced or forgotten behind the test's back, once the first round is over."""
    store = SqliteStore(path, StoreConfig(free_space_floor=0, sync_interval=interval), CLOCK, "mx.test")
    await store.open()
    return store


def crash(path: Path) -> Path:
    """The folder as it is at this moment, lock left out."""
    copy = path.with_name(path.name + "-crashed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    (copy / "mailhub.lock").unlink()
    return copy


async def close(store: SqliteStore) -> None:
    await store.close()


def mail(path: Path) -> list[Path]:
    home = path / "mail/example.org/alice/Maildir"
    return sorted(file for sub in ("new", "cur") for file in (home / sub).iterdir())


async def count(store: SqliteStore) -> int:
    return (await store.mailboxes.folders(WHO))[0].messages
