"""The parts of a message as files, all of them as one, and the message as it came. None is ever a page of this server's."""

import re
import zipfile
from collections.abc import AsyncIterator
from urllib.parse import quote

from aiohttp import web

from mailhub.mailbox.service import MessageFile
from mailhub.message.decoding import BLOCK, Decoder
from mailhub.message.shown import Leaf
from mailhub.model.errors import NotFound

from ..routes import Route
from .asked import MESSAGE, Asked, uid_of

# What a browser may show by itself, and as what: nothing that can hold a script that runs here.
_SHOWN = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "application/pdf": "application/pdf",
    "text/plain": "text/plain; charset=utf-8",
}
_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
_PDF = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'"
_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]')
_NAME = 150  # characters
_FILES = 1_000  # of one archive


class Files:
    """One per hub."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def routes(self) -> list[Route]:
        octets = "application/octet-stream"
        inline = {"inline": "1: to be looked at in the browser, where that is safe"}
        return [
            Route("GET", MESSAGE + "/parts/{section}", self._part, "A part of a message", inline, kind=octets, security="account"),
            Route("GET", MESSAGE + "/files.zip", self._all, "All files of a message", kind="application/zip", security="account"),
            Route("GET", MESSAGE + "/raw", self._raw, "A message as it came", {"inline": "1: as text"}, kind="message/rfc822", security="account"),
        ]  # fmt: skip

    async def _part(self, request: web.Request) -> web.StreamResponse:
        async with await self._open(request) as file:
            found = await self._asked.mailboxes.leaves(file)
            leaf = next((one for one in found if one.section == request.match_info["section"]), None)
            if leaf is None:
                raise NotFound("the message has no such part")
            shown = _SHOWN.get(leaf.kind) if request.query.get("inline") == "1" else None
            response = _answer(file_name(leaf), shown)
            await response.prepare(request)
            async for block in _content(file, leaf):
                await response.write(block)
            await response.write_eof()
            return response

    async def _all(self, request: web.Request) -> web.StreamResponse:
        async with await self._open(request) as file:
            found = [leaf for leaf in await self._asked.mailboxes.leaves(file) if not leaf.shown]
            if not found or len(found) > _FILES:
                raise NotFound(f"the message has {len(found)} files")
            response = _answer("files.zip", None)
            await response.prepare(request)
            out = _Out()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
                names: set[str] = set()
                for leaf in found:
                    with archive.open(zipfile.ZipInfo(_another(file_name(leaf), names)), "w") as entry:
                        async for block in _content(file, leaf):
                            entry.write(block)
                            await response.write(out.taken())
            await response.write(out.taken())
            await response.write_eof()
            return response

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        async with await self._open(request) as file:
            shown = "text/plain; charset=utf-8" if request.query.get("inline") == "1" else None
            response = _answer("message.eml", shown)
            response.content_length = file.size
            await response.prepare(request)
            for offset in range(0, file.size, BLOCK):
                await response.write(await file.read(offset, min(BLOCK, file.size - offset)))
            await response.write_eof()
            return response

    async def _open(self, request: web.Request) -> MessageFile:
        mail, folder = await self._asked.folder(request)
        return await mail.open(folder, uid_of(request))


class _Out:
    """Where an archive is written to that nobody seeks in."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


async def _content(file: MessageFile, leaf: Leaf) -> AsyncIterator[bytes]:
    """Decoded, block by block."""
    part, decoder = leaf.part, Decoder(leaf.part.encoding)
    for at in range(part.body, part.end, BLOCK):
        if block := decoder.feed(await file.read(at, min(BLOCK, part.end - at))):
            yield block
    if block := decoder.finish():
        yield block


def file_name(leaf: Leaf) -> str:
    """One that no system takes for a path or a command, and that does not read from right to left."""
    name = _UNFIT.sub("_", leaf.name).strip(" .")[:_NAME]
    return name or f"part-{leaf.section}"


def _another(name: str, names: set[str]) -> str:
    """The name, or one like it that is not there yet."""
    stem, dot, ending = name.rpartition(".")
    made = name
    for n in range(2, _FILES + 2):
        if made.lower() not in names:
            break
        made = f"{stem} ({n}){dot}{ending}" if dot else f"{name} ({n})"
    names.add(made.lower())
    return made


def _answer(name: str, shown: str | None) -> web.StreamResponse:
    """To be kept under that name; or `shown`: in the browser, as that."""
    response = web.StreamResponse()
    response.headers["Content-Type"] = shown or "application/octet-stream"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    how = "inline" if shown else "attachment"
    response.headers["Content-Disposition"] = f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Security-Policy"] = _PDF if shown == "application/pdf" else _SANDBOX
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
