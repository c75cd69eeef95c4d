"""Keys of our own that outlive a restart."""

import secrets

from mailhub.store.api import DirectoryStore


async def kept_key(store: DirectoryStore, name: str) -> bytes:
    """The one of that name, made when it is first asked for. 32 octets."""
    kept = await store.meta(name)
    if kept is None:
        kept = await store.keep_meta(name, secrets.token_hex(32))
    return bytes.fromhex(kept)
