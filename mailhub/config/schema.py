"""Every option there is, with its type, default and bounds. The comment above an option is its documentation.

Times are seconds, sizes octets. A `Config` is made by `load.load(path)` or, in a test, by `Config(...)`.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from .aliasing import Aliases as Aliases
from .aliasing import Canonical as Canonical
from .attachments import Attachments as Attachments
from .capture import Capture as Capture
from .capture import captured as captured
from .content_checks import ContentChecks as ContentChecks
from .delivering import Delivery as Delivery
from .directory import Directory as Directory
from .dnsbl import Dnsbl as Dnsbl
from .filters import Arc as Arc
from .filters import Check as Check
from .filters import Dkim as Dkim
from .filters import Dmarc as Dmarc
from .filters import Filter as Filter
from .filters import Greylist as Greylist
from .filters import Iprev as Iprev
from .filters import Spf as Spf
from .history import History as History
from .hooks import Hooks as Hooks
from .junk import Junk as Junk
from .lists import Lists
from .local import Local as Local
from .local import Maildrop as Maildrop
from .lookup import Lookup
from .mailboxes import AutoExpunge as AutoExpunge
from .mailboxes import Mailbox as Mailbox
from .quarantine import Quarantine as Quarantine
from .queueing import BounceText as BounceText
from .queueing import Destination as Destination
from .queueing import Queue as Queue
from .queueing import Suppression as Suppression
from .queueing import Trace as Trace
from .relaying import DmarcReports as DmarcReports
from .relaying import Relay as Relay
from .relaying import TlsReports as TlsReports
from .relaying import Transport as Transport
from .scanners import Clamav as Clamav
from .scanners import Rspamd as Rspamd
from .scanners import Scanner as Scanner
from .scanners import Spamassassin as Spamassassin
from .section import Count, Limit, Name, Octets, Port, Seconds
from .section import Section as Section
from .setup import Setup as Setup
from .sieve import Managesieve as Managesieve
from .sieve import Sieve as Sieve
from .signin import Auth as Auth
from .signin import AuthSocket as AuthSocket
from .signin import OAuth as OAuth
from .storing import Store as Store
from .tls import Acme as Acme
from .tls import Certificate as Certificate
from .tls import Tls as Tls
from .web import Web as Web
from .webhooks import Webhook as Webhook


class Sessions(Section, frozen=True, kw_only=True):
    # Sessions of all protocols together, and from one client address.
    limit: Count = 10_000
    limit_per_client: Count = 500
    # Sessions, as a share of `limit`, from which on the server is under stress: smtp.stress_timeout and smtp.stress_error_limit hold.
    stress_level: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.8
    # Under stress: silence after which who has not signed in is sent away (smtp.stress_timeout for SMTP), and after which others may be, those
    # first that have been silent for longest, until the stress is over.
    stress_timeout: Seconds = 10.0
    stress_idle: Seconds = 60.0
    # Octets of memory in use from which on new sessions are refused and the server is under stress; 0: no limit.
    memory_limit: Annotated[int, Meta(ge=0)] = 0
    # Sessions signed in to one account.
    limit_per_account: Count = 200
    # Time that TLS handshakes may take.
    handshake_timeout: Seconds = 30.0
    # Time after SIGTERM in which clients are still served as before and /health/ready says 503 already, for a balancer to hear of it; then
    # time for sessions and deliveries to finish.
    leave_delay: Seconds = 0.0
    drain_timeout: Seconds = 20.0


class Smtp(Lists, frozen=True, kw_only=True):
    # Clients whose mail for other domains is relayed without a login: networks, and tables such as "cidr:/etc/x".
    mynetworks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    # Trust and ban by address also where the address is a gateway of ours with all the world behind it.
    trust_gateway: bool = False
    # Time before the greeting of a new client in no network of ours; who talks meanwhile is sent away.
    greet_pause: Seconds = 0.3
    message_size_limit: Octets = 52_428_800
    recipient_limit: Count = 1_000
    # Octets of one command line, CRLF included (RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more).
    line_length_limit: Count = 2_048
    # Octets of one line of a message (RFC 5321 section 4.5.3.1.6 says 1000); longer ones are refused.
    text_line_length_limit: Count = 65_536
    # A message with a bare CR or LF: refused, or each made a CRLF.
    bare_newlines: Literal["reject", "normalize"] = "reject"
    # Silence allowed before a command, and between two blocks of a message (RFC 5321 section 4.5.3.2).
    command_timeout: Seconds = 300.0
    data_timeout: Seconds = 180.0
    # Octets a second below which a client that sends a message uses up `data_timeout`, and gets it back by sending faster (Postfix's
    # smtpd_min_data_rate).
    min_data_rate: Count = 500
    # Errors after which each further reply waits for `error_sleep`; errors after which the session ends with 421.
    soft_error_limit: Count = 10
    error_sleep: Seconds = 1.0
    error_limit: Count = 20
    # The same under stress (sessions.stress_level), as Postfix has them: silence of any kind, and errors.
    stress_timeout: Seconds = 10.0
    stress_error_limit: Count = 1
    # Commands of one session; messages of one session.
    command_limit: Count = 100_000
    message_limit: Count = 10_000
    # Extensions that are not offered, by their EHLO keyword.
    discard_ehlo_keywords: tuple[str, ...] = ()
    # The shortest time in which DELIVERBY may have a message returned (RFC 2852).
    deliver_by_minimum: Seconds = 0.0
    # How long a submitted message may wait for its release (RFC 4865); 0: FUTURERELEASE is not offered.
    future_release_limit: Seconds = 2_592_000.0
    # Show AUTH in the spelling of old clients, too ("AUTH=LOGIN PLAIN"), such as Outlook Express 4.
    broken_sasl_auth_clients: bool = False
    # Answer VRFY, EXPN and ETRN: to mynetworks and to who signed in.
    vrfy: bool = False
    expn: bool = False
    etrn: bool = False
    # Give a submitted message the Date, Message-ID and From it lacks, and take its Bcc away (RFC 6409 section 8).
    repair: bool = True
    # Octets of a header that is looked at; a message of strangers, or a submitted one, with a longer one is refused.
    header_size_limit: Annotated[int, Meta(ge=1_024, le=16_777_216)] = 262_144
    # Domains that mail is relayed to for everybody (a key for each; ".example.org" means all below it), and their recipients,
    # where they are known.
    relay_domains: Lookup = Lookup()
    relay_recipients: Lookup = Lookup()
    # Submission: the login must own the envelope sender and the addresses in From. Whose they are: this table (address or
    # @domain to logins), else the account itself and the aliases that lead to it.
    check_sender_login: bool = True
    sender_login: Lookup = Lookup()
    # Proxies and filters that may say who is really there (Postfix's XCLIENT, XFORWARD): networks.
    xclient_hosts: tuple[str, ...] = ()
    xforward_hosts: tuple[str, ...] = ()
    # Received fields after which a message is taken to be in a loop (RFC 5321 section 6.3).
    hopcount_limit: Count = 50


class Limits(Section, frozen=True, kw_only=True):
    """What one client and one account may do. A client is an IPv4 address or an IPv6 network. 0: no limit."""

    # Clients that are never limited, delayed or banned, besides those of smtp.mynetworks.
    allow: tuple[str, ...] = ()
    # Bits of an IPv6 address that tell one client from another.
    ipv6_prefix: Annotated[int, Meta(ge=16, le=128)] = 64
    # In one minute: connections of a client to all services; messages and recipients it brings.
    connections_per_client: Limit = 300
    messages_per_client: Limit = 600
    recipients_per_client: Limit = 3_000
    # In one day (UTC): messages of an account, and recipients it never wrote to before.
    messages_per_account: Limit = 1_000
    new_recipients_per_account: Limit = 200
    # Recipients remembered for an account; the one longest not written to is forgotten first.
    recipients_known: Count = 10_000
    # Different wrong passwords from a client within an hour, in all services, that get it banned.
    ban_auth_failures: Limit = 10
    # SMTP sessions of a client within an hour, ended for errors or for speech before the greeting, that get it banned from SMTP.
    ban_errors: Limit = 5
    # How long a first ban lasts; each further one is four times as long, up to `ban_seconds_max`.
    ban_seconds: Annotated[float, Meta(ge=1, le=366 * 86400)] = 900.0
    ban_seconds_max: Annotated[float, Meta(ge=1, le=366 * 86400)] = 604_800.0
    # Clients, accounts and bans kept in memory, of each kind.
    table_limit: Annotated[int, Meta(ge=100, le=10_000_000)] = 20_000


class Imap(Section, frozen=True, kw_only=True):
    line_length_limit: Count = 65_536
    # Octets of a literal in a command other than APPEND.
    literal_limit: Octets = 1_048_576
    # Octets of an appended message.
    append_limit: Octets = 52_428_800
    # Messages of one FETCH, STORE, COPY or MOVE. Most clients know nothing of such a limit: keep it above your largest folder.
    message_limit: Count = 1_000_000
    login_timeout: Seconds = 120.0
    idle_timeout: Seconds = 1_860.0
    # Lines that are no command, after which the session ends.
    error_limit: Count = 20
    # Mailboxes that one session may watch by NOTIFY.
    notify_limit: Count = 1_000


class Pop3(Section, frozen=True, kw_only=True):
    # Octets of one line: a token of AUTH has 8,192 at most.
    line_length_limit: Count = 16_384
    # Silence allowed before and after the login (RFC 1939 section 3 asks for 10 minutes).
    login_timeout: Seconds = 120.0
    idle_timeout: Seconds = 600.0
    # Lines that are no command, after which the session ends.
    error_limit: Count = 20
    # One session at a time for each account; the next one is told [IN-USE].
    exclusive: bool = False
    # Seconds that have to pass between two logins of an account; 0: none.
    login_delay: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    # Clients may leave mail here. Without it, what a client has retrieved goes when it says QUIT (EXPIRE 0).
    leave_on_server: bool = True


class Resolver(Section, frozen=True, kw_only=True):
    # "address:port" each; empty: as /etc/resolv.conf says.
    nameservers: tuple[str, ...] = ()
    # Resolvers that check DNSSEC and whose word for it counts, on this host or by a way that nobody else can touch; empty: those of
    # `nameservers` that are on this host. Without any there is no DANE.
    validating: tuple[str, ...] = ()
    timeout: Seconds = 5.0
    tries: Annotated[int, Meta(ge=1, le=10)] = 2
    # Answers kept; longest time to keep one; time for "there is none" without an SOA.
    cache_limit: Count = 10_000
    ttl_max: Seconds = 86_400.0
    negative_ttl: Seconds = 60.0


class Log(Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    # "postfix": lines as Postfix writes them, for what reads its logs, by syslog_name.
    format: Literal["text", "json", "postfix"] = "text"
    syslog_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "postfix"
    # "stderr", "syslog" (/dev/log), "syslog:/path", "syslog:HOST:PORT" (by UDP, HOST a number), "journal", or the path of a file. A change needs a restart.
    output: Annotated[
        str, Meta(pattern=r"^(stderr|journal|/.+|syslog(:/.+|:(\d+\.){3}\d+:\d{1,5}|:\[[0-9a-fA-F:.]+\]:\d{1,5})?)$")
    ] = "stderr"
    # Whether the part of addresses before the "@" is written.
    addresses: bool = True
    # Time the event loop may be held before the log names what held it.
    stall_seconds: Seconds = 0.1


class Listener(Section, frozen=True, kw_only=True):
    """One door. `name` is how `hub.port(name)` and the logs call it; default: the protocol, with an "s" for implicit TLS."""

    protocol: Literal["smtp", "submission", "lmtp", "pop3", "imap", "managesieve", "auth", "http"]
    address: str = "127.0.0.1"
    port: Port = 0  # 0: any free port
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    name: str = ""
    # A unix socket instead of address and port: its path (a name without a slash lies in the data folder), who may connect (octal), and the group it belongs to.
    path: str = ""
    mode: Annotated[str, Meta(min_length=3, max_length=4)] = "0660"
    group: str = ""
    # Connections begin with the PROXY protocol (1 or 2), and come from these networks alone.
    proxy_protocol: bool = False
    proxy_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    # What is different at this door: [listener.smtp], [listener.tls_options], [listener.sessions] with the keys that differ.
    smtp: Smtp | None = None
    tls_options: Tls | None = None
    sessions: Sessions | None = None

    @property
    def label(self) -> str:
        return self.name or self.protocol + ("s" if self.tls == "implicit" else "")


LISTENERS = (
    Listener(protocol="smtp", port=2525),
    Listener(protocol="submission", port=2587),
    Listener(protocol="submission", port=2465, tls="implicit", name="submissions"),
    Listener(protocol="lmtp", path="lmtp.sock", tls="none"),
    Listener(protocol="pop3", port=2110),
    Listener(protocol="pop3", port=2995, tls="implicit"),
    Listener(protocol="imap", port=2143),
    Listener(protocol="imap", port=2993, tls="implicit"),
    Listener(protocol="managesieve", port=4190),
    Listener(protocol="http", port=8025, tls="none"),
)


class Config(Section, frozen=True, kw_only=True):
    """The whole of config.toml; only `hub` and `cli` see it whole."""

    # "server", or "capture": every address is a mailbox here, every login is right, and nothing leaves by itself.
    mode: Literal["server", "capture"] = "server"
    # The name this host calls itself in greetings, Received and Message-ID.
    hostname: Name = "mailhub.test"
    # Domains whose mail is ours, besides those added by `mailhub domain add`.
    domains: tuple[str, ...] = ("mailhub.test",)
    # Everything mailhub keeps is below this folder; relative to the config file's.
    data: Name = "./var"
    # Who mailhub is, once its ports are bound, where root starts it: "user" or "user:group"; "": whoever starts it.
    user: str = ""
    # No program that mailhub runs can gain rights: set-user-ID programs keep those of mailhub. (Those that the deputy of [local] system_users runs as users may.)
    no_new_privileges: bool = True
    # All files but its own are forbidden to mailhub, by Linux's Landlock: "auto" where the kernel has it and nothing of the operator's runs
    # inside; "on": also for his programs, and no start without it; "off". Needs no_new_privileges.
    landlock: Literal["auto", "on", "off"] = "auto"
    # Further folders and files that may be written then.
    landlock_write: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    # Create alice@ and bob@ of the first domain at the first start.
    demo: bool = False
    listener: tuple[Listener, ...] = LISTENERS
    capture: Capture = Capture()
    tls: Tls = Tls()
    sessions: Sessions = Sessions()
    smtp: Smtp = Smtp()
    auth: Auth = Auth()
    limits: Limits = Limits()
    directory: Directory = Directory()
    imap: Imap = Imap()
    pop3: Pop3 = Pop3()
    auth_socket: AuthSocket = AuthSocket()
    filter: Filter = Filter()
    dnsbl: Dnsbl = Dnsbl()
    spf: Spf = Spf()
    iprev: Iprev = Iprev()
    dkim: Dkim = Dkim()
    arc: Arc = Arc()
    dmarc: Dmarc = Dmarc()
    greylist: Greylist = Greylist()
    hooks: Hooks = Hooks()
    junk: Junk = Junk()
    attachments: Attachments = Attachments()
    clamav: Clamav = Clamav()
    spamassassin: Spamassassin = Spamassassin()
    rspamd: Rspamd = Rspamd()
    content_checks: ContentChecks = ContentChecks()
    quarantine: Quarantine = Quarantine()
    queue: Queue = Queue()
    suppression: Suppression = Suppression()
    trace: Trace = Trace()
    history: History = History()
    delivery: Delivery = Delivery()
    aliases: Aliases = Aliases()
    canonical: Canonical = Canonical()
    relay: Relay = Relay()
    transport: dict[str, Transport] = field(default_factory=dict)
    webhook: dict[str, Webhook] = field(default_factory=dict)
    tls_reports: TlsReports = TlsReports()
    dmarc_reports: DmarcReports = DmarcReports()
    resolver: Resolver = Resolver()
    store: Store = Store()
    mailbox: Mailbox = Mailbox()
    local: Local = Local()
    maildrop: Maildrop = Maildrop()
    sieve: Sieve = Sieve()
    managesieve: Managesieve = Managesieve()
    web: Web = Web()
    setup: Setup = Setup()
    log: Log = Log()
