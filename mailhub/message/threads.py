"""THREADID (RFC 8474 section 5.2): messages that answer one another have one, made of what they name first."""

import re

from mailhub.model.mailbox import object_id

from . import headers

_ID = re.compile(rb"<[^<> \t\r\n]{1,900}>")


def thread_id(header: bytes) -> str | None:
    """From a message's header; None where it names nothing. The oldest message that it refers to, or else itself."""
    for name in (b"references", b"in-reply-to", b"message-id"):
        value = headers.first(header, name)
        found = _ID.search(value) if value else None
        if found:
            return "T" + object_id(found[0])
    return None
