"""Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3), INBOX in any case, and the wildcards of LIST."""

import base64
import binascii

INBOX = "INBOX"


def decode(raw: bytes) -> str:
    """The Unicode name. Names in plain UTF-8, as some clients send them, are taken as such; ValueError for neither."""
    if not raw.isascii():
        return raw.decode("utf-8")
    if b"&" not in raw:
        return raw.decode("ascii")
    out: list[str] = []
    at = 0
    while (start := raw.find(b"&", at)) >= 0:
        out.append(raw[at:start].decode("ascii"))
        end = raw.find(b"-", start)
        if end < 0:
            raise ValueError("modified UTF-7 without its end")
        out.append(_shifted(raw[start + 1 : end]))
        at = end + 1
    out.append(raw[at:].decode("ascii"))
    return "".join(out)


def _shifted(text: bytes) -> str:
    if not text:
        return "&"
    try:
        units = base64.b64decode(text.replace(b",", b"/") + b"=" * (-len(text) % 4), validate=True)
        return units.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not modified UTF-7: {text[:40]!r}") from error


def encode(name: str) -> bytes:
    """The name as a client that knows only RFC 3501 reads it."""
    out: list[bytes] = []
    run: list[str] = []
    for char in name:
        if " " <= char <= "~":
            if run:
                out.append(_shift("".join(run)))
                run.clear()
            out.append(b"&-" if char == "&" else char.encode("ascii"))
        else:
            run.append(char)
    if run:
        out.append(_shift("".join(run)))
    return b"".join(out)


def _shift(text: str) -> bytes:
    encoded = base64.b64encode(text.encode("utf-16-be", "surrogatepass"))
    return b"&" + encoded.rstrip(b"=").replace(b"/", b",") + b"-"


def canonical(name: str, separator: str) -> str:
    """INBOX and the first level INBOX in capitals: they mean the same in any case (RFC 3501 section 5.1)."""
    first, found, rest = name.partition(separator)
    return INBOX + found + rest if first.upper() == INBOX else name


def matches(pattern: str, name: str, separator: str) -> bool:
    """Whether LIST's `pattern` covers `name`: "*" any run, "%" any run without the separator.

    On a mismatch only the last "%", then the last "*" is widened, so the time is bounded by the product of the lengths.
    """
    p = n = 0
    star = star_n = percent = percent_n = -1
    while n < len(name):
        char = pattern[p] if p < len(pattern) else ""
        if char == "*":
            star, star_n, percent = p, n, -1
            p += 1
        elif char == "%":
            percent, percent_n = p, n
            p += 1
        elif char == name[n]:
            p += 1
            n += 1
        elif percent >= 0 and name[percent_n] != separator:
            percent_n += 1
            p, n = percent + 1, percent_n
        elif star >= 0:
            star_n += 1
            p, n, percent = star + 1, star_n, -1
        else:
            return False
    return not pattern[p:].strip("*%")
