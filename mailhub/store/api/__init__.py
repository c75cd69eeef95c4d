"""What any store can do, in units and never in rows: queue, mailboxes, directory, guard, suppressions.

Two implementations exist or will: `store.sqlite` (embedded) and a MySQL-compatible cluster. Every method may raise
`model.errors.Temporary` (busy, disk full, I/O error: outcome unknown, the same unit may be given again).

Content is a *prefix* (what we put before: Received, stamps; small), a *body* (as received, immutable) and a *tail* (the end of
a report around a returned message; else empty).

Comes from: queue, mailbox, directory, policy. Gives to: store.sqlite. May import: model.
Invariant: contents are opaque, rows and SQL never pass this door.
"""

from typing import Protocol

from .browsers import BrowserLimits as BrowserLimits
from .browsers import BrowserRow as BrowserRow
from .browsers import BrowserStore as BrowserStore
from .content import Body as Body
from .content import BodyWriter as BodyWriter
from .content import Content as Content
from .content import NewContent as NewContent
from .directory import AccountRow as AccountRow
from .directory import AliasRow as AliasRow
from .directory import AppPasswordRow as AppPasswordRow
from .directory import DirectoryStore as DirectoryStore
from .directory import PasskeyRow as PasskeyRow
from .directory import SecondFactorRow as SecondFactorRow
from .dkim import DkimKey as DkimKey
from .dkim import DkimStore as DkimStore
from .dkim import KeyState as KeyState
from .dmarc import DmarcCount as DmarcCount
from .dmarc import DmarcStore as DmarcStore
from .greylist import Attempts as Attempts
from .greylist import GreylistStore as GreylistStore
from .guard import BanRow as BanRow
from .guard import GuardStore as GuardStore
from .history import DELAYS as DELAYS
from .history import HOUR as HOUR
from .history import MINUTE as MINUTE
from .history import Figures as Figures
from .history import HistoryStore as HistoryStore
from .junk import JunkLimits as JunkLimits
from .junk import JunkStore as JunkStore
from .junk import Lesson as Lesson
from .mailboxes import Copied as Copied
from .mailboxes import Disagreement as Disagreement
from .mailboxes import MailboxStore as MailboxStore
from .mailboxes import Measure as Measure
from .mailboxes import MessageFile as MessageFile
from .mailboxes import NewMessage as NewMessage
from .mailboxes import Taken as Taken
from .queue import NOBODY as NOBODY
from .queue import Act as Act
from .queue import Birth as Birth
from .queue import Busy as Busy
from .queue import Fate as Fate
from .queue import Filing as Filing
from .queue import Item as Item
from .queue import NewItem as NewItem
from .queue import NewRecipient as NewRecipient
from .queue import Outcome as Outcome
from .queue import QueueCounts as QueueCounts
from .queue import QueuedRecipient as QueuedRecipient
from .queue import QueueFilter as QueueFilter
from .queue import QueueStore as QueueStore
from .queue import Settle as Settle
from .queue import State as State
from .queue import Step as Step
from .sharing import AnnotationLimits as AnnotationLimits
from .sharing import Entries as Entries
from .sharing import Place as Place
from .sharing import SharingStore as SharingStore
from .sieve import ScriptLimits as ScriptLimits
from .sieve import ScriptRow as ScriptRow
from .sieve import SieveMark as SieveMark
from .sieve import SieveStore as SieveStore
from .suppression import HardBounce as HardBounce
from .suppression import Memory as Memory
from .suppression import SuppressionRow as SuppressionRow
from .suppression import SuppressionStore as SuppressionStore
from .texts import Document as Document
from .texts import Looked as Looked
from .texts import Needle as Needle
from .texts import TextStore as TextStore
from .texts import in_field as in_field
from .tls import StsRow as StsRow
from .tls import TlsCount as TlsCount
from .tls import TlsStore as TlsStore
from .tokens import TokenRow as TokenRow
from .tokens import TokenStore as TokenStore
from .trace import TraceStore as TraceStore
from .webhooks import Notice as Notice
from .webhooks import WebhookCount as WebhookCount
from .webhooks import WebhookRow as WebhookRow
from .webhooks import WebhookStore as WebhookStore


class Store(Protocol):
    """All of them together: one lock, one life."""

    @property
    def queue(self) -> QueueStore: ...

    @property
    def mailboxes(self) -> MailboxStore: ...

    @property
    def sharing(self) -> SharingStore: ...

    @property
    def directory(self) -> DirectoryStore: ...

    @property
    def dkim(self) -> DkimStore: ...

    @property
    def dmarc(self) -> DmarcStore: ...

    @property
    def tokens(self) -> TokenStore: ...

    @property
    def browsers(self) -> BrowserStore: ...

    @property
    def history(self) -> HistoryStore: ...

    @property
    def guard(self) -> GuardStore: ...

    @property
    def greylist(self) -> GreylistStore: ...

    @property
    def sieve(self) -> SieveStore: ...

    @property
    def suppressions(self) -> SuppressionStore: ...

    @property
    def tls(self) -> TlsStore: ...

    @property
    def webhooks(self) -> WebhookStore: ...

    @property
    def junk(self) -> JunkStore: ...

    @property
    def texts(self) -> TextStore: ...

    @property
    def traces(self) -> TraceStore: ...

    async def open(self) -> None:
        """Take the lock, migrate, recover from a crash. MailError with a clear cause where it can not."""
        ...

    def troubles(self) -> dict[str, str]:
        """What it could not do when it last tried, and has not been able to since: "database" and "files", with the cause."""
        ...

    async def close(self) -> None:
        """Finish what is under way, write what lags behind (file names, uidlists), give the lock back."""
        ...
