"""From `[directory] kind` to the `Directory`; what a database of others takes is imported where it is asked for."""

import math
from collections.abc import Awaitable, Callable

from mailhub.config.schema import Config
from mailhub.model.clock import Clock
from mailhub.store.api import DirectoryStore

from .directory import Directory
from .hasher import Hasher

SHARED = 2.0  # seconds after which what another node has changed in the directory is seen here, at the latest


async def directory_of(
    config: Config,
    store: DirectoryStore,
    hasher: Hasher,
    clock: Clock,
    kind: type[Directory] = Directory,
    quotas: Callable[[str, int], Awaitable[None]] | None = None,
) -> Directory:
    """To be closed. `quotas` is told what accounts of a database of others may hold. `kind`: of one that keeps its names in `store`. A MailError says what is wrong with the configuration."""
    if config.directory.kind == "mysql":
        from .outside.directory import OutsideDirectory
        from .outside.source import opened

        made: type[OutsideDirectory] = OutsideDirectory
        if config.directory.schema == "mailhub":
            from .outside.own import OwnDirectory

            made = OwnDirectory
        outside = made(store, config.auth, hasher, domains=config.domains)
        return outside.read(await opened(config.directory, clock, quotas))
    lifetime = SHARED if config.store.kind == "mysql" else math.inf
    return kind(
        store, config.auth, hasher, domains=config.domains, cache_limit=config.directory.cache_limit, lifetime=lifetime,
        now=clock.monotonic,
    )  # fmt: skip
