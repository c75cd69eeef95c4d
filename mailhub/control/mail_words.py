"""What an operator can ask about the mail of an account, and take out of it."""

from typing import Annotated

from msgspec import Meta, Struct

from .mailbox_words import Address
from .queue_words import QueuePart
from .request import PAGE, Request

FolderName = Annotated[str, Meta(min_length=1, max_length=1_000)]
Uid = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]


class MailFolder(Struct, frozen=True, kw_only=True):
    """A folder of an account. `vsize`: octets; `guid`: as dovecot-uidlist beside its mail has it."""

    name: str
    messages: int
    recent: int
    unseen: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int
    vsize: int
    guid: str


class MailMessage(Struct, frozen=True, kw_only=True):
    """A message of a folder. `received`, `saved`: wall times; `guid`: the base name of its file; `envelope`, `structure`: as IMAP has them."""

    uid: int
    seq: int
    flags: tuple[str, ...]
    modseq: int
    received: int
    saved: int
    size: int
    guid: str
    envelope: str
    structure: str


class SignInTested(Struct, frozen=True, kw_only=True):
    """`account`: whom the password opened, "" for nobody."""

    account: str


class MailFolders(Request[tuple[MailFolder, ...]], frozen=True, kw_only=True, tag="mail.folders"):
    """All folders of an account, INBOX first."""

    address: Address


class MailSearch(Request[tuple[int, ...]], frozen=True, kw_only=True, tag="mail.search"):
    """UIDs of a folder's messages that match a search of IMAP (RFC 3501 section 6.4.4)."""

    address: Address
    folder: FolderName
    query: Annotated[str, Meta(min_length=1, max_length=65_536)]


class MailShow(Request[tuple[MailMessage, ...]], frozen=True, kw_only=True, tag="mail.show"):
    """Those of the messages that are there."""

    address: Address
    folder: FolderName
    uids: Annotated[tuple[Uid, ...], Meta(max_length=PAGE)]


class MailRead(Request[QueuePart], frozen=True, kw_only=True, tag="mail.read"):
    """Octets of a message. It is not \\Seen by that."""

    address: Address
    folder: FolderName
    uid: Uid
    offset: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=1_048_576)] = 65_536


class MailExpunge(Request[tuple[int, ...]], frozen=True, kw_only=True, tag="mail.expunge"):
    """Take messages out of a folder, whatever their flags; UIDs that are gone by this."""

    address: Address
    folder: FolderName
    uids: Annotated[tuple[Uid, ...], Meta(max_length=PAGE)]


class SignInTest(Request[SignInTested], frozen=True, kw_only=True, tag="signin.test"):
    """Whether a password opens an account, as for a client of that service; a wrong one counts as such."""

    login: Address
    password: Annotated[str, Meta(min_length=1, max_length=1_000)]
    service: Annotated[str, Meta(pattern=r"\A(?:imap|pop3|submission)\Z")] = "imap"


AnyMail = MailFolders | MailSearch | MailShow | MailRead | MailExpunge | SignInTest
