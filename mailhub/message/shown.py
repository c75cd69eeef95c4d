"""What of a message is shown, and what is offered as a file: the same walk for whoever shows it (RFC 2046 section 5.1). Pure."""

from msgspec import Struct

from . import headers
from .file_names import file_name
from .parts import TEXT, Part

_SUBJECT = 1_000  # octets
_TEXTS = (b"plain", b"html")


class Leaf(Struct, frozen=True):
    """A part that has content. `section`: "1.2", as IMAP counts (RFC 9051 section 6.4.5); `kind`: "text/plain"; `name`: of the file, "" for
    none; `cid`: Content-ID without brackets; `shown`: it belongs to the text."""

    section: str
    part: Part
    kind: str
    name: str
    cid: str
    shown: bool


def leaves(root: Part) -> list[Leaf]:
    """All, in their order. Nothing recurses."""
    found: list[Leaf] = []
    waiting = [(root, "", False)]
    while waiting:
        part, section, attached = waiting.pop()
        if part.multipart:
            below = [(one, f"{section}.{n}" if section else f"{n}", attached) for n, one in enumerate(part.parts, 1)]
            waiting += reversed(below)
            continue
        name = file_name(part)
        disposition = part.fields.get(b"content-disposition", b"").strip().lower()
        shown = part.type == TEXT and part.subtype in _TEXTS and not disposition.startswith(b"attachment") and not name
        kind = f"{part.type.decode('ascii', 'replace')}/{part.subtype.decode('ascii', 'replace')}".lower()
        found.append(Leaf(section or "1", part, kind, name or _subject(part), _cid(part), shown))
    return found


def _subject(part: Part) -> str:
    """A message that was attached has its subject for a name."""
    if not part.message:
        return ""
    subject = headers.decode(part.parts[0].fields.get(b"subject", b"")[:_SUBJECT])
    return f"{subject[:100] or 'message'}.eml"


def _cid(part: Part) -> str:
    return part.fields.get(b"content-id", b"").strip().strip(b"<>").decode("utf-8", "replace")
