"""What can be asked of mailboxes, and what is answered."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request

Address = Annotated[str, Meta(min_length=1, max_length=1_000)]
TOLD = 1_000  # disagreements in one answer


class Disagreement(Struct, frozen=True, kw_only=True):
    """Of files and index. docs/operator.md lists the kinds. `file`: base name, or path of a leftover; "" for a whole folder."""

    kind: str
    folder: str
    file: str
    detail: str


class Disagreements(Struct, frozen=True, kw_only=True):
    """`total` of them, the first of them listed."""

    total: int
    listed: tuple[Disagreement, ...]


class MailboxRebuild(Request[Done], frozen=True, kw_only=True, tag="mailbox.rebuild"):
    """Make the index of an account again from its Maildir. The only action that reports progress."""

    address: Address


class MailboxTaken(Struct, frozen=True, kw_only=True):
    """As store.api.Taken."""

    seen: tuple[str, ...]
    floor: int
    done: bool


class MailboxTake(Request[MailboxTaken], frozen=True, kw_only=True, tag="mailbox.take"):
    """Files that an import put into cur/ of a folder enter its index, in this order. `floor`: of the answer before, 0 at first."""

    address: Address
    folder: Annotated[str, Meta(min_length=1, max_length=1_000)]
    files: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^/\x00-\x1f.][^/\x00-\x1f]{0,254}$")], ...], Meta(max_length=1_000)
    ]
    floor: Annotated[int, Meta(ge=0)] = 0


class MailboxCheck(Request[Disagreements], frozen=True, kw_only=True, tag="mailbox.check"):
    """What files and index do not agree on."""

    address: Address


class MailboxRepair(Request[Disagreements], frozen=True, kw_only=True, tag="mailbox.repair"):
    """Mend it. The answer is what is left."""

    address: Address


class MailboxSync(Request[Done], frozen=True, kw_only=True, tag="mailbox.sync"):
    """Return when file names, uidlists and keywords of all accounts say what the index says."""
