"""What a submission server mends in a message of its user (RFC 6409 section 8): Date, Message-ID and From where they are
missing, Bcc taken away. Everything else stays byte for byte."""

from .headers import FIELD

_BLIND = (b"bcc", b"resent-bcc")


def repaired(header: bytes, *, date: str, message_id: str, sender: str) -> bytes:
    """`header`: lines with CRLF, without the blank line behind them. `sender`: an address, "" for none.

    What is added stands at the end of the header. Text that begins with no field at all is a body that lacks its header.
    """
    if header and not FIELD.match(header):
        return repaired(b"", date=date, message_id=message_id, sender=sender) + b"\r\n" + header
    names = {found[1].lower() for found in FIELD.finditer(header)}
    if not names.isdisjoint(_BLIND):
        header = _without(header, _BLIND)
    added = b""
    if b"date" not in names:
        added += f"Date: {date}\r\n".encode()
    if b"message-id" not in names:
        added += f"Message-ID: {message_id}\r\n".encode()
    if b"from" not in names and sender:
        added += f"From: <{sender}>\r\n".encode()
    return header + added


def _without(header: bytes, names: tuple[bytes, ...]) -> bytes:
    """The header without the fields of those names, folded lines and all."""
    kept, at = [], 0
    for found in FIELD.finditer(header):
        if found[1].lower() in names:
            kept.append(header[at : found.start()])
            at = min(found.end() + 1, len(header))  # the line end of its last line
    kept.append(header[at:])
    return b"".join(kept)
