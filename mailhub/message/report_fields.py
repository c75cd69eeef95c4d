"""message/delivery-status: what a report says to machines (RFC 3464 section 2), and the same for SMTPUTF8 (RFC 6533 section 3).

Whatever came from outside is cut to its bound and stands on one line, or folded by us: no address, reply or ENVID can begin a
field of its own.
"""

import re
import textwrap

from msgspec import Struct

from mailhub.model.address import seven_bit
from mailhub.model.reply import Reply

from .stamps import date_time

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_LINE_LIMIT = 900  # octets of one value: with its name the line stays below 998 (RFC 5322 section 2.1.1)
_TEXT_LIMIT = 1_000  # characters of a reply
_WIDTH = 76
_WORD_LIMIT = 200  # characters: in UTF-8 still one line
_FALLBACK = {"failed": "5.0.0", "delayed": "4.0.0"}


class Reported(Struct, frozen=True):
    """What became of one recipient. `action`: failed, delayed, delivered, relayed or expanded (RFC 3464 section 2.3.3)."""

    address: str
    action: str
    reply: Reply
    orcpt: str | None = None
    remote: str = ""  # the host that said it, "name[address]" or a name; "" for ourselves
    last_attempt: float | None = None
    will_retry_until: float | None = None


class Fields(Struct, frozen=True):
    """What the fields of a report are made of. `international`: they may be UTF-8 (message/global-delivery-status).

    `deliver_by`: wall time that a BY named (RFC 2852 section 5).
    """

    hostname: str
    queue_id: str
    sender: str
    arrival: float
    recipients: tuple[Reported, ...]
    envid: str | None = None
    deliver_by: float | None = None
    international: bool = False

    def text(self) -> str:
        """The whole body part: per-message fields, then a group of fields for each recipient."""
        groups = [self._message(), *(self._recipient(recipient) for recipient in self.recipients)]
        return "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"

    def _message(self) -> list[str]:
        lines = [] if self.envid is None else [self._line("Original-Envelope-Id", self.envid)]
        lines += [
            f"Reporting-MTA: dns; {self.hostname}",
            f"X-Mailhub-Queue-ID: {self.queue_id}",
            self._line("X-Mailhub-Sender", self._typed(self.sender)),
            f"Arrival-Date: {date_time(self.arrival)}",
        ]
        if self.deliver_by is not None:
            lines.append(f"Deliver-By-Date: {date_time(self.deliver_by)}")
        return lines

    def _recipient(self, recipient: Reported) -> list[str]:
        reply, remote = recipient.reply, recipient.remote
        lines = [
            self._line("Final-Recipient", self._typed(recipient.address)),
            f"Action: {recipient.action}",
            f"Status: {reply.enhanced or _FALLBACK.get(recipient.action, '2.0.0')}",
        ]
        if recipient.orcpt is not None:
            lines.insert(0, self._line("Original-Recipient", self._original(recipient.orcpt)))
        if remote:
            lines.append(self._line("Remote-MTA", f"dns; {remote.partition('[')[0] or remote}"))
        lines.append(
            self._folded("Diagnostic-Code", f"smtp; {spoken(reply)}" if remote else f"x-mailhub; {reply.text}")
        )
        if recipient.last_attempt is not None:
            lines.append(f"Last-Attempt-Date: {date_time(recipient.last_attempt)}")
        lines.append(f"Final-Log-ID: {self.queue_id}")
        if recipient.will_retry_until is not None:
            lines.append(f"Will-Retry-Until: {date_time(recipient.will_retry_until)}")
        return lines

    def _typed(self, address: str) -> str:
        """RFC 6533 section 3: addresses of other scripts have the type utf-8, and a form for seven bits."""
        if address.isascii():
            return f"rfc822; {address}"
        return f"utf-8; {address if self.international else seven_bit(address)}"

    def _original(self, orcpt: str) -> str:
        """As the sender gave it, with its type."""
        kind, _, address = orcpt.partition(";")
        return orcpt if address.isascii() or self.international else f"{kind};{seven_bit(address)}"

    def _clean(self, text: str) -> str:
        text = CONTROL.sub(" ", text)
        return text if self.international else text.encode("ascii", "replace").decode("ascii")

    def _line(self, name: str, value: str) -> str:
        return f"{name}: {bounded(self._clean(value).strip())}"

    def _folded(self, name: str, value: str) -> str:
        words = self._clean(value)[:_TEXT_LIMIT].split()
        pieces = [word[at : at + _WORD_LIMIT] for word in words for at in range(0, len(word), _WORD_LIMIT)]
        folded = textwrap.wrap(" ".join([f"{name}:", *pieces]), _WIDTH, subsequent_indent=" ",
                               break_long_words=False, break_on_hyphens=False)  # fmt: skip
        return "\r\n".join(folded)


def spoken(reply: Reply) -> str:
    """A peer's reply in its own words: an enhanced code of which nothing but the class is known was made by us."""
    return f"{reply.code} {reply.text}" if reply.enhanced in ("4.0.0", "5.0.0") else str(reply)


def bounded(text: str) -> str:
    """The text, cut where its line would be too long to be sent."""
    data = text.encode("utf-8", "replace")
    if len(data) <= _LINE_LIMIT:
        return text
    return data[: _LINE_LIMIT - 3].decode("utf-8", "ignore") + "..."
