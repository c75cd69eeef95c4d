"""What a script decides, as values."""

from hashlib import blake2b

from msgspec import Struct


class FileInto(Struct, frozen=True):
    """`folder` "INBOX" for keep. `flags`: of RFC 5232, system flags with their backslash. `create`: RFC 5490 section 3.2;
    `special_use`: "\\\\Junk", taken before the name where an account has such a folder (RFC 8579). `header`: the header section
    where the script has changed it, None where it is the message's own. `implicit`: no script has said so."""

    folder: str = "INBOX"
    flags: tuple[str, ...] = ()
    create: bool = False
    special_use: str = ""
    header: bytes | None = None
    implicit: bool = False


class Redirect(Struct, frozen=True):
    address: str
    header: bytes | None = None


class Reject(Struct, frozen=True):
    """RFC 5429. `word`: reject or ereject."""

    reason: str
    word: str = "reject"


class Vacation(Struct, frozen=True):
    """RFC 5230. `handle`: what a reply is remembered by; `seconds`: until the same sender is answered again."""

    reason: str
    subject: str | None
    sender: str | None
    addresses: tuple[str, ...]
    mime: bool
    handle: str
    seconds: int


class Notify(Struct, frozen=True):
    """RFC 5435, by mail (RFC 5436)."""

    method: str
    message: str
    sender: str | None
    importance: int
    options: tuple[str, ...] = ()


class Discard(Struct, frozen=True):
    """The implicit keep is off (RFC 5228 section 4.4)."""


Action = FileInto | Redirect | Reject | Vacation | Notify | Discard


class Mark(Struct, frozen=True):
    """`duplicate` (RFC 7352): this id was seen; to be remembered until then."""

    key: str
    seconds: int
    last: bool = False


class Step(Struct, frozen=True):
    """What happened at a line of a script, for `mailhub sieve test`."""

    line: int
    text: str


class Verdict(Struct, frozen=True):
    """`actions` in their order, the implicit keep among them. `error`: why the script broke; the mail is then kept."""

    actions: tuple[Action, ...]
    marks: tuple[Mark, ...] = ()
    error: str | None = None
    steps: tuple[Step, ...] = ()


def remembered(*words: str) -> str:
    """A mark's key: of moderate length, whatever a stranger wrote."""
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
