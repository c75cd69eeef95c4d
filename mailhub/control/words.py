"""What can be asked, and what is answered: one value for each action, the same on the socket and in a call.

On the wire a request is one line of JSON whose "do" names the action; `Request[A]` is answered by an `A`.
Pages: ask again with `after` set to the last name or id until an answer is empty.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from .credential_words import AppPassword as AppPassword
from .credential_words import AppPasswordAdd as AppPasswordAdd
from .credential_words import AppPasswordList as AppPasswordList
from .credential_words import AppPasswordRemove as AppPasswordRemove
from .credential_words import Enrolment as Enrolment
from .credential_words import Generated as Generated
from .credential_words import SecondFactorBegin as SecondFactorBegin
from .credential_words import SecondFactorConfirm as SecondFactorConfirm
from .credential_words import SecondFactorRemove as SecondFactorRemove
from .dkim_words import DkimActivate as DkimActivate
from .dkim_words import DkimCreate as DkimCreate
from .dkim_words import DkimList as DkimList
from .dkim_words import DkimRecord as DkimRecord
from .dkim_words import DkimRemove as DkimRemove
from .explain_words import MESSAGE_LIMIT as MESSAGE_LIMIT
from .explain_words import Explain as Explain
from .explain_words import Explained as Explained
from .forward_words import Forward as Forward
from .forward_words import ForwardGet as ForwardGet
from .forward_words import ForwardSet as ForwardSet
from .guard_words import AlertState as AlertState
from .guard_words import Ban as Ban
from .guard_words import BanAdd as BanAdd
from .guard_words import BanList as BanList
from .guard_words import BanRemove as BanRemove
from .guard_words import GuardState as GuardState
from .guard_words import SharedAddress as SharedAddress
from .history_words import History as History
from .history_words import HistoryRow as HistoryRow
from .history_words import HistoryShow as HistoryShow
from .junk_words import JunkExplain as JunkExplain
from .junk_words import JunkList as JunkList
from .junk_words import JunkOpinion as JunkOpinion
from .junk_words import JunkOwner as JunkOwner
from .junk_words import JunkTrain as JunkTrain
from .junk_words import Taught as Taught
from .mail_words import AnyMail as AnyMail
from .mailbox_words import Address as Address
from .mailbox_words import Disagreement as Disagreement
from .mailbox_words import Disagreements as Disagreements
from .mailbox_words import MailboxCheck as MailboxCheck
from .mailbox_words import MailboxRebuild as MailboxRebuild
from .mailbox_words import MailboxRepair as MailboxRepair
from .mailbox_words import MailboxSync as MailboxSync
from .mailbox_words import MailboxTake as MailboxTake
from .mailbox_words import MailboxTaken as MailboxTaken
from .quarantine_words import Quarantined as Quarantined
from .quarantine_words import QuarantineDelete as QuarantineDelete
from .quarantine_words import QuarantineList as QuarantineList
from .quarantine_words import QuarantineRelease as QuarantineRelease
from .quarantine_words import QuarantineShow as QuarantineShow
from .quarantine_words import QuarantineText as QuarantineText
from .queue_words import AgeRow as AgeRow
from .queue_words import Ages as Ages
from .queue_words import QueueAct as QueueAct
from .queue_words import QueueAges as QueueAges
from .queue_words import QueuedMessage as QueuedMessage
from .queue_words import QueuedTo as QueuedTo
from .queue_words import QueueHold as QueueHold
from .queue_words import QueueList as QueueList
from .queue_words import QueuePart as QueuePart
from .queue_words import QueueRead as QueueRead
from .queue_words import QueueRelease as QueueRelease
from .queue_words import QueueRemove as QueueRemove
from .queue_words import QueueRequeue as QueueRequeue
from .queue_words import QueueRetry as QueueRetry
from .queue_words import QueueRow as QueueRow
from .queue_words import QueueShow as QueueShow
from .queue_words import QueueSummary as QueueSummary
from .queue_words import QueueText as QueueText
from .queue_words import QueueTotals as QueueTotals
from .queue_words import Touched as Touched
from .queue_words import Which as Which
from .quota_words import QuotaGet as QuotaGet
from .quota_words import QuotaRecalculate as QuotaRecalculate
from .quota_words import QuotaSet as QuotaSet
from .quota_words import QuotaState as QuotaState
from .report_words import DmarcReports as DmarcReports
from .report_words import ReportsDmarc as ReportsDmarc
from .report_words import ReportsTls as ReportsTls
from .report_words import TlsReports as TlsReports
from .request import PAGE as PAGE
from .request import Done as Done
from .request import Page as Page
from .request import Request as Request
from .request import answer_type as answer_type
from .request import checked as checked
from .restoring_words import KeptFactor as KeptFactor
from .restoring_words import KeptNote as KeptNote
from .restoring_words import KeptPassword as KeptPassword
from .restoring_words import KeywordOf as KeywordOf
from .restoring_words import UserParts as UserParts
from .route_words import RouteShow as RouteShow
from .route_words import Stop as Stop
from .sent_words import SentShow as SentShow
from .sent_words import SentState as SentState
from .sent_words import SentTakeBack as SentTakeBack
from .server_words import DiskState as DiskState
from .server_words import Reload as Reload
from .server_words import Reloaded as Reloaded
from .setup.words import Diagnosis as Diagnosis
from .setup.words import DnsRecord as DnsRecord
from .setup.words import DnsShow as DnsShow
from .setup.words import DnsZone as DnsZone
from .setup.words import DoctorCheck as DoctorCheck
from .sieve_words import SieveActivate as SieveActivate
from .sieve_words import SieveDelete as SieveDelete
from .sieve_words import SieveGet as SieveGet
from .sieve_words import SieveList as SieveList
from .sieve_words import SievePut as SievePut
from .sieve_words import SieveScript as SieveScript
from .sieve_words import SieveText as SieveText
from .suppression_words import Refusal as Refusal
from .suppression_words import Suppression as Suppression
from .suppression_words import SuppressionAdd as SuppressionAdd
from .suppression_words import SuppressionList as SuppressionList
from .suppression_words import SuppressionRemove as SuppressionRemove
from .token_words import MadeToken as MadeToken
from .token_words import Token as Token
from .token_words import TokenAdd as TokenAdd
from .token_words import TokenList as TokenList
from .token_words import TokenRemove as TokenRemove
from .trace_words import Step as Step
from .trace_words import Traced as Traced
from .trace_words import TracedMessage as TracedMessage
from .trace_words import TraceFind as TraceFind
from .webhook_words import WebhookList as WebhookList
from .webhook_words import WebhookState as WebhookState
from .webhook_words import WebhookTest as WebhookTest

VERSION = 1
LINE_LIMIT = 16_777_216  # octets of one line on the socket

Password = Annotated[str, Meta(min_length=1, max_length=1_000)]


# --- server ----------------------------------------------------------------------------------------------------------


class ListenerState(Struct, frozen=True, kw_only=True):
    """One listener as it is open now."""

    name: str
    protocol: str
    address: str
    port: int
    tls: str
    sessions: int = 0


class SessionState(Struct, frozen=True, kw_only=True):
    """One session. `since`: wall time it began."""

    id: int
    listener: str
    client: str
    port: int
    login: str
    doing: str
    since: float


class DirectoryState(Struct, frozen=True, kw_only=True):
    """A database of others that the directory is read from. `away`: since when, wall time; 0: it answers. `known`: names and
    domains of it that are remembered."""

    name: str
    away: float
    cause: str
    known: int


class ScannerState(Struct, frozen=True, kw_only=True):
    """A daemon that is asked about mail. `state`: of its circuit breaker: "closed" (all may ask it), "open" since the wall time `since`
    (none may), "half-open" (one tries). `busy`: questions now; `failures`: in a row, `cause`: of the last."""

    name: str
    address: str
    state: str
    since: float
    busy: int
    asked: int
    failures: int
    cause: str


class CertificateState(Struct, frozen=True, kw_only=True):
    """A certificate in force, good until that wall time, `days` from now. `names`: those it is for; `trouble`: why its file cannot be
    read again."""

    file: str
    names: tuple[str, ...]
    until: float
    days: float
    trouble: str


class ServerStatus(Struct, frozen=True, kw_only=True):
    """The whole server at one moment. Offline, `running` is False and what only a server knows is empty."""

    running: bool
    version: str
    hostname: str
    data: str
    domains: tuple[str, ...]
    pid: int = 0
    since: float = 0.0
    listeners: tuple[ListenerState, ...] = ()
    sessions: int = 0
    session_list: tuple[SessionState, ...] = ()
    queue_messages: int = 0
    queue_recipients: int = 0
    stalls: int = 0
    worst_stall: float = 0.0
    lag: float = 0.0  # seconds that the event loop took to answer last
    memory: int = 0  # octets resident
    accepted: int = 0  # messages since the start
    refused: int = 0  # recipients, and whole messages
    outcomes: dict[str, int] = {}  # recipients since the start: sent, deferred, held, bounced, redirected
    certificates: tuple[CertificateState, ...] = ()
    acme: dict[str, str] = {}  # why there is no new certificate, by name
    guard: GuardState = GuardState()
    directory: DirectoryState | None = None
    scanners: tuple[ScannerState, ...] = ()
    validating: tuple[str, ...] = ()  # resolvers whose word for DNSSEC counts; none: no DANE
    trouble: str = ""  # why no mail is taken now
    alarms: dict[str, str] = {}  # what is wrong now and what to do, by room
    log_lost: int = 0  # lines that did not reach the log since the start
    stressed: bool = False  # sessions.stress_level is reached
    limits: dict[str, float] = {}  # in force, by option
    disk: DiskState = DiskState()
    maildrop: int = 0  # files in it
    landlock: str = ""  # whether its own files are all that it can reach, or why not


class Status(Request[ServerStatus], frozen=True, kw_only=True, tag="status"):
    """How is it? `sessions`: how many of them to list, oldest first."""

    sessions: Annotated[int, Meta(ge=0, le=PAGE)] = 100


# --- accounts --------------------------------------------------------------------------------------------------------


class User(Struct, frozen=True, kw_only=True):
    """An account as the operator sees it. Not `enabled`: takes mail, may not sign in."""

    address: str
    enabled: bool


class Alias(Struct, frozen=True, kw_only=True):
    """An alias; "@domain" is the domain's catch-all."""

    address: str
    targets: tuple[str, ...]


