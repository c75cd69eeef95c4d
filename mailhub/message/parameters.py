"""`value; name=value; ...` of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231)."""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

Parameters = tuple[tuple[bytes, bytes], ...]

LIMIT = 100  # parameters read of one field
_COMMENT = re.compile(rb"\([^()\\\"]*+\)")
# name = value, where value is a quoted string (also one that nobody closed) or runs to the next ";"
_PARAMETER = re.compile(
    rb"([^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f-\xff]++)\s*+=\s*+(?:\"((?:[^\"\\]++|\\.)*)\"?+[^;]*+|([^;]*+))",
    re.DOTALL,
)
_BETWEEN = re.compile(rb"[;\s]*+")
_OTHER = re.compile(rb"[^;]*+;?+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_NUMBERED = re.compile(rb"([^*]+)\*([0-9]{1,3})(\*?)")


def parse(value: bytes) -> tuple[bytes, Parameters]:
    """The first word of the field, and its parameters with names in lower case; `value` is unfolded."""
    head, semicolon, rest = value.partition(b";")
    if not semicolon:
        return plain(head), ()
    found: list[tuple[bytes, bytes]] = []
    at, end, split = 0, len(rest), False
    while at < end and len(found) < LIMIT:
        if between := _BETWEEN.match(rest, at):
            at = between.end()
        match = _PARAMETER.match(rest, at)
        if match is None:
            skipped = _OTHER.match(rest, at)
            at = skipped.end() if skipped else end
            continue
        at = match.end()
        name, quoted, token = match[1].lower(), match[2], match[3]
        if token is not None:
            text = plain(token)
        else:
            text = _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        split = split or b"*" in name
        found.append((name, text))
    return plain(head), _joined(found) if split else tuple(found)


def plain(text: bytes) -> bytes:
    """A token without comments and white space around it."""
    if b"(" in text:
        text = _COMMENT.sub(b"", text).partition(b"(")[0]
    return text.strip(b" \t\r\n")


def _joined(found: list[tuple[bytes, bytes]]) -> Parameters:
    """`name*0`, `name*1` ... as one `name` (RFC 2231 section 3), or one `name*` where a piece is percent-encoded."""
    out: list[tuple[bytes, bytes]] = []
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, text in found:
        numbered = _NUMBERED.fullmatch(name)
        if numbered is None:
            out.append((name, text))
        else:
            pieces.setdefault(numbered[1], {}).setdefault(int(numbered[2]), (text, bool(numbered[3])))
    for name, by_number in pieces.items():
        run: list[tuple[bytes, bool]] = []
        while (piece := by_number.pop(len(run), None)) is not None:
            run.append(piece)
        # pieces that no run from 0 leads to stay as they are
        out += [(b"%b*%d%b" % (name, n, b"*" * mark), text) for n, (text, mark) in by_number.items()]
        if not run:
            continue
        if any(encoded for _, encoded in run):
            joined = b"".join([text if encoded else quote_from_bytes(text).encode() for text, encoded in run])
            out.append((name + b"*", joined))
        else:
            out.append((name, b"".join([text for text, _ in run])))
    return tuple(out)


def extended_value(text: bytes) -> tuple[str, bytes]:
    """`charset'language'percent-encoded` as charset and octets (RFC 2231 section 4)."""
    charset, first, rest = text.partition(b"'")
    _, second, encoded = rest.partition(b"'")
    if not (first and second):
        return "utf-8", unquote_to_bytes(text)
    return charset.decode("ascii", "ignore"), unquote_to_bytes(encoded)
