"""Proofs of names in DNS (dns-01, RFC 8555 section 8.4): a program of the operator's puts a record there, and takes it away."""

import base64
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence

from mailhub.delivery.pipe.process import Process
from mailhub.model.clock import Clock
from mailhub.net.acme import AcmeError
from mailhub.net.challenges import Proof

log = logging.getLogger("mailhub.jobs")

_SECONDS = 120.0  # for one run
_SAID = 1_000  # octets of what it says that are kept
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class DnsHook:
    """A Solver. `command` is run with `present` or `cleanup`, the record's name, and its value; `user`: who runs
    it, where we are root; `wait`: seconds until name servers have it."""

    kind = "dns-01"

    def __init__(self, command: Sequence[str], user: str, wait: float, clock: Clock) -> None:
        self._command, self._user, self._wait, self._clock = tuple(command), user, wait, clock

    @contextlib.asynccontextmanager
    async def present(self, proof: Proof) -> AsyncIterator[None]:
        """AcmeError where the program does not end with 0."""
        digest = hashlib.sha256(proof.answer.encode()).digest()
        record = (f"_acme-challenge.{proof.name}", base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
        await self._run("present", *record)
        try:
            await self._clock.sleep(self._wait)
            yield
        finally:
            try:
                await self._run("cleanup", *record)
            except AcmeError as error:
                log.warning("%s: %s", record[0], error)

    async def _run(self, *words: str) -> None:
        program = self._command[0]
        try:
            async with self._clock.timeout(_SECONDS):
                process = await Process.start([*self._command, *words], _ENVIRONMENT, "/", self._user)
                status, said = await process.run(_nothing(), _SAID)
        except TimeoutError as error:
            raise AcmeError(f"{program} {words[0]}: not done within {_SECONDS:.0f} seconds") from error
        except (OSError, ValueError) as error:
            raise AcmeError(f"{program}: {error}") from error
        if status:
            shown = "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace")).strip()
            raise AcmeError(f"{program} {words[0]}: exit status {status}: {shown[:200]}")


async def _nothing() -> AsyncIterator[bytes]:
    """It is told nothing on its standard input."""
    none: tuple[bytes, ...] = ()
    for block in none:
        yield block
