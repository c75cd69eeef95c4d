"""Address lists as ENVELOPE shows them (RFC 5322 section 3.4, obsolete forms included): lenient, linear, never raising."""

import re
from collections.abc import Iterator

from msgspec import Struct

LIMIT = 2_000  # addresses read from one field


class Mailbox(Struct, frozen=True):
    """One address; octets as written, quotes and backslashes taken off. `local` or `domain` is b"" where it was missing.
    `route`: the hosts of an obs-route, as in <@a,@b:local@domain>."""

    name: bytes | None
    local: bytes
    domain: bytes
    route: bytes | None = None


class Group(Struct, frozen=True):
    """`name: mailbox, mailbox;`"""

    name: bytes
    mailboxes: tuple[Mailbox, ...]


# What nearly all addresses look like, up to the comma or the end: `a@b`, `<a@b>`, `Name of One <a@b>`, `"Name, of One" <a@b>`.
_ATEXT = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-."
_COMMON = re.compile(
    rb"[ \t]*+(?:(?:\"([^\"\\\x00-\x1f\x7f]++)\"|(%(a)b++(?: %(a)b++)*))?[ \t]*+<(%(d)b++)@(%(d)b++)>|(%(d)b++)@(%(d)b++))"
    rb"[ \t]*+(?:,|\Z)" % {b"a": rb"[%b\x80-\xff]" % _ATEXT, b"d": rb"[%b]" % _ATEXT}
)  # fmt: skip

_TOKEN = re.compile(
    rb"[ \t\r\n]++"
    rb'|"((?:[^"\\]++|\\.)*)"?+'  # quoted-string, also one that nobody closed
    rb"|(\[[^\]]*+\]?+)"  # domain-literal
    rb'|([^ \t\r\n"(<>@,:;\[]++)'  # atoms and dots
    rb"|([<>@,:;])"
    rb"|(\()",
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT_SIGN = re.compile(rb"[()]|\\.", re.DOTALL)

_Word = tuple[str, bytes]  # kind: "a" atom, "q" quoted string, "c" comment, or the special itself; and the text


def parse(value: bytes) -> tuple[Mailbox | Group, ...]:
    """The addresses of an unfolded field in their order, LIMIT at the most."""
    out: list[Mailbox | Group] = []
    at = 0
    while match := _COMMON.match(value, at):
        quoted, phrase, local, domain, bare, bare_domain = match.groups()
        out.append(Mailbox(None, bare, bare_domain) if local is None else Mailbox(quoted or phrase, local, domain))
        at = match.end()
        if at >= len(value) or len(out) >= LIMIT:
            return tuple(out)
    return (*out, *_general(_words(value, at), LIMIT - len(out)))


def mailboxes(value: bytes) -> Iterator[Mailbox]:
    """The addresses of a field, those in groups, too."""
    for item in parse(value):
        yield from (item,) if isinstance(item, Mailbox) else item.mailboxes


def _words(value: bytes, at: int) -> list[_Word]:
    out: list[_Word] = []
    while match := _TOKEN.match(value, at):
        at = match.end()
        kind = match.lastindex
        if kind == 1:
            text = match[1]
            out.append(("q", _ESCAPED.sub(rb"\1", text) if b"\\" in text else text))
        elif kind == 5:
            at, text = _comment(value, at)
            out.append(("c", text))
        elif kind == 4:
            out.append((match[4].decode(), b""))
        elif kind is not None:
            out.append(("a", match[0]))
    return out


def _comment(value: bytes, start: int) -> tuple[int, bytes]:
    """The text of a comment whose "(" stands before `start`; comments may be nested."""
    depth = 1
    for sign in _COMMENT_SIGN.finditer(value, start):
        if sign[0] == b"(":
            depth += 1
        elif sign[0] == b")":
            depth -= 1
            if not depth:
                return sign.end(), _ESCAPED.sub(rb"\1", value[start : sign.start()]).strip()
    return len(value), _ESCAPED.sub(rb"\1", value[start:]).strip()


def _general(words: list[_Word], limit: int) -> list[Mailbox | Group]:
    out: list[Mailbox | Group] = []
    pending: list[_Word] = []  # of the mailbox that is being read
    group: bytes | None = None
    members: list[Mailbox] = []
    count, angle, route = 0, False, False  # inside <...>; inside its obs-route, where commas divide hosts
    for kind, text in [*words, (",", b"")]:
        if count >= limit:
            break
        if kind == ":" and not angle and group is None:
            group, members, pending = _phrase(pending), [], []
        elif kind == ";" or (kind == "," and not route):
            mailbox = _mailbox(pending)
            pending, angle, route = [], False, False
            if mailbox is not None:
                (out if group is None else members).append(mailbox)
                count += 1
            if kind == ";" and group is not None:
                out.append(Group(group, tuple(members)))
                group = None
                count += 1
        else:
            route = (kind == "@" and angle and pending[-1][0] == "<") or (route and kind not in ":>")
            angle = kind == "<" or (angle and kind != ">")
            pending.append((kind, text))
    if pending and (mailbox := _mailbox(pending)) is not None and count < limit:  # an angle bracket nobody closed
        (out if group is None else members).append(mailbox)
    if group is not None:
        out.append(Group(group, tuple(members)))
    return out


def _phrase(words: list[_Word]) -> bytes:
    return b" ".join([text for kind, text in words if kind in "aq"])


def _mailbox(words: list[_Word]) -> Mailbox | None:
    comment = next((text for kind, text in reversed(words) if kind == "c" and text), None)
    words = [word for word in words if word[0] != "c"]
    name: bytes | None = None
    route: bytes | None = None
    opening = next((n for n, (kind, _) in enumerate(words) if kind == "<"), -1)
    if opening >= 0:
        name = _phrase(words[:opening]) or None
        words = words[opening + 1 :]
        closing = next((n for n, (kind, _) in enumerate(words) if kind == ">"), len(words))
        words = words[:closing]
        colon = next((n for n in range(len(words) - 1, -1, -1) if words[n][0] == ":"), -1)  # obs-route = "@a,@b:"
        if colon >= 0 and words[0][0] == "@":
            route = b"".join([text or kind.encode() for kind, text in words[:colon]])
        words = words[colon + 1 :]
    at = next((n for n, (kind, _) in enumerate(words) if kind == "@"), len(words))
    before = list(_runs(words[:at]))
    local, domain = b" ".join(before), next(_runs(words[at + 1 :]), b"")
    if opening < 0 and at == len(words) and len(before) > 1:  # words without an address are a name
        name, local = local, b""
    return Mailbox(name or comment, local, domain, route) if name or local or domain else None


def _runs(words: list[_Word]) -> Iterator[bytes]:
    """Words joined where a dot stands between them: `a . b c` is `a.b` and `c`."""
    pieces: list[bytes] = []
    for kind, text in words:
        if kind not in "aq":
            break
        if pieces and not (text.startswith(b".") or pieces[-1].endswith(b".")):
            yield b"".join(pieces)
            pieces = []
        pieces.append(text)
    if pieces:
        yield b"".join(pieces)
