"""Postfix that hands its mail by LMTP to Dovecot, which files it: what most sites of the two run. Each as in its own module."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.target import Target

from . import dovecot, postfix


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    return postfix.missing() or dovecot.missing(lmtp=True)


def _empty(maildir: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)


@asynccontextmanager
async def postfix_lmtp() -> AsyncIterator[Target]:
    """Both as one target: SMTP and submission of the one, IMAP and POP3 of the other."""
    run = Path(tempfile.mkdtemp(prefix="bench-"))  # a socket's path is short
    try:
        os.chmod(run, 0o755)
        socket = run / "lmtp"
        async with dovecot.dovecot(_empty, lmtp=socket) as store, postfix.postfix(lmtp=socket) as front:
            yield replace(
                front,
                name="postfix+lmtp",
                version=f"{front.version} and {store.version}",
                ports={**store.ports, **front.ports},
                roots=lambda: [*front.roots(), *store.roots()],
                delivered=store.delivered,
            )
    finally:
        shutil.rmtree(run)