class Domain(Struct, frozen=True, kw_only=True):
    """A mail domain. `source`: "config" or "store"; those of the config can not be removed by command."""

    name: str
    source: str


class UserAdd(Request[Done], frozen=True, kw_only=True, tag="user.add"):
    address: Address
    password: Password


class UserRestore(Request[Done], frozen=True, kw_only=True, tag="user.restore"):
    """An account out of a backup. `stored`: its password as it was stored there."""

    address: Address
    stored: Annotated[str, Meta(max_length=10_000)]
    enabled: bool


class UserPasswd(Request[Done], frozen=True, kw_only=True, tag="user.passwd"):
    address: Address
    password: Password


class UserEnable(Request[Done], frozen=True, kw_only=True, tag="user.enable"):
    """Whether the account may sign in."""

    address: Address
    enabled: bool


class UserRemove(Request[Done], frozen=True, kw_only=True, tag="user.remove"):
    address: Address


class UserList(Request[tuple[User, ...]], frozen=True, kw_only=True, tag="user.list"):
    """By name. `containing`: only those whose address has this in it, in capital or small letters."""

    after: str = ""
    limit: Page = PAGE
    containing: Annotated[str, Meta(max_length=1_000)] = ""


class DomainAdd(Request[Done], frozen=True, kw_only=True, tag="domain.add"):
    name: Address


