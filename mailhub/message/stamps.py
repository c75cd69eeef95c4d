"""The lines that a mail host puts before a message: Received, Return-Path, Delivered-To; dates and Message-IDs."""

import re
from email.utils import formatdate

from mailhub.model.envelope import Origin

_ODD = re.compile(r"[^!-'*-\[\]-~]")  # what may not stand in a Received clause: controls, space, "(", ")", "\\", 8-bit
_CLAUSE_LIMIT = 255


def _clean(text: str) -> str:
    """Client text for a clause of Received: octets that could end or forge one are written as "?"."""
    return _ODD.sub("?", text)[:_CLAUSE_LIMIT]


def date_time(when: float) -> str:
    """RFC 5322 section 3.3, in UTC."""
    return formatdate(when, usegmt=False)[:-5] + "+0000"


def received(origin: Origin, hostname: str, queue_id: str, recipient: str | None, when: float) -> bytes:
    """A Received field (RFC 5321 section 4.4, RFC 3848). `recipient` only where there is a single one."""
    client = f"[{'IPv6:' if ':' in origin.client else ''}{_clean(origin.client)}]"
    lines = [f"Received: from {_clean(origin.helo) or 'unknown'} ({client})"]
    if origin.tls:
        lines.append(f"\t(using {origin.tls})" if "(" not in origin.tls else f"\t(using {_clean(origin.tls)})")
    lines.append(f"\tby {hostname} (mailhub) with {origin.protocol} id {queue_id}")
    if recipient is not None:
        lines.append(f"\tfor <{recipient}>")
    text = "\r\n".join(lines) + f";\r\n\t{date_time(when)}\r\n"
    return text.encode("utf-8", "replace")


def return_path(sender: str) -> bytes:
    return f"Return-Path: <{sender}>\r\n".encode("utf-8", "replace")


def delivered_to(address: str) -> bytes:
    return f"Delivered-To: {address}\r\n".encode("utf-8", "replace")


def message_id(queue_id: str, hostname: str) -> str:
    return f"<{queue_id}@{hostname}>"
