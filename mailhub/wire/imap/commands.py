"""The commands of IMAP as frozen values: what `parser` makes and `protocols.imap` carries out."""

from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.model.mailbox import FlagOp
from mailhub.model.search import Ranges

from .fetch_items import Item
from .folder_commands import Create as Create
from .folder_commands import Delete as Delete
from .folder_commands import DeleteAcl as DeleteAcl
from .folder_commands import Examine as Examine
from .folder_commands import GetAcl as GetAcl
from .folder_commands import GetMetadata as GetMetadata
from .folder_commands import GetQuota as GetQuota
from .folder_commands import GetQuotaRoot as GetQuotaRoot
from .folder_commands import List as List
from .folder_commands import ListRights as ListRights
from .folder_commands import Lsub as Lsub
from .folder_commands import MyRights as MyRights
from .folder_commands import Namespace as Namespace
from .folder_commands import Rename as Rename
from .folder_commands import Resync as Resync
from .folder_commands import Select as Select
from .folder_commands import SetAcl as SetAcl
from .folder_commands import SetMetadata as SetMetadata
from .folder_commands import SetQuota as SetQuota
from .folder_commands import Status as Status
from .folder_commands import Subscribe as Subscribe
from .folder_commands import Unsubscribe as Unsubscribe
from .folder_commands import Xlist as Xlist
from .notify import Notify as Notify
from .search_commands import CancelUpdate as CancelUpdate
from .search_commands import Esearch as Esearch
from .search_commands import Search as Search
from .search_commands import Sort as Sort
from .search_commands import Thread as Thread

if TYPE_CHECKING:
    from .appending import Stretch


class Capability(Struct, frozen=True):
    """RFC 3501 section 6.1.1."""


class Noop(Struct, frozen=True):
    """RFC 3501 section 6.1.2."""


class Logout(Struct, frozen=True):
    """RFC 3501 section 6.1.3."""


class Id(Struct, frozen=True):
    """RFC 2971. Pairs as the client gave them."""

    fields: tuple[tuple[bytes, bytes | None], ...]


class StartTls(Struct, frozen=True):
    """RFC 3501 section 6.2.1."""


class Authenticate(Struct, frozen=True):
    """RFC 3501 section 6.2.2; `initial`: the response of RFC 4959, still in base 64, "=" for an empty one."""

    mechanism: str
    initial: bytes | None


class Login(Struct, frozen=True):
    """RFC 3501 section 6.2.3."""

    user: bytes
    password: bytes


class Enable(Struct, frozen=True):
    """RFC 5161."""

    names: tuple[str, ...]


class Append(Struct, frozen=True):
    """RFC 3501 section 6.3.11, RFC 3502, up to its first literal: the rest is read by who called `parser.streamed`."""

    mailbox: str
    stretch: "Stretch"


class Replace(Struct, frozen=True):
    """RFC 8508, as far as Append."""

    messages: "Messages"  # one
    mailbox: str
    stretch: "Stretch"


class Idle(Struct, frozen=True):
    """RFC 2177."""


class Check(Struct, frozen=True):
    """RFC 3501 section 6.4.1."""


class Close(Struct, frozen=True):
    """RFC 3501 section 6.4.2."""


class Unselect(Struct, frozen=True):
    """RFC 3691."""


class Expunge(Struct, frozen=True):
    """RFC 3501 section 6.4.3; with `uids`: RFC 4315 section 2.1."""

    uids: Ranges | None = None


class Messages(Struct, frozen=True):
    """A set of messages: by UID, or by message number."""

    ranges: Ranges
    by_uid: bool


class Fetch(Struct, frozen=True):
    """RFC 3501 section 6.4.5; with `changed_since`: RFC 7162 section 3.1.4, `vanished`: section 3.2.6; with `partial`:
    RFC 9394 section 3.3."""

    messages: Messages
    items: tuple[Item, ...]
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


class Store(Struct, frozen=True):
    """RFC 3501 section 6.4.6; with `unchanged_since`: RFC 7162 section 3.1.3."""

    messages: Messages
    op: FlagOp
    silent: bool
    flags: tuple[str, ...]
    unchanged_since: int | None = None


class Copy(Struct, frozen=True):
    """RFC 3501 section 6.4.7."""

    messages: Messages
    mailbox: str


class Move(Struct, frozen=True):
    """RFC 6851."""

    messages: Messages
    mailbox: str


class Compress(Struct, frozen=True):
    """RFC 4978: COMPRESS DEFLATE."""


class Unauthenticate(Struct, frozen=True):
    """RFC 8437."""


class GenUrlAuth(Struct, frozen=True):
    """RFC 4467 section 7: URLs without their tokens; the mechanism is INTERNAL."""

    urls: tuple[bytes, ...]


class UrlFetch(Struct, frozen=True):
    """RFC 4467 section 7."""

    urls: tuple[bytes, ...]


class ResetKey(Struct, frozen=True):
    """RFC 4467 section 7; without a mailbox: of all."""

    mailbox: str | None


FolderVerb = (
    Select
    | Examine
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Xlist
    | Lsub
    | Namespace
    | Status
    | SetAcl
    | DeleteAcl
    | GetAcl
    | ListRights
    | MyRights
    | GetMetadata
    | SetMetadata
    | GetQuota
    | GetQuotaRoot
    | SetQuota
)
Verb = (
    FolderVerb
    | Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Authenticate
    | Login
    | Enable
    | Append
    | Replace
    | Compress
    | Unauthenticate
    | GenUrlAuth
    | UrlFetch
    | ResetKey
    | Idle
    | Notify
    | Check
    | Close
    | Unselect
    | Expunge
    | Search
    | Sort
    | Thread
    | Esearch
    | CancelUpdate
    | Fetch
    | Store
    | Copy
    | Move
)


class Command(Struct, frozen=True):
    """A command and the tag its answer carries. `name`: its keyword for answers and logs, e.g. "UID FETCH"."""

    tag: bytes
    name: str
    verb: Verb