class DomainRemove(Request[Done], frozen=True, kw_only=True, tag="domain.remove"):
    name: Address


class DomainAdmins(Request[tuple[str, ...]], frozen=True, kw_only=True, tag="domain.admins"):
    """Accounts that may change what lives in the domain; `add`, `remove`: one more, or one less, before."""

    name: Address
    add: str = ""
    remove: str = ""


class DomainList(Request[tuple[Domain, ...]], frozen=True, kw_only=True, tag="domain.list"):
    pass


class AliasAdd(Request[Done], frozen=True, kw_only=True, tag="alias.add"):
    """Sets the targets of an alias, whatever they were."""

    address: Address
    targets: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=1_000)]


class AliasRemove(Request[Done], frozen=True, kw_only=True, tag="alias.remove"):
    address: Address


class AliasList(Request[tuple[Alias, ...]], frozen=True, kw_only=True, tag="alias.list"):
    """As `user.list`, by their addresses."""

    after: str = ""
    limit: Page = PAGE
    containing: Annotated[str, Meta(max_length=1_000)] = ""


AnyRequest = (
    Status | Reload | AnyMail | UserAdd | UserRestore | UserParts | UserEnable | UserPasswd | UserRemove | UserList | DomainAdd | DomainAdmins | DomainRemove | DomainList
    | AliasAdd | AppPasswordAdd | AppPasswordList | AppPasswordRemove | SecondFactorBegin
    | SecondFactorConfirm | SecondFactorRemove | AliasRemove | AliasList | QueueList | QueueSummary | QueueShow | QueueRead | QueueRetry | QueueHold
    | QueueRelease | QueueRequeue | QueueRemove | Explain | JunkTrain | JunkExplain | JunkList | QuarantineList | QuarantineShow | QuarantineRelease | QuarantineDelete | BanList | BanAdd | BanRemove | MailboxRebuild
    | DkimCreate | DkimList | DkimActivate | DkimRemove | ForwardGet | ForwardSet | SieveList | SieveGet | SievePut | SieveActivate | SieveDelete
    | QuotaGet | QuotaSet | QuotaRecalculate | MailboxCheck | MailboxRepair | MailboxSync | MailboxTake | RouteShow | QueueAges | TraceFind | SuppressionList | SuppressionAdd | SuppressionRemove
    | TokenAdd | TokenList | TokenRemove | DnsShow | DoctorCheck | WebhookList | WebhookTest | SentShow | SentTakeBack | ReportsDmarc | ReportsTls | HistoryShow
)  # fmt: skip


# --- the wire --------------------------------------------------------------------------------------------------------


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line from the client."""

    v: int
    request: AnyRequest


class Failure(Struct, frozen=True, kw_only=True):
    """Why it could not be done. `kind`: "usage", "not_found", "exists", "limit", "temporary", "refused", "denied", "bug"."""

    kind: str
    text: str


class Said(Struct, frozen=True, kw_only=True):
    """A line from the server: progress (done, total) any number of times, then one answer or failure."""

    v: int = VERSION
    progress: tuple[int, int] | UnsetType = UNSET
    answer: Raw | UnsetType = UNSET
    failure: Failure | UnsetType = UNSET
