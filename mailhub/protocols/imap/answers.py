"""How a command ends: OK, NO or BAD, and which of the two an error of the rooms below becomes."""

from msgspec import Struct

from mailhub.model.errors import Denied, Exists, LimitReached, MailError, NotFound, OverQuota, Permanent


class Answer(Struct, frozen=True):
    """The tagged response: `status` is OK, NO or BAD, `code` the response code without brackets (RFC 5530)."""

    status: str
    text: str
    code: str = ""


class Refused(Exception):
    """Raised by a handler to end its command with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def ok(text: str, code: str = "") -> Answer:
    return Answer("OK", text, code)


def no(text: str, code: str = "") -> Answer:
    return Answer("NO", text, code)


def bad(text: str) -> Answer:
    return Answer("BAD", text)


def of_error(error: MailError) -> Answer:
    """NO with the response code that fits. What is not known is temporary."""
    match error:
        case NotFound():
            return no("No such mailbox or message", "NONEXISTENT")
        case Exists():
            return no("There is a mailbox of that name already", "ALREADYEXISTS")
        case Denied():
            return no("You have no right to do that", "NOPERM")
        case OverQuota():
            return no("Mailbox is full", "OVERQUOTA")
        case LimitReached():
            return no(error.reply.text, "LIMIT")
        case Permanent():
            return no(error.reply.text, "CANNOT")
        case _:
            return no("Temporary problem, try again later", "UNAVAILABLE")
