"""A message as a person sees it: text, links, attachments; for tests, captured mail and pages."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from . import charset, headers, html_text
from .decoding import blocks
from .file_names import file_name
from .parts import TEXT, Part, parse
from .parts import TEXT_PLAIN as PLAIN

_HTML = (TEXT, b"html")
_DELIVERY = re.compile(r"\d+\.Q([0-9A-Z]{1,13})R\d+\.")
_URL = re.compile(r"\bhttps?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_DIGITS = re.compile(r"(?<![\w.,/=-])(?:\d{4,10}|\d{3}[ -]\d{3})(?![\w/=-]|[.,]\d)")
_SIGNS = re.compile(r"(?<![\w./=-])(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9]{4,10}(?:-[A-Z0-9]{3,10})*(?![\w./=-])")


@dataclass(frozen=True)
class Attachment:
    """`name`: as the sender gave it, "" for none; `type`: "application/pdf"; `content`: decoded."""

    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Message:
    """One message in one mailbox.

    `mailbox`: the account's address; `folder`: its folder there; `sender` and `recipient`: of the SMTP envelope, as the
    delivery wrote them down; `flags`: those of IMAP; `received`: seconds since 1970 on the server's clock.
    """

    mailbox: str
    folder: str
    uid: int
    raw: bytes = field(repr=False)
    flags: tuple[str, ...] = ()
    received: float = 0.0
    folder_id: int = field(default=0, repr=False)
    file: str = field(default="", repr=False)  # its base name in the Maildir

    def __str__(self) -> str:
        return f"to {self.mailbox}, from {self.sender or '<>'}, subject {self.subject!r}"

    @property
    def queue_id(self) -> str:
        """Of the delivery that brought it, as logs and `trace` call it; "" of a message that a client put here."""
        found = _DELIVERY.match(self.file)
        return found[1] if found else ""

    # --- header ---

    @cached_property
    def headers(self) -> "Headers":
        """All fields: `message.headers["X-Tag"]`, in any case; decoded for people."""
        end = headers.header_end(self.raw)
        return Headers(
            [(name.decode("ascii"), headers.decode(value)) for name, value in headers.fields(self.raw[:end])]
        )

    @property
    def subject(self) -> str:
        return self.headers.get("Subject")

    @property
    def to(self) -> tuple[str, ...]:
        """The addresses in To and Cc, in lower case."""
        return self._addresses("To", "Cc")

    @property
    def from_(self) -> str:
        """The first address in From, in lower case; "" for none."""
        return next(iter(self._addresses("From")), "")

    @property
    def sender(self) -> str:
        """The envelope sender; "" for that of reports."""
        return self.headers.get("Return-Path").strip("<>")

    @property
    def recipient(self) -> str:
        """The envelope recipient as the client named it."""
        return self.headers.get("Delivered-To") or self.mailbox

    def _addresses(self, *names: str) -> tuple[str, ...]:
        from email.utils import getaddresses

        values = [value for name in names for value in self.headers.all(name)]
        return tuple(address.lower() for _, address in getaddresses(values) if address)

    # --- body ---

    @cached_property
    def text(self) -> str:
        """The plain text with "\\n" for line ends; where there is none, that of the HTML."""
        plain = [
            self._decoded(part) for part in self._leaves if (part.type, part.subtype) == PLAIN and not file_name(part)
        ]
        return "\n".join(plain).replace("\r\n", "\n") if plain else html_text.read(self.html).text

    @cached_property
    def html(self) -> str:
        """The HTML, "" where there is none."""
        pieces = [
            self._decoded(part) for part in self._leaves if (part.type, part.subtype) == _HTML and not file_name(part)
        ]
        return "\n".join(pieces).replace("\r\n", "\n")

    @cached_property
    def links(self) -> tuple[str, ...]:
        """The URLs in HTML and text, in their order, each once."""
        return tuple(dict.fromkeys((*html_text.read(self.html).links, *_URL.findall(self.text))))

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """What looks like a code to be typed in: 4 to 10 digits that stand alone, or capitals and digits mixed; in their order."""
        text = _URL.sub(" ", self.text)
        found = [*_DIGITS.finditer(text), *_SIGNS.finditer(text)]
        return tuple(dict.fromkeys(match[0] for match in sorted(found, key=lambda match: match.start())))

    @property
    def code(self) -> str:
        """The only code; AssertionError where there is none, or more than one."""
        assert len(self.codes) == 1, (
            f"{len(self.codes)} codes in the message ({self}): {', '.join(self.codes) or 'none'}"
        )
        return self.codes[0]

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """The parts that have a file name, or are neither text nor HTML."""
        found = []
        for part in self._leaves:
            if file_name(part) or part.type != TEXT:
                kind = f"{part.type.decode('ascii', 'replace')}/{part.subtype.decode('ascii', 'replace')}"
                found.append(Attachment(file_name(part), kind, self._octets(part)))
        return tuple(found)

    @cached_property
    def _leaves(self) -> list[Part]:
        waiting, found = [parse(self.raw)], []
        while waiting:
            part = waiting.pop()
            if part.multipart:
                waiting += reversed(part.parts)
            else:
                found.append(part)
        return found

    def _octets(self, part: Part) -> bytes:
        return b"".join(blocks(self.raw, part.body, part.end, part.encoding))

    def _decoded(self, part: Part) -> str:
        name = dict(part.params).get(b"charset", b"utf-8").decode("ascii", "ignore")
        return charset.decode(self._octets(part), name)


class Headers:
    """The fields of a message in their order, as (name, text)."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._fields = tuple(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first field of that name."""
        return next((text for key, text in self._fields if key.lower() == name.lower()), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Each field of that name."""
        return tuple(text for key, text in self._fields if key.lower() == name.lower())

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __getitem__(self, name: str) -> str:
        if name not in self:
            raise KeyError(f"no {name} among {', '.join(name for name, _ in self._fields)}")
        return self.get(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"
