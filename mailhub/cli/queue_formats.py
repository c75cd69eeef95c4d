"""The queue as Postfix's programs print it, for the eyes and scripts that know them: postqueue(1), qshape(1)."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from mailhub.control import words

from .output import harmless

_MARKS = {"active": "*", "hold": "!"}
_REASON_END = 76  # the column that a reason ends at, where it is shorter
_DOMAIN = 39  # columns of qshape's first field
_SHOWN = 30  # characters of a domain in it


def postqueue(messages: Iterable[words.QueuedMessage]) -> Iterator[str]:
    """`postqueue -p` and `mailq`, line by line."""
    count = size = 0
    for message in messages:
        if not count:
            yield "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
        count, size = count + 1, size + message.size
        mark = next((_MARKS[to.state] for to in message.recipients if to.state in _MARKS), "")
        yield f"{message.id + mark:<11} {message.size:>7} {_arrival(message.created)}  {_sender(message)}"
        said = ""
        for to in message.recipients:
            reason = _reason(to)
            if reason and reason != said:
                yield " " * max(0, _REASON_END - len(reason)) + f"({reason})"
            said = reason
            yield " " * 41 + harmless(to.address)
        yield ""
    if count:
        yield f"-- {size // 1024} Kbytes in {count} Request{'s' if count > 1 else ''}."
    else:
        yield "Mail queue is empty"


def postqueue_json(messages: Iterable[words.QueuedMessage]) -> Iterator[str]:
    """`postqueue -j`: an object a line."""
    for message in messages:
        states = [to.state for to in message.recipients]
        row = {
            "queue_name": next(
                (name for name in ("active", "hold", "incoming", "corrupt") if name in states), "deferred"
            ),
            "queue_id": message.id,
            "arrival_time": int(message.created),
            "message_size": message.size,
            "forced_expire": False,
            "sender": _sender(message),
            "recipients": [_json_recipient(to) for to in message.recipients],
        }
        yield msgspec.json.encode(row).decode("utf-8")


def qshape(ages: words.Ages) -> Iterator[str]:
    """`qshape`: recipients by domain, and by the age of their messages in minutes."""
    heads = [f"{edge / 60:.0f}" for edge in ages.edges]
    heads.append(f"{heads[-1]}+")
    rows = [("TOTAL", tuple(map(sum, zip(*(row.counts for row in ages.rows), strict=True))) or (0,) * len(heads))]
    rows += [(row.domain, row.counts) for row in ages.rows]
    cells = [("", "T", *heads)] + [
        (harmless(name)[-_SHOWN:], str(sum(counts)), *map(str, counts)) for name, counts in rows
    ]
    widths = [max(2, *(len(row[n]) for row in cells)) for n in range(len(cells[0]))]
    for name, *counts in cells:
        yield f"{name:>{_DOMAIN}} " + " ".join(
            cell.rjust(width) for cell, width in zip(counts, widths[1:], strict=True)
        )


def _sender(message: words.QueuedMessage) -> str:
    return harmless(message.sender) or "MAILER-DAEMON"


def _arrival(when: float) -> str:
    return datetime.fromtimestamp(when).astimezone().strftime("%a %b %e %H:%M:%S")


def _reason(to: words.QueuedTo) -> str:
    return harmless(f"host {to.remote} said: {to.last}" if to.remote else to.last)


def _json_recipient(to: words.QueuedTo) -> dict[str, str]:
    reason = _reason(to)
    return {"address": to.address, "delay_reason": reason} if reason else {"address": to.address}


# What `queue list --format` takes.
SHAPES = {"postqueue": postqueue, "postqueue-json": postqueue_json}
