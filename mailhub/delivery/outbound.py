"""What mail gets as it leaves: a signature where it was born here, a seal (and a signature, where that is wanted) where a
stranger's mail is passed on."""

from collections.abc import AsyncIterator, Callable

from msgspec.structs import replace

from mailhub.config.schema import Config
from mailhub.message import dkim, headers
from mailhub.model import steps
from mailhub.model.address import domain_of
from mailhub.store.api import Content

from .signing import Signer
from .transport import Job

_LOOKED_AT = 65_536  # octets of a header


class Preceded:
    """api.Content with more fields before it."""

    def __init__(self, before: bytes, content: Content) -> None:
        self._before, self._content = before, content
        self.id, self.body, self.tail = content.id, content.body, content.tail
        self.prefix, self.size = before + content.prefix, len(before) + content.size

    async def read(self, offset: int, length: int) -> bytes:
        head = self._before[offset : offset + length]
        if len(head) == length:
            return head
        return head + await self._content.read(max(0, offset - len(self._before)), length - len(head))

    async def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        yield self._before
        async for block in self._content.blocks(size):
            yield block


class Outbound:
    """`config`: as it is now."""

    def __init__(self, signer: Signer, config: Callable[[], Config]) -> None:
        self._signer, self._config = signer, config

    async def dressed(self, job: Job) -> Job:
        """The job with what its message gets. Temporary where it can not be signed and shall not leave without."""
        content, config = job.content, self._config()
        fields = b""
        if not job.origin.client and not job.origin.login:
            if await _is_composed(content):
                fields = await self._signer.fields(content.size, content.read, config.hostname)
        elif not job.origin.login and (domains := _passed_on_by(job)):
            authserv_id = config.filter.authserv_id or config.hostname
            domains.append((*config.domains, config.hostname)[0])
            if config.arc.seal:
                fields = await self._signer.sealed(domains, authserv_id, content.size, content.read)
            if config.dkim.sign_forwarded:
                fields += await self._signer.forwarded(domains, content.size, content.read)
        return replace(job, content=Preceded(fields, content)) if fields else job


async def _is_composed(content: Content) -> bool:
    """Whether we wrote it ourselves (reports, answers, notices): other mail has been on a way, and says so."""
    start = await content.read(0, min(content.size, _LOOKED_AT))
    header = start[: headers.header_end(start)]
    return not any(headers.count(header, name) for name in (b"received", dkim.FIELD_NAME))


def _passed_on_by(job: Job) -> list[str]:
    """Domains of the addresses that it was sent to here, where these lead elsewhere."""
    firsts = [steps.plain(recipient.path[0]) for recipient in job.recipients if recipient.path]
    return [domain_of(first).lower() for first in firsts if "@" in first]
