"""The messages that scripts send: answers (RFC 5230, RFC 3834), notices (RFC 5436), and what an owner is told of a broken script.

None of them can be answered by another machine for ever: they say Auto-Submitted, leave with the null sender, and none is
written to lists, bounces, other machines, or the account itself.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from email.header import Header

from msgspec import Struct

from mailhub.message import address_list, headers, stamps
from mailhub.model.address import key
from mailhub.wire.sieve.static import address

from . import notices
from .actions import Notify, Vacation
from .environment import Environment
from .mail import Mail

_SUBJECT = 256  # characters of a subject that is quoted
_REFERENCES = 20  # message ids
_MACHINES = re.compile(
    r"(?:mailer-daemon|listserv|majordomo|owner-.*|.*-owner|.*-request|.*-bounces?|no-?reply)", re.IGNORECASE
)
_BULK = frozenset({"bulk", "junk", "list"})
_RECIPIENTS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,200}>")


class Letter(Struct, frozen=True):
    """A message to be queued. `sender`: its reverse-path."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


class Stamp(Struct, frozen=True):
    """What makes a letter unique: its Message-ID, and its wall time."""

    message_id: str
    now: float


def not_answered(mail: Mail, environment: Environment, own: Collection[str]) -> str | None:
    """Why this message gets no automatic answer (RFC 5230 sections 4.5 and 4.6, RFC 3834 section 2); None where it may have one.
    `own`: addresses of the account in key form."""
    sender = environment.sender
    if not sender:
        return "it has no sender"
    if key(sender) in own:
        return "it is from the account itself"
    if _MACHINES.fullmatch(sender.rpartition("@")[0]):
        return f"it is from a machine: {sender}"
    for field in mail.received:
        name = field.name.lower()
        if name.startswith(b"list-"):
            return "it is from a mailing list"
        if name == b"auto-submitted" and field.text.partition(";")[0].strip().lower() != "no":
            return "it was sent by a machine (Auto-Submitted)"
        if name == b"precedence" and field.text.lower() in _BULK:
            return f"it was sent to many (Precedence: {field.text})"
        if name == b"x-auto-response-suppress" and {"all", "oof"} & set(re.split(r"[,\s]+", field.text.lower())):
            return "it asks for no answer"
    return None


def addressed(mail: Mail, own: Collection[str]) -> str | None:
    """The address of the account that the message names as a recipient (RFC 5230 section 4.5)."""
    for name in _RECIPIENTS:
        for found in _addresses(mail, name):
            if key(found) in own:
                return found
    return None


def _addresses(mail: Mail, name: str) -> Iterator[str]:
    for field in mail.header(name):
        for mailbox in address_list.mailboxes(headers.unfold(field.value)):
            yield f"{headers.text(mailbox.local)}@{headers.text(mailbox.domain)}"


def own_addresses(environment: Environment, action: Vacation) -> frozenset[str]:
    named = (address(text) or "" for text in action.addresses)
    return frozenset(key(one) for one in (environment.recipient, environment.original, *named) if one)


def answer(mail: Mail, environment: Environment, action: Vacation, stamp: Stamp) -> Letter | str:
    """The answer to the sender, or why there is none."""
    own = own_addresses(environment, action)
    reason = not_answered(mail, environment, own)
    if reason is not None:
        return reason
    me = addressed(mail, own)
    if me is None:
        return "no address of the account is among its recipients"
    old = next((field.text for field in mail.header("subject")), "")
    subject = action.subject or (f"Auto: {old}" if old else "Automated reply")
    head = [
        ("Message-ID", stamp.message_id),
        ("Date", stamps.date_time(stamp.now)),
        ("From", action.sender or me),
        ("To", environment.sender),
        ("Subject", _shortened(subject)),
        *_threading(mail),
        ("Auto-Submitted", "auto-replied (vacation)"),
        ("Precedence", "bulk"),
        ("X-Auto-Response-Suppress", "All"),
        ("MIME-Version", "1.0"),
    ]
    return Letter("", (environment.sender,), _header(head) + _body(action.reason, mime=action.mime))


def _shortened(subject: str) -> str:
    return subject if len(subject) <= _SUBJECT else subject[: _SUBJECT - 1] + "\u2026"


def _threading(mail: Mail) -> Iterator[tuple[str, str]]:
    """RFC 5230 section 5.8"""
    ids = [found for field in mail.header("message-id")[:1] for found in _MESSAGE_ID.findall(field.text)]
    if not ids:
        return
    old = next((field.text for name in ("references", "in-reply-to") for field in mail.header(name)), "")
    yield "In-Reply-To", ids[0]
    yield "References", "\r\n ".join([*_MESSAGE_ID.findall(old)[-_REFERENCES:], ids[0]])


