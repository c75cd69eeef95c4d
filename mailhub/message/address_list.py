"""Address lists as ENVELOPE shows them (RFC 5322 section 3.4): lenient, linear, never raising."""

from dataclasses import dataclass

_LIMIT = 2_000  # addresses read from one field


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address. `name` is the raw phrase without quotes, or None; `domain` None marks the start or end of a group."""

    name: bytes | None
    local: bytes | None
    domain: bytes | None


def _tokens(value: bytes) -> list[tuple[str, bytes]]:
    """Words, quoted strings, comments and specials: kinds "a", "q", "c" and the special itself."""
    out: list[tuple[str, bytes]] = []
    position, length = 0, len(value)
    while position < length:
        octet = value[position]
        if octet in b" \t\r\n":
            position += 1
        elif octet == 0x22:
            end, text = _quoted(value, position + 1, b'"')
            out.append(("q", text))
            position = end
        elif octet == 0x28:
            end, text = _comment(value, position + 1)
            out.append(("c", text))
            position = end
        elif octet == 0x5B:
            close = value.find(b"]", position)
            close = length - 1 if close < 0 else close
            out.append(("a", value[position : close + 1]))
            position = close + 1
        elif octet in b"<>@,:;":
            out.append((chr(octet), b""))
            position += 1
        else:
            start = position
            while position < length and value[position] not in b' \t\r\n"(<>@,:;[':
                position += 1
            out.append(("a", value[start:position]))
    return out


def _quoted(value: bytes, position: int, close: bytes) -> tuple[int, bytes]:
    out = bytearray()
    while position < len(value):
        octet = value[position]
        if octet == 0x5C and position + 1 < len(value):
            position += 1
            out.append(value[position])
        elif octet == close[0]:
            return position + 1, bytes(out)
        elif octet not in b"\r\n":
            out.append(octet)
        position += 1
    return position, bytes(out)


def _comment(value: bytes, position: int) -> tuple[int, bytes]:
    out, depth = bytearray(), 1
    while position < len(value):
        octet = value[position]
        if octet == 0x5C and position + 1 < len(value):
            position += 1
            octet = value[position]
        elif octet == 0x28:
            depth += 1
        elif octet == 0x29:
            depth -= 1
            if not depth:
                return position + 1, bytes(out)
        out.append(octet)
        position += 1
    return position, bytes(out)


def parse(value: bytes) -> tuple[Mailbox, ...]:
    """The addresses of a field in their order; group marks as RFC 9051 section 7.5.2 writes them."""
    out: list[Mailbox] = []
    words: list[tuple[str, bytes]] = []
    in_group = False
    for kind, text in [*_tokens(value), (",", b"")]:
        if len(out) >= _LIMIT:
            break
        if kind == ":" and not in_group and "<" not in [k for k, _ in words]:
            out.append(Mailbox(None, b" ".join(t for k, t in words if k in "aq"), None))
            words, in_group = [], True
        elif kind in ",;":
            if words:
                mailbox = _mailbox(words)
                if mailbox is not None:
                    out.append(mailbox)
                words = []
            if kind == ";" and in_group:
                out.append(Mailbox(None, None, None))
                in_group = False
        else:
            words.append((kind, text))
    if in_group:
        out.append(Mailbox(None, None, None))
    return tuple(out)


def _mailbox(words: list[tuple[str, bytes]]) -> Mailbox | None:
    kinds = [kind for kind, _ in words]
    name: bytes | None
    if "<" in kinds:
        open_at = kinds.index("<")
        name = b" ".join(text for kind, text in words[:open_at] if kind in "aq") or None
        address = words[open_at + 1 :]
        if ">" in kinds[open_at:]:
            address = address[: kinds[open_at:].index(">") - 1]
        if any(kind == ":" for kind, _ in address):  # an obsolete source route
            last = max(n for n, (kind, _) in enumerate(address) if kind == ":")
            address = address[last + 1 :]
    else:
        comments = [text for kind, text in words if kind == "c"]
        name, address = (comments[-1] if comments else None), words
    address = [(kind, text) for kind, text in address if kind != "c"]
    at = max((n for n, (kind, _) in enumerate(address) if kind == "@"), default=-1)
    if at < 0:
        local = b"".join(text for kind, text in address if kind in "aq")
        return Mailbox(name, local, b"") if local or name else None
    local = b"".join(text if kind in "aq" else b"@" for kind, text in address[:at])
    return Mailbox(name, local, b"".join(text for kind, text in address[at + 1 :] if kind in "aq"))
