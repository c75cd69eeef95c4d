"""Authentication-Results (RFC 8601): ours written, forged ones of our name taken out. X-Mailhub-Verdict beside it."""

import re
from collections.abc import Sequence

from .headers import FIELD, unfold

FIELD_NAME = b"Authentication-Results"
VERDICT = b"X-Mailhub-Verdict"
# authserv-id = value, after CFWS; a value is a token or a quoted-string (RFC 2045 section 5.1)
_ID = re.compile(rb'[ \t]*+(?:"((?:[^"\\]|\\.)*)"|([^\s;()"]++))')
_UNFIT = re.compile(r"[^!-~]|[();\\\"]")  # not in a token of ours nor, with spaces, in a comment
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/@:-]+\Z")
_COMMENT = 200
_SPEAKS = {b"spf=pass": b"smtp.mailfrom=", b"dkim=pass": b"header.d="}  # whose domain that result is about
_OUTSIDE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[(;]|[ \t\r\n]++|[^ \t\r\n"();\\]++', re.DOTALL)  # of comments
_INSIDE = re.compile(rb"\\.|[()]|[^()\\]++", re.DOTALL)


def comment(text: str) -> str:
    """A reason as a comment (RFC 5322 section 3.2.2), harmless and of moderate length; "" for none."""
    plain = " ".join(_UNFIT.sub("?", word) for word in text[:_COMMENT].split())
    return f"({plain})" if plain else ""


def value(text: str) -> str:
    """A property's value: a token where it can be one, else a quoted string; what is not printable ASCII becomes "?", and so does ";", which
    careless readers take for the end of a result wherever it stands."""
    text = text[:255]
    if _TOKEN.match(text):
        return text
    return '"' + re.sub(r"[^ -~]|;", "?", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def resinfo(method: str, result: str, reason: str = "", **properties: str) -> str:
    """One result: `resinfo("spf", "pass", smtp_mailfrom="example.org")`; "_" stands for the "." of ptype.property."""
    words = [f"{method}={result}", comment(reason)]
    words += [f"{name.replace('_', '.', 1)}={value(text)}" for name, text in properties.items() if text]
    return " ".join(word for word in words if word)


def field(authserv_id: str, methods: Sequence[str]) -> bytes:
    """The whole field, a line for each method; b"" where there are none."""
    if not methods:
        return b""
    lines = [value(authserv_id), *methods]
    return FIELD_NAME + b": " + ";\r\n\t".join(lines).encode("ascii", "replace") + b"\r\n"


def authserv(field_value: bytes) -> bytes | None:
    """The authserv-id of a field, in lower case; None where it can not be read."""
    rest = _behind_comments(unfold(field_value))
    found = _ID.match(rest) if rest is not None else None
    if found is None:
        return None
    quoted, token = found.groups()
    return (token if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)).lower()


def _behind_comments(text: bytes) -> bytes | None:
    """What follows the comments at the start; None where one has no end."""
    text = text.lstrip()
    while text.startswith(b"("):
        depth = at = 0
        while at < len(text):
            sign = text[at : at + 1]
            depth += (sign == b"(") - (sign == b")")
            at += 2 if sign == b"\\" else 1
            if not depth:
                break
        if depth:
            return None
        text = text[at:].lstrip()
    return text


def results(field_value: bytes) -> list[tuple[bytes, ...]]:
    """What stands between the ";" of a field (the authserv-id is the first), word by word: comments left out, quoted strings without
    their quotes. Senders choose some of those strings: nothing in one is a word or a ";". ValueError where a string or comment has no end."""
    found: list[tuple[bytes, ...]] = []
    words: list[bytes] = []
    depth = at = 0
    goes_on = False  # the last word
    while at < len(field_value):
        token = (_INSIDE if depth else _OUTSIDE).match(field_value, at)
        if token is None:
            raise ValueError("a string or a comment is broken")
        text, at = token[0], token.end()
        if depth or text == b"(":
            depth += (text == b"(") - (text == b")")
        elif text == b";":
            found.append(tuple(words))
            words = []
        elif not text.isspace():
            if text[:1] == b'"':
                text = re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)
            words[len(words) - goes_on :] = [words[-1] + text if goes_on else text]
            goes_on = True
            continue
        goes_on = False
    if depth:
        raise ValueError("a comment has no end")
    return [*found, tuple(words)]


def passed(header: bytes, authserv_id: str) -> frozenset[str]:
    """Domains that by our own results in a stored message SPF (of MAIL FROM) or DKIM spoke for, in lower case."""
    found: set[str] = set()
    for field_found in FIELD.finditer(header):
        if field_found[1].lower() != FIELD_NAME.lower() or authserv(field_found[2]) != authserv_id.lower().encode():
            continue
        try:
            told = results(field_found[2])
        except ValueError:
            continue
        for words in told:
            start = _SPEAKS.get(words[0]) if words else None
            spoken = [one[len(start) :] for one in words if start is not None and one.startswith(start)]
            found.update(one.rpartition(b"@")[2].decode("ascii", "replace").lower() for one in spoken)
    return frozenset(found)


def without_ours(header: bytes, authserv_id: str) -> bytes:
    """A header that a stranger brought, without what only we may say: Authentication-Results of our name (RFC 8601 section 5), or of
    a name that can not be read, and X-Mailhub-Verdict."""
    lower = header.lower()
    if FIELD_NAME.lower() not in lower and VERDICT.lower() not in lower:
        return header
    own, kept, at = authserv_id.lower().encode(), [], 0
    for found in FIELD.finditer(header):
        name = found[1].lower()
        forged = name == VERDICT.lower() or (name == FIELD_NAME.lower() and authserv(found[2]) in (own, None))
        if forged:
            kept.append(header[at : found.start()])
            at = found.end() + 1
    return b"".join([*kept, header[at:]])
