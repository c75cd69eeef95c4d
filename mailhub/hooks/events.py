"""What hooks are given. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connect:
    """A client whose first recipient is about to be taken. `login`: "" where it did not sign in; `trusted`: it did, or is of
    `smtp.mynetworks`."""

    client: str
    login: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class Helo(Connect):
    helo: str


@dataclass(frozen=True, slots=True)
class Mail(Helo):
    """`sender`: "" for the null reverse-path."""

    sender: str


@dataclass(frozen=True, slots=True)
class Rcpt(Mail):
    recipient: str


@dataclass(frozen=True, slots=True)
class Data(Mail):
    """`message`: its first `hooks.message_limit` octets; `size`: of all of it; `recipients`: how many there are."""

    message: bytes
    size: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message on its way into a mailbox. `queue_id`: as the log has it; `message`: its first octets; `verdict`: on one line."""

    queue_id: str
    sender: str
    recipient: str
    account: str
    verdict: str
    message: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Login:
    """A right password or proof. `service`: "imap", "pop3", "submission", ..."""

    account: str
    service: str
    client: str


@dataclass(frozen=True, slots=True)
class Append:
    """A message that a client stores. `flags`: system flags and keywords."""

    account: str
    folder: str
    size: int
    flags: tuple[str, ...]


Event = Connect | Deliver | Login | Append
