"""One message: what it says, who it is from and why it is here; its text for a frame."""

import base64
import html
import re
from collections.abc import Collection, Sequence

from aiohttp import web
from msgspec import Struct

from mailhub.mailbox.service import AccountMail, Mailboxes, MessageFile
from mailhub.message import authres, charset, headers, html_text
from mailhub.message.decoding import octets
from mailhub.message.shown import Leaf
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import Folder

from ..routes import Route, answered
from .asked import MESSAGE, Asked, uid_of
from .cleaning import cleaned, page, plain
from .listing import Row, row_of

HEADER, _TEXT = 262_144, 1_000_000  # octets of the header, of the texts, that are shown
_PICTURE, _PICTURES = 2_097_152, 8_388_608  # octets of one picture, of all, that stand in the text
_FIELDS, _LOOKED_AT = 200, 2_000  # that are told; of which those that mean something to us are
_VALUE, _OCTETS = 4_000, 16_384  # characters of one; octets that are decoded for them
_CID = re.compile(r"cid:([^\s\"'<>)]{1,500})", re.IGNORECASE)
_SHOWABLE = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_LIST_URL = re.compile(r"<((?:https|mailto):[^<>\s]{1,2000})>", re.IGNORECASE)
# No scripts, no forms, no way up. Its own origin, so that the page around it can see how high it is: without scripts nobody else uses that.
FRAME = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; img-src data:"


class File(Struct, frozen=True):
    """A part that can be had by itself: `section` names it, "1.2". `size`: octets as it is encoded. `preview`: it may be looked at in the browser. `inline`: it is a
    picture that the text shows."""

    section: str
    name: str
    type: str
    size: int
    preview: bool
    inline: bool


class Quoted(Struct, frozen=True):
    """What a message says, to be written on: its HTML made safe with its pictures in it, or `text` alone."""

    html: str
    text: str


class Unsubscribe(Struct, frozen=True):
    """How one leaves the list (RFC 2369); `one_click`: this server does it when asked to (RFC 8058)."""

    url: str
    one_click: bool


class Opened(Struct, frozen=True, kw_only=True):
    """`text`: what it says without its form. `html`: whether there is more in the frame; `remote`: how many pictures from elsewhere that wants.
    `cut`: it is longer than what is shown. `results`: those of this server's checks, as (method, result, about whom); `verdict`: why it was put where
    it lies, in the words of the checks, "" where nothing was against it."""

    row: Row
    folder: str
    message_id: str
    in_reply_to: str
    references: str
    cc: tuple[str, ...]
    reply_to: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    text: str
    html: bool
    remote: int
    cut: bool
    files: tuple[File, ...]
    results: tuple[tuple[str, str, str], ...]
    verdict: str
    unsubscribe: Unsubscribe | None


class Body(Struct, frozen=True):
    """`text`: without form; `html`: as it came, "" for none."""

    leaves: Sequence[Leaf]
    text: str
    html: str
    cut: bool


