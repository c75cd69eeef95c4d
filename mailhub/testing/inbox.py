"""What lies in mailboxes, and the search for one message that says how near the others came."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from mailhub.message.reading import Message

_SHOWN = 10  # messages named where the wanted one is not among them
Pattern = str | re.Pattern[str]


class Inbox(Sequence[Message]):
    """The messages of one address, oldest first: `len(inbox)`, `inbox[0]`, `inbox[-1].subject`."""

    def __init__(self, address: str, messages: Sequence[Message]) -> None:
        self.address, self._messages = address, tuple(messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, index: int | slice) -> Message | tuple[Message, ...]:
        try:
            return self._messages[index]
        except IndexError:
            raise AssertionError(f"no message {index}: {self!r}") from None

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    def __repr__(self) -> str:
        if not self._messages:
            return f"<the inbox of {self.address} is empty>"
        return f"<the inbox of {self.address} holds {len(self)}:{listed(self._messages)}>"

    @property
    def only(self) -> Message:
        """The one message there is; AssertionError where there is none, or more than one."""
        assert len(self) == 1, f"one message was expected: {self!r}"
        return self._messages[0]

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(message.subject for message in self._messages)


@dataclass(frozen=True)
class Wanted:
    """What `expect` looks for; "" and None: anything. Text is looked for in any case, as a part; a compiled pattern by `search`."""

    to: str = ""
    sender: str = ""
    subject: Pattern | None = None
    text: Pattern | None = None
    folder: str = ""

    def __str__(self) -> str:
        words = [f"to {self.to}"] if self.to else []
        words += [f"from {self.sender}"] if self.sender else []
        words += [f"with the subject {_shown(self.subject)}"] if self.subject is not None else []
        words += [f"with the text {_shown(self.text)}"] if self.text is not None else []
        words += [f"in {self.folder}"] if self.folder else []
        return ", ".join(words) or "at all"

    def misses(self, message: Message) -> list[str]:
        """What is different in that message; none where it is the wanted one."""
        found = []
        to, sender = self.to.lower(), self.sender.lower()
        if to and to not in (message.mailbox, message.recipient.lower(), *message.to):
            found.append(f"it is to {message.mailbox}")
        if sender and sender not in (message.sender.lower(), message.from_):
            found.append(f"it is from {message.from_ or message.sender or '<>'}")
        if self.subject is not None and not _holds(self.subject, message.subject):
            found.append(f"its subject is {message.subject!r}")
        if self.text is not None and not _holds(self.text, message.text):
            found.append(f"its text is {_shortened(message.text)!r}")
        if self.folder and self.folder != message.folder:
            found.append(f"it lies in {message.folder}")
        return found


def explained(wanted: Wanted, messages: Sequence[Message]) -> str:
    """Why none of them is the wanted one, the nearest first."""
    if not messages:
        return "no message has arrived anywhere"
    near = sorted(((wanted.misses(message), message) for message in messages), key=lambda pair: len(pair[0]))
    lines = [f"\n  {message}{': ' if misses else ''}{' and '.join(misses)}" for misses, message in near[:_SHOWN]]
    more = f"\n  and {len(near) - _SHOWN} more" if len(near) > _SHOWN else ""
    return f"{len(messages)} arrived, the nearest first:{''.join(lines)}{more}"


def listed(messages: Sequence[Message]) -> str:
    """A line each."""
    lines = [f"\n  {message}" for message in messages[:_SHOWN]]
    return "".join(lines) + (f"\n  and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else "")


def _holds(wanted: Pattern, text: str) -> bool:
    return wanted.casefold() in text.casefold() if isinstance(wanted, str) else wanted.search(text) is not None


def _shown(pattern: Pattern | None) -> str:
    return repr(pattern) if isinstance(pattern, str) else f"/{pattern.pattern if pattern else ''}/"


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[:limit] + "..."
