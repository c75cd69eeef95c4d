"""Authentication-Results (RFC 8601): ours written, forged ones of our name taken out. X-Mailhub-Verdict beside it."""

import re
from collections.abc import Sequence

from .headers import FIELD, unfold

FIELD_NAME = b"Authentication-Results"
VERDICT = b"X-Mailhub-Verdict"
# authserv-id = value, after CFWS; a value is a token or a quoted-string (RFC 2045 section 5.1)
_ID = re.compile(rb'[ \t]*+(?:"((?:[^"\\]|\\.)*)"|([^\s;()"]++))')
_UNFIT = re.compile(r"[^!-~]|[()\\\"]")  # not in a token of ours nor, with spaces, in a comment
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/@:-]+\Z")
_COMMENT = 200
_PASSED = re.compile(rb"(?:spf=pass\b.* smtp\.mailfrom|dkim=pass\b.* header\.d)=\"?([^\s\";]+)")


def comment(text: str) -> str:
    """A reason as a comment (RFC 5322 section 3.2.2), harmless and of moderate length; "" for none."""
    plain = " ".join(_UNFIT.sub("?", word) for word in text[:_COMMENT].split())
    return f"({plain})" if plain else ""


def value(text: str) -> str:
    """A property's value: a token where it can be one, else a quoted string; what is not printable ASCII becomes "?"."""
    text = text[:255]
    if _TOKEN.match(text):
        return text
    return '"' + re.sub(r"[^ -~]", "?", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


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


def passed(header: bytes, authserv_id: str) -> frozenset[str]:
    """Domains that by our own results in a stored message SPF (of MAIL FROM) or DKIM spoke for, in lower case."""
    found: set[str] = set()
    for field_found in FIELD.finditer(header):
        if field_found[1].lower() != FIELD_NAME.lower() or authserv(field_found[2]) != authserv_id.lower().encode():
            continue
        for result in unfold(field_found[2]).split(b";"):
            if (proof := _PASSED.match(result.strip())) is not None:
                found.add(proof[1].rpartition(b"@")[2].decode("ascii", "replace").lower())
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
