"""What EHLO offers: one row for each extension, with its RFC and the condition under which it is offered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailhub.wire.sasl import MECHANISMS

if TYPE_CHECKING:
    from .session import SmtpSession


@dataclass(frozen=True, slots=True)
class Extension:
    """`offer(session)`: the line to be shown, None where it is off now."""

    keyword: str
    rfc: int
    offer: "Callable[[SmtpSession], str | None]"


def _starttls(session: "SmtpSession") -> str | None:
    return "STARTTLS" if session.may_start_tls else None


def _auth(session: "SmtpSession") -> str | None:
    return "AUTH " + " ".join(MECHANISMS) if session.may_auth and not session.record.login else None


EXTENSIONS = (
    Extension("PIPELINING", 2920, lambda session: "PIPELINING"),
    Extension("SIZE", 1870, lambda session: f"SIZE {session.settings.message_size_limit}"),
    Extension("STARTTLS", 3207, _starttls),
    Extension("AUTH", 4954, _auth),
    Extension("ENHANCEDSTATUSCODES", 2034, lambda session: "ENHANCEDSTATUSCODES"),
    Extension("8BITMIME", 6152, lambda session: "8BITMIME"),
    Extension("SMTPUTF8", 6531, lambda session: "SMTPUTF8"),
    Extension("HELP", 5321, lambda session: "HELP"),
)


def offered(session: "SmtpSession") -> list[str]:
    return [line for extension in EXTENSIONS if (line := extension.offer(session)) is not None]