class Reading:
    """One per hub. `authserv_id`: under which name our results stand in stored mail."""

    def __init__(self, asked: Asked, authserv_id: str) -> None:
        self._asked, self._authserv_id = asked, authserv_id.lower().encode()

    def routes(self) -> list[Route]:
        frame = {"pictures": "1: with those from elsewhere", "dark": "1: light on dark, for plain text"}
        return [
            Route("GET", MESSAGE, self._open, "One message", None, None, Opened, security="account"),
            Route("GET", MESSAGE + "/quoted", self._quoted, "Its text to be answered, or passed on", None, None, Quoted, security="account"),
            Route("GET", MESSAGE + "/html", self._frame, "Its text for a frame, made safe", frame, kind="text/html", security="account"),
        ]  # fmt: skip

    async def _open(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        uid = uid_of(request)
        async with self._asked.looking.at(mail, folder) as look:
            rows = await look.view.rows([uid], rendered=True)
        if not rows:
            raise NotFound(f"no message {uid} in {folder.name[:80]!r}")
        async with await mail.open(folder, uid) as file:
            header = await file.read(0, HEADER)
            header = header[: headers.header_end(header)]
            glimpse = await self._asked.mailboxes.glimpse(file)
            body = await body_of(self._asked.mailboxes, file)
        row = row_of(rows[0], look.view.folder, glimpse)
        return answered(await self._asked.mailboxes.lane.call(self._opened, row, folder, header, body))

    def _opened(self, row: Row, folder: Folder, header: bytes, body: Body) -> Opened:
        safe = _clean(body, {}, False) if body.html else None
        fields = [
            (name.decode("ascii"), headers.decode(value[:_OCTETS])[:_VALUE])
            for name, value in headers.fields(header)[:_LOOKED_AT]
        ]
        wanted = shown_ids(body.html)
        files = [file_of(leaf, wanted) for leaf in body.leaves if not leaf.shown]
        return Opened(
            row=row,
            folder=folder.object_id,
            message_id=_first(fields, "message-id"),
            in_reply_to=_first(fields, "in-reply-to"),
            references=_first(fields, "references"),
            cc=_all(fields, "cc"),
            reply_to=_all(fields, "reply-to"),
            fields=tuple(fields[:_FIELDS]),
            text=body.text,
            html=safe is not None,
            remote=safe[1] if safe else 0,
            cut=body.cut,
            files=tuple(files),
            results=self._results(header),
            verdict=_verdict(header),
            unsubscribe=unsubscribe(fields),
        )

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        remote, dark = request.query.get("pictures") == "1", request.query.get("dark") == "1"
        body, safe = await self._safe(mail, folder, uid_of(request), remote=remote)
        shown = page(safe[0]) if safe else page(plain(body.text), dark=dark)
        response = web.Response(text=shown, content_type="text/html")
        response.headers["Content-Security-Policy"] = FRAME + (" https: http:" if remote else "")
        response.headers["Cache-Control"] = "private, no-store"
        return response

    async def _quoted(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        body, safe = await self._safe(mail, folder, uid_of(request), remote=False)
        return answered(Quoted(safe[0] if safe else "", body.text))

    async def _safe(
        self, mail: AccountMail, folder: Folder, uid: int, *, remote: bool
    ) -> "tuple[Body, tuple[str, int] | None]":
        """Its texts, and its HTML made safe where there is any."""
        async with await mail.open(folder, uid) as file:
            body = await body_of(self._asked.mailboxes, file)
            pictures = await self._pictures(file, body.leaves) if "cid:" in body.html else {}
        return body, await self._asked.mailboxes.lane.call(_clean, body, pictures, remote) if body.html else None

    async def _pictures(self, file: MessageFile, found: Sequence[Leaf]) -> dict[str, str]:
        """Those that the text may show, as `data:` URLs, as many as fit."""
        pictures: dict[str, str] = {}
        left = _PICTURES
        for leaf in found:
            size = leaf.part.end - leaf.part.body
            if leaf.cid and leaf.kind in _SHOWABLE and size <= min(left, _PICTURE):
                left -= size
                content = octets(await file.read(leaf.part.body, size), leaf.part.encoding)
                pictures[leaf.cid] = f"data:{leaf.kind};base64,{base64.b64encode(content).decode()}"
        return pictures

    def _results(self, header: bytes) -> tuple[tuple[str, str, str], ...]:
        """Only those that this server wrote itself."""
        found: list[tuple[str, str, str]] = []
        for name, value in headers.fields(header)[:_LOOKED_AT]:
            if name.lower() != authres.FIELD_NAME.lower() or authres.authserv(value) != self._authserv_id:
                continue
            try:
                told = authres.results(value)[1:]
            except ValueError:
                continue
            for words in told:
                method, _, result = words[0].decode("ascii", "replace").partition("=") if words else ("", "", "")
                about = next((one.partition(b"=")[2] for one in words[1:] if b"." in one.partition(b"=")[0]), b"")
                found.append((method, result, about.decode("utf-8", "replace")))
        return tuple(found)


async def body_of(mailboxes: Mailboxes, file: MessageFile) -> Body:
    """The texts of an open message, as much of them as is shown."""
    found = await mailboxes.leaves(file)
    pieces: list[tuple[Leaf, bytes]] = []
    left, cut = _TEXT, False
    for leaf in found:
        if leaf.shown:
            size = leaf.part.end - leaf.part.body
            cut = cut or size > left
            if left:
                pieces.append((leaf, await file.read(leaf.part.body, min(size, left))))
            left = max(0, left - size)
    plain, formed = await mailboxes.lane.call(_decoded, pieces)
    return Body(found, plain, formed, cut)


def _decoded(pieces: Sequence[tuple[Leaf, bytes]]) -> tuple[str, str]:
    """(plain text, HTML); where there is no plain text, that of the HTML."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for leaf, encoded in pieces:
        name = dict(leaf.part.params).get(b"charset", b"utf-8").decode("ascii", "ignore")
        text = charset.decode(octets(encoded, leaf.part.encoding), name)
        texts[leaf.kind].append(text.replace("\r\n", "\n"))
    plain, formed = "\n".join(texts["text/plain"]), "\n".join(texts["text/html"])
    return plain if plain.strip() else html_text.read(formed).text, formed


def _clean(body: Body, pictures: dict[str, str], remote: bool) -> tuple[str, int] | None:
    made = cleaned(body.html, pictures, remote=remote)
    return (made.html, made.remote) if made is not None else None


def shown_ids(text: str) -> frozenset[str]:
    """The Content-IDs that HTML names."""
    return frozenset(html.unescape(found) for found in _CID.findall(text))


def file_of(leaf: Leaf, wanted: Collection[str]) -> File:
    """`wanted`: Content-IDs that the text shows."""
    size = leaf.part.end - leaf.part.body
    shows = leaf.kind in _SHOWABLE or leaf.kind in ("application/pdf", "text/plain")
    return File(leaf.section, leaf.name, leaf.kind, size, shows, leaf.cid in wanted)


def _first(fields: Sequence[tuple[str, str]], name: str) -> str:
    return next((value for key, value in fields if key.lower() == name), "")


def _all(fields: Sequence[tuple[str, str]], name: str) -> tuple[str, ...]:
    return tuple([value for key, value in fields if key.lower() == name][:_FIELDS])


def _verdict(header: bytes) -> str:
    value = headers.first(header, authres.VERDICT)
    return " ".join(headers.decode(value).split()) if value else ""


def unsubscribe(fields: Sequence[tuple[str, str]]) -> Unsubscribe | None:
    urls = _LIST_URL.findall(_first(fields, "list-unsubscribe"))
    if not urls:
        return None
    post = _first(fields, "list-unsubscribe-post").replace(" ", "").lower() == "list-unsubscribe=one-click"
    https = next((url for url in urls if url.lower().startswith("https:")), "")
    return Unsubscribe(https or urls[0], bool(post and https))