def _header(fields: Sequence[tuple[str, str]]) -> bytes:
    return b"".join(_field(name, value) for name, value in fields)


def _field(name: str, value: str) -> bytes:
    """One field; what a script or a stranger said can not end it."""
    if name == "References":
        return f"{name}: {value}\r\n".encode("ascii", "replace")
    value = _CONTROL.sub(" ", value)
    if name in ("From", "To", "Cc"):
        return _address_field(name, value)
    if value.isascii() and len(name) + len(value) < 900:
        return f"{name}: {value}\r\n".encode()
    encoded = Header(value, "utf-8", maxlinelen=75, header_name=name).encode(linesep="\r\n")
    return f"{name}: {encoded}\r\n".encode()


def _address_field(name: str, value: str) -> bytes:
    """The phrase of an address encoded, the address itself as it is."""
    phrase, angle, rest = value.rpartition("<")
    if angle and not phrase.isascii():
        value = f"{Header(phrase.strip().strip(chr(34)), 'utf-8').encode(linesep=chr(13) + chr(10))} <{rest}"
    return f"{name}: {value}\r\n".encode()


def _body(text: str, *, mime: bool) -> bytes:
    """A text, or, with `mime`, an entity with its header (RFC 5230 section 4.3)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    if mime:
        return lines.encode()
    encoding = "7bit" if lines.isascii() else "8bit"
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return (head + lines + ("" if lines.endswith("\r\n") else "\r\n")).encode()


_IMPORTANCE = {1: ("1 (Highest)", "High"), 2: ("3 (Normal)", "Normal"), 3: ("5 (Lowest)", "Low")}


def notice(mail: Mail, environment: Environment, action: Notify, stamp: Stamp, owner: str) -> Letter | str:
    """The notice of a message's arrival, or why there is none (RFC 5436 section 2.7.1: machines are not told of machines)."""
    for field in mail.header("auto-submitted"):
        if field.text.partition(";")[0].strip().lower() != "no":
            return "it was sent by a machine (Auto-Submitted)"
    everybody = notices.targets(action.method) or []
    to = notices.targets(action.method, copies=False) or []
    copies = [one for one in everybody if one not in to]
    said = notices.fields(action.method)
    sender = next((field.text for field in mail.header("from")), environment.sender or "<>")
    subject = next((field.text for field in mail.header("subject")), "")
    text = said.get("body") or action.message or f"From: {sender}\r\nSubject: {subject}\r\n"
    priority, importance = _IMPORTANCE[action.importance]
    head = [
        ("Message-ID", stamp.message_id),
        ("Date", stamps.date_time(stamp.now)),
        ("X-Sieve", "mailhub"),
        ("From", action.sender or owner),
        *([("To", ", ".join(to))] if to else []),
        *([("Cc", ", ".join(copies))] if copies else []),
        ("Subject", _shortened(said.get("subject") or action.message or f"[SIEVE] New mail notification: {subject}")),
        ("Auto-Submitted", f'auto-notified; owner-email="{owner}"'),
        ("X-Priority", priority),
        ("Importance", importance),
        ("MIME-Version", "1.0"),
    ]
    return Letter("", tuple(everybody), _header(head) + _body(text, mime=False))


def trouble(mail: Mail, environment: Environment, error: str, stamp: Stamp, owner: str, hostname: str) -> Letter:
    """What the owner is told of a script that broke (RFC 5228 section 2.10.6)."""
    subject = next((field.text for field in mail.header("subject")), "")
    text = (
        f"Your Sieve script could not be run to its end:\n\n    {error}\n\n"
        f"The message was kept in your inbox. It was\n\n    From: {environment.sender or '<>'}\n    Subject: {subject[:200]}\n\n"
        "You get this note once a day for each error.\n"
    )
    head = [
        ("Message-ID", stamp.message_id),
        ("Date", stamps.date_time(stamp.now)),
        ("From", f"Mail Delivery System <MAILER-DAEMON@{hostname}>"),
        ("To", owner),
        ("Subject", "Your Sieve script has an error"),
        ("Auto-Submitted", "auto-generated (failure)"),
        ("MIME-Version", "1.0"),
    ]
    return Letter("", (owner,), _header(head) + _body(text, mime=False))
