"""Errors that cross rooms. An unknown failure is temporary.

    MailError
    +- Temporary   try again later (4xx, NO [UNAVAILABLE], -ERR [SYS/TEMP])
    +- Permanent   asking again will not help (5xx)
    +- NotFound, Exists, Denied, OverQuota, LimitReached: what a mailbox or directory answers

`reply` is the bland text for the peer; the message of the exception is the cause, for the log.
"""

from .reply import Reply


class MailError(Exception):
    """Base of all errors that a room expects from the room below it."""

    default = Reply(451, "4.3.0", "Temporary local problem")

    def __init__(self, cause: str, reply: Reply | None = None) -> None:
        super().__init__(cause)
        self.reply = reply or self.default


class Temporary(MailError):
    """Trying again later may work."""


class Permanent(MailError):
    """Trying again will give the same answer."""

    default = Reply(554, "5.0.0", "Refused")


class NotFound(MailError):
    """There is no such domain, account, folder, message or queue item."""

    default = Reply(550, "5.1.1", "No such object")


class Exists(MailError):
    """There is one of that name already."""

    default = Reply(550, "5.1.0", "Exists already")


class Denied(MailError):
    """Others' mail, and no right to do that with it (RFC 4314)."""

    default = Reply(550, "5.7.1", "Not permitted")


class OverQuota(MailError):
    """The mailbox is full (RFC 3463 X.2.2)."""

    default = Reply(452, "4.2.2", "Mailbox full")


class LimitReached(MailError):
    """A bound of the configuration was reached; the cause names the key."""

    default = Reply(452, "4.3.1", "Limit reached")
