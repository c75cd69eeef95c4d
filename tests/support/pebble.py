"""Debian's pebble on loopback: a certificate authority that speaks ACME, and is as strict as it can be."""

import asyncio
import contextlib
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mailhub.testing.authority import Authority

PROGRAM = shutil.which("pebble")
_REFUSED = "20"  # of a hundred nonces


@contextlib.asynccontextmanager
async def challenge_server(dns: int, management: int) -> AsyncIterator[None]:
    """Debian's pebble-challtestsrv: a name server whose records are set by HTTP. Every name is at 127.0.0.1."""
    program = shutil.which("pebble-challtestsrv")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, "-dns01", f"127.0.0.1:{dns}", "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
        "-management", f"127.0.0.1:{management}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    seen = b""
    while b"Starting management server" not in seen:
        line = await process.stdout.readline()
        assert line, seen
        seen += line
    heard = asyncio.get_running_loop().create_task(process.stdout.read())
    try:
        yield
    finally:
        process.kill()
        await process.wait()
        await heard


@dataclass
class Pebble:
    """`directory`: its URL; `ca`: the file that vouches for its web server; `root()`: the authority that it signs with."""

    directory: str
    ca: Path
    management: str

    async def root(self) -> bytes:
        return await self._got("/roots/0")

    async def revoked(self, serial: int) -> bool:
        """Whether the certificate with that number is known."""
        return b"Revoked" in await self._got(f"/cert-status-by-serial/{serial:x}")

    async def _got(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca))
        async with aiohttp.ClientSession() as session, session.get(self.management + path, ssl=context) as answer:
            assert answer.status == 200
            return await answer.read()


@contextlib.asynccontextmanager
async def pebble(
    folder: Path, authority: Authority, dns: str, http: int, ports: tuple[int, int]
) -> AsyncIterator[Pebble]:
    """`dns`: who tells it where names are; `http`: the port at which it looks for proofs; `ports`: its own, for ACME and for management."""
    assert PROGRAM is not None
    pem = authority.certificate("localhost", "127.0.0.1")
    main, management = ports
    config = folder / "pebble.json"
    config.write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"127.0.0.1:{main}",
                    "managementListenAddress": f"127.0.0.1:{management}",
                    "certificate": str(pem),
                    "privateKey": str(pem),
                    "httpPort": http,
                    "tlsPort": http,
                    "ocspResponderURL": "",
                    "externalAccountBindingRequired": False,
                }
            }
        )
    )
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": _REFUSED}
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "-config", str(config), "-dnsserver", dns, "-strict", "true", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    seen = b""
    while b"ACME directory available" not in seen:
        line = await process.stdout.readline()
        assert line, seen
        seen += line
    heard = asyncio.get_running_loop().create_task(process.stdout.read())  # so that its pipe never fills
    try:
        yield Pebble(f"https://localhost:{main}/dir", authority.file, f"https://localhost:{management}")
    finally:
        process.kill()
        await process.wait()
        await heard
