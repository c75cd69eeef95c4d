"""Which captured messages somebody means: the words of Mailpit's search, and plain criteria."""

import shlex
from collections.abc import Callable

from msgspec import Struct

from mailhub.message.reading import Message

Fits = Callable[[Message], bool]


class Criteria(Struct, frozen=True):
    """What our own interface asks by; "" is anything. Text is looked for in any case, as a part."""

    to: str = ""
    sender: str = ""
    subject: str = ""
    text: str = ""

    def __call__(self, message: Message) -> bool:
        to, sender = self.to.lower(), self.sender.lower()
        return (
            (not to or any(to in address for address in (message.mailbox, message.recipient.lower(), *message.to)))
            and (not sender or sender in message.sender.lower() or sender in message.from_)
            and _in(self.subject, message.subject)
            and _in(self.text, message.text)
        )


def parsed(query: str) -> Fits:
    """`from: to: subject: message-id: has:attachment` and plain words, "-" or "!" before one turns it round; all have to be so."""
    try:
        words = shlex.split(query)
    except ValueError:  # a quotation mark that stands alone
        words = query.split()
    tests = [_test(word) for word in words]
    return lambda message: all(test(message) for test in tests)


def _test(word: str) -> Fits:
    if word[:1] in "-!" and len(word) > 1:
        inner = _test(word[1:])
        return lambda message: not inner(message)
    key, colon, value = word.partition(":")
    if colon and key.lower() in _KEYS:
        look = _KEYS[key.lower()]
        return lambda message: look(message, value.lower())
    return lambda message: _in(word, message.subject) or _in(word, message.text) or _anybody(message, word.lower())


def _anybody(message: Message, value: str) -> bool:
    return any(value in address for address in (message.mailbox, message.from_, message.sender.lower(), *message.to))


def _in(wanted: str, text: str) -> bool:
    return wanted.casefold() in text.casefold()


_KEYS: dict[str, Callable[[Message, str], bool]] = {
    "from": lambda message, value: value in message.headers.get("From").lower() or value in message.sender.lower(),
    "to": lambda message, value: value in message.headers.get("To").lower() or value in message.mailbox,
    "cc": lambda message, value: value in message.headers.get("Cc").lower(),
    "addressed": _anybody,
    "subject": lambda message, value: _in(value, message.subject),
    "message-id": lambda message, value: value.strip("<>") in message.headers.get("Message-ID").lower(),
    "has": lambda message, value: value in ("attachment", "attachments") and bool(message.attachments),
}
