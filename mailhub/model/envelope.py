"""The envelope of a message and where it came from (RFC 5321 section 2.3.1, RFC 3461)."""

from enum import IntFlag
from typing import Literal

from msgspec import Struct


class Notify(IntFlag):
    """When the sender wants a report (RFC 3461 section 4.1). DEFAULT: nothing was asked, so failure and delay."""

    DEFAULT = 0
    NEVER = 1
    SUCCESS = 2
    FAILURE = 4
    DELAY = 8


class Recipient(Struct, frozen=True):
    """One forward-path as it was given, with its DSN parameters. `orcpt`: "rfc822;..." decoded, or None. `path`: of one of our own
    making (steps)."""

    address: str
    notify: Notify = Notify.DEFAULT
    orcpt: str | None = None
    path: tuple[str, ...] = ()


class DeliverBy(Struct, frozen=True):
    """DELIVERBY (RFC 2852). `until`: wall time; `mode`: "R" return it when that has passed, "N" tell the sender of the delay
    and go on; `trace`: each relay on the way is to be reported."""

    until: float
    mode: Literal["R", "N"] = "N"
    trace: bool = False


class MailParameters(Struct, frozen=True):
    """What the sender asked for beside the reverse-path: the parameters of MAIL, decoded.

    `size`: octets announced (RFC 1870), None where nothing was. `body`: RFC 6152, RFC 3030. `smtputf8`: RFC 6531.
    `ret` (what a report returns) and `envid`: RFC 3461. `requiretls`: RFC 8689. `priority`: -9 to 9, RFC 6710.
    `release`: wall time before which it is not to be sent (FUTURERELEASE, RFC 4865).
    """

    size: int | None = None
    body: Literal["7BIT", "8BITMIME", "BINARYMIME"] = "7BIT"
    smtputf8: bool = False
    ret: Literal["FULL", "HDRS"] | None = None
    envid: str | None = None
    requiretls: bool = False
    priority: int = 0
    deliver_by: DeliverBy | None = None
    release: float | None = None


PLAIN = MailParameters()


class Envelope(Struct, frozen=True):
    """Who sent it to whom, and what was asked for. `sender` is "" for the null reverse-path."""

    sender: str
    recipients: tuple[Recipient, ...]
    parameters: MailParameters = PLAIN


class Origin(Struct, frozen=True):
    """The session a message came by. `protocol`: RFC 3848's word (ESMTP, ESMTPSA, ...); `login`: the account, or ""."""

    protocol: str = "ESMTP"
    client: str = ""  # address of the peer, as text; "" for one of our own (a bounce)
    helo: str = ""
    login: str = ""
    tls: str = ""  # e.g. "TLSv1.3 with TLS_AES_256_GCM_SHA384", "" in the clear
    name: str = ""  # the peer's verified name, where it was asked for
