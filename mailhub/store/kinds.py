"""From `[store] kind` to the store; what a cluster takes is imported where it is asked for."""

from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock

from .api import Store


def store_of(data: Path, config: StoreConfig, clock: Clock, hostname: str) -> Store:
    """To be opened."""
    if config.kind == "mysql":
        from .mysql import MysqlStore

        return MysqlStore(data, config, clock, hostname)
    from .sqlite import SqliteStore

    return SqliteStore(data, config, clock, hostname)
