"""The envelope of a message and where it came from (RFC 5321 section 2.3.1, RFC 3461)."""

from dataclasses import dataclass
from enum import IntFlag


class Notify(IntFlag):
    """When the sender wants a report (RFC 3461 section 4.1). DEFAULT: nothing was asked, so failure and delay."""

    DEFAULT = 0
    NEVER = 1
    SUCCESS = 2
    FAILURE = 4
    DELAY = 8


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path as it was given, with its DSN parameters. `orcpt`: "rfc822;..." decoded, or None."""

    address: str
    notify: Notify = Notify.DEFAULT
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent it to whom. `sender` is "" for the null reverse-path; `ret` is "FULL", "HDRS" or None."""

    sender: str
    recipients: tuple[Recipient, ...]
    envid: str | None = None
    ret: str | None = None
    smtputf8: bool = False
    body: str = "7BIT"  # 7BIT | 8BITMIME | BINARYMIME


@dataclass(frozen=True, slots=True)
class Origin:
    """The session a message came by. `protocol`: RFC 3848's word (ESMTP, ESMTPSA, ...); `login`: the account, or ""."""

    protocol: str = "ESMTP"
    client: str = ""  # address of the peer, as text; "" for one of our own (a bounce)
    helo: str = ""
    login: str = ""
    tls: str = ""  # e.g. "TLSv1.3 with TLS_AES_256_GCM_SHA384", "" in the clear
