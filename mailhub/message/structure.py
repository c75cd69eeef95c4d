"""What IMAP says of a message: ENVELOPE, BODY, BODYSTRUCTURE (RFC 9051 section 7.5.2), from its tree of parts.

Where the RFC leaves a choice, or a message breaks it, the answer is Dovecot's, so that clients see nothing new.
"""

from collections.abc import Callable

from . import parameters
from .address_list import Group, Mailbox
from .address_list import parse as parse_addresses
from .parameters import Parameters
from .parts import MESSAGE, MULTIPART, RFC822, TEXT, TEXT_PLAIN, Part, parse
from .window import Window

_QUOTABLE = bytes(n for n in range(1, 128) if n not in b'\r\n"\\')
_LITERAL_ONLY = b"\r\n" + bytes(range(128, 256))
_MAX_ESCAPES = 4  # in a quoted string, as Dovecot has it
_LANGUAGES = 50


def nstring(value: bytes | None) -> bytes:
    """NIL, a quoted string, or a literal where the octets need one (RFC 9051 section 4.3). NUL can not be sent: it goes."""
    if value is None:
        return b"NIL"
    if not value.translate(None, _QUOTABLE):
        return b'"%b"' % value
    value = value.replace(b"\0", b"")
    specials = value.count(b'"') + value.count(b"\\")
    if specials > _MAX_ESCAPES or len(value) != len(value.translate(None, _LITERAL_ONLY)):
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _addresses(value: bytes | None) -> bytes:
    """A list of addresses; where a side is missing it says so as Dovecot does, for NIL would mean a group."""
    found = parse_addresses(value) if value else ()
    if not found:
        return b"NIL"
    out: list[bytes] = []
    for entry in found:
        if isinstance(entry, Mailbox):
            out.append(_address(entry))
        else:
            out += _group(entry)
    return b"(%b)" % b"".join(out)


def _address(mailbox: Mailbox) -> bytes:
    local, domain = mailbox.local or b"MISSING_MAILBOX", mailbox.domain or b"MISSING_DOMAIN"
    return b"(%b %b %b %b)" % (nstring(mailbox.name), nstring(mailbox.route), nstring(local), nstring(domain))


def _group(group: Group) -> list[bytes]:
    return [
        b"(NIL NIL %b NIL)" % nstring(group.name),
        *[_address(mailbox) for mailbox in group.mailboxes],
        b"(NIL NIL NIL NIL)",
    ]


def envelope(part: Part) -> bytes:
    """ENVELOPE of a message: From stands in for Sender and Reply-To where they are missing or empty."""
    get = part.fields.get
    origin = _addresses(get(b"from"))
    sender, reply_to = _addresses(get(b"sender")), _addresses(get(b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(get(b"date")),
        nstring(get(b"subject")),
        origin,
        origin if sender == b"NIL" else sender,
        origin if reply_to == b"NIL" else reply_to,
        _addresses(get(b"to")),
        _addresses(get(b"cc")),
        _addresses(get(b"bcc")),
        nstring(get(b"in-reply-to")),
        nstring(get(b"message-id")),
    )


def bodystructure(part: Part) -> bytes:
    """BODYSTRUCTURE: with extension data."""
    out: list[bytes] = []
    _write(part, out, _extension)
    return b"".join(out)


def body(part: Part) -> bytes:
    """BODY: the structure without extension data."""
    out: list[bytes] = []
    _write(part, out, lambda _: b"")
    return b"".join(out)


def _write(part: Part, out: list[bytes], extension: Callable[[Part], bytes]) -> None:
    if part.multipart:
        out.append(b"(")
        for child in part.parts:
            _write(child, out, extension)
        out.append(b" %b%b)" % (nstring(part.subtype), extension(part)))
        return
    kind, subtype, params = part.type, part.subtype, part.params
    if not part.parts:  # what was not entered is shown as what it is to a client: something without parts
        if kind == MULTIPART:
            (kind, subtype), params = TEXT_PLAIN, ()
        elif kind == MESSAGE and subtype == RFC822:
            kind, subtype = b"application", b"octet-stream"
    get = part.fields.get
    out.append(
        b"(%b %b %b %b %b %b %d"
        % (
            nstring(kind),
            nstring(subtype),
            _params(params, kind),
            nstring(get(b"content-id")),
            nstring(get(b"content-description")),
            nstring(part.encoding),
            part.end - part.body,
        )
    )
    if part.message:
        inner = part.parts[0]
        out.append(b" %b " % envelope(inner))
        _write(inner, out, extension)
    if part.message or kind == TEXT:
        out.append(b" %d" % part.lines)
    out.append(extension(part) + b")")


def _params(params: Parameters, kind: bytes) -> bytes:
    """body-fld-param; text without a charset is in us-ascii (RFC 2045 section 5.2)."""
    pairs = [b"%b %b" % (nstring(name), nstring(value)) for name, value in params]
    if kind == TEXT and not any(name == b"charset" for name, _ in params):
        pairs.append(b'"charset" "us-ascii"')
    return b"(%b)" % b" ".join(pairs) if pairs else b"NIL"


def has_attachment(bodystructure: bytes) -> bool:
    """Whether a rendered BODYSTRUCTURE has a part that is there to be kept, not to be shown."""
    return b'("attachment" ' in bodystructure or b'("application" ' in bodystructure


def _extension(part: Part) -> bytes:
    """MD5 (or a multipart's parameters), disposition, language, location: each with a space before it."""
    get = part.fields.get
    own = _params(part.params, b"") if part.multipart else nstring(get(b"content-md5"))
    disposition, language = b"NIL", b"NIL"
    if value := get(b"content-disposition"):
        head, params = parameters.parse(value)
        if head or params:
            disposition = b"(%b %b)" % (nstring(head.lower()), _params(params, b""))
    if value := get(b"content-language"):
        tags = [nstring(tag) for each in value.split(b",")[:_LANGUAGES] if (tag := parameters.plain(each))]
        language = b"(%b)" % b" ".join(tags) if tags else b"NIL"
    return b" %b %b %b %b" % (own, disposition, language, nstring(get(b"content-location")))


def render(data: bytes | Window) -> tuple[bytes, bytes]:
    """ENVELOPE and BODYSTRUCTURE by one parse: what the index keeps of a message. Raises as `parse` does."""
    part = parse(data)
    return envelope(part), bodystructure(part)
