"""What EHLO offers: one row for each extension, with its RFC and the condition under which it is offered.

`smtp.discard_ehlo_keywords` switches any of them off; then its command is not there (502) and its parameters are not known (555).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from .xclient import XCLIENT, XFORWARD

if TYPE_CHECKING:
    from .session import SmtpSession


class Extension(Struct, frozen=True):
    """`offer(session)`: the line to be shown, None where it is off now. `when`: that condition in words."""

    keyword: str
    rfc: int  # 0: Postfix's own
    offer: "Callable[[SmtpSession], str | None]"
    when: str = "always"


def _starttls(session: "SmtpSession") -> str | None:
    return "STARTTLS" if session.may_start_tls else None


def _auth(session: "SmtpSession") -> str | None:
    mechanisms = () if session.record.login else session.mechanisms
    return "AUTH " + " ".join(mechanisms) if mechanisms else None


def _deliver_by(session: "SmtpSession") -> str | None:
    least = int(session.settings.deliver_by_minimum)
    return f"DELIVERBY {least}" if least else "DELIVERBY"


def _future_release(session: "SmtpSession") -> str | None:
    """RFC 4865 section 3: the longest interval, and the last moment."""
    longest = int(session.settings.future_release_limit)
    if session.context.service != "submission" or not longest:
        return None
    until = datetime.fromtimestamp(session.context.clock.now() + longest, UTC)
    return f"FUTURERELEASE {longest} {until:%Y-%m-%dT%H:%M:%SZ}"


def _limits(session: "SmtpSession") -> str | None:
    """RFC 9422 section 4."""
    return f"LIMITS RCPTMAX={session.settings.recipient_limit} MAILMAX={session.settings.message_limit}"


def _xclient(session: "SmtpSession") -> str | None:
    return "XCLIENT " + " ".join(XCLIENT) if session.may_xclient else None


def _xforward(session: "SmtpSession") -> str | None:
    return "XFORWARD " + " ".join(XFORWARD) if session.may_xforward else None


def _under_tls(keyword: str) -> "Callable[[SmtpSession], str | None]":
    return lambda session: keyword if session.tls is not None else None


def _always(keyword: str) -> "Callable[[SmtpSession], str | None]":
    return lambda session: keyword


EXTENSIONS = (
    Extension("PIPELINING", 2920, _always("PIPELINING")),
    Extension("SIZE", 1870, lambda session: f"SIZE {session.settings.message_size_limit}"),
    Extension("STARTTLS", 3207, _starttls, 'before TLS, where the listener has `tls = "starttls"`'),
    Extension("AUTH", 4954, _auth, "under TLS or with `auth.allow_plaintext`, before the login; not LMTP"),
    Extension("ENHANCEDSTATUSCODES", 2034, _always("ENHANCEDSTATUSCODES")),
    Extension("8BITMIME", 6152, _always("8BITMIME")),
    Extension("SMTPUTF8", 6531, _always("SMTPUTF8")),
    Extension("CHUNKING", 3030, _always("CHUNKING")),
    Extension("BINARYMIME", 3030, _always("BINARYMIME")),
    Extension("DSN", 3461, _always("DSN")),
    Extension("DELIVERBY", 2852, _deliver_by),
    Extension("FUTURERELEASE", 4865, _future_release, "submission, `smtp.future_release_limit` above 0"),
    Extension("MT-PRIORITY", 6710, _always("MT-PRIORITY MIXER")),
    Extension("REQUIRETLS", 8689, _under_tls("REQUIRETLS"), "under TLS"),
    Extension("LIMITS", 9422, _limits),
    Extension("ETRN", 1985, lambda session: "ETRN" if session.settings.etrn else None, "`smtp.etrn`"),
    Extension("VRFY", 5321, lambda session: "VRFY" if session.settings.vrfy else None, "`smtp.vrfy`"),
    Extension("EXPN", 5321, lambda session: "EXPN" if session.settings.expn else None, "`smtp.expn`"),
    Extension("XCLIENT", 0, _xclient, "`smtp.xclient_hosts`"),
    Extension("XFORWARD", 0, _xforward, "`smtp.xforward_hosts`"),
    Extension("HELP", 5321, _always("HELP")),
)


def offered(session: "SmtpSession") -> dict[str, str]:
    """Keyword -> line, in the order of the table."""
    lines = {
        extension.keyword: line
        for extension in EXTENSIONS
        if not session.discards(extension.keyword) and (line := extension.offer(session)) is not None
    }
    if "CHUNKING" not in lines:
        lines.pop("BINARYMIME", None)
    return lines
