"""A message made of its parts, as a person writes one: to addresses, with text, HTML, pictures in it and attachments. Pure."""

import email
import email.policy
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from email.headerregistry import Address, Group
from email.message import EmailMessage

from msgspec import Struct

from . import address_list, html_text

ADDRESSES = 1_000  # of one message
_TYPE = re.compile(r"([A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})/([A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})")
_ID = re.compile(r"<[!-;=?A-Z\[-~^_a-z@]{3,990}>")
_CID = re.compile(r"[A-Za-z0-9._-]{1,100}(?:@[A-Za-z0-9.-]{1,100})?")
_PLAIN_POLICY = email.policy.SMTP
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_STAND_IN = re.compile(rb"message ([0-9a-f]{64})")
_LINE = 998  # octets (RFC 5322 section 2.1.1)


class Person(Struct, frozen=True):
    """An address with a name, "" for none."""

    name: str
    address: str


class Attachment(Struct, frozen=True):
    """`cid`: the HTML shows it (`cid:...`), and it is no attachment then."""

    name: str
    type: str
    content: bytes
    cid: str = ""


class Letter(Struct, frozen=True):
    """`date`: as it stands in the field. `in_reply_to`, `references`: Message-IDs with their brackets. Who stands in `bcc` is in no
    field, but of a draft."""

    sender: Person
    date: str
    message_id: str
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    wants_receipt: bool = False  # a note that it was displayed (RFC 8098)
    is_draft: bool = False

    @property
    def recipients(self) -> tuple[str, ...]:
        """Each once, in their order."""
        return tuple(dict.fromkeys(person.address for person in (*self.to, *self.cc, *self.bcc)))


def people(texts: Iterable[str]) -> tuple[Person, ...]:
    """Of "Name <a@b>", "a@b", or several with commas between. ValueError for what is no address."""
    found: list[Person] = []
    for text in texts:
        if not text.isprintable():
            raise ValueError(f"{text!r} is no address")
        entries = list(address_list.mailboxes(text.encode()))
        for one in entries:
            address = f"{one.local.decode()}@{one.domain.decode()}"
            if not one.local or not one.domain or re.search(r"[\s<>,;]", address):
                raise ValueError(f"{text!r} is no address")
            found.append(Person((one.name or b"").decode(), address))
        if not entries:
            raise ValueError(f"{text!r} is no address")
        if len(found) > ADDRESSES:
            raise ValueError(f"more than {ADDRESSES} addresses")
    return tuple(found)


def composed(letter: Letter) -> bytes:
    """The message, lines with CRLF. ValueError where a part can not stand in one."""
    everybody = (letter.sender, *letter.to, *letter.cc, *letter.reply_to, *(letter.bcc if letter.is_draft else ()))
    utf8 = not all(person.address.isascii() for person in everybody)  # RFC 6532
    message = EmailMessage(email.policy.SMTPUTF8 if utf8 else _PLAIN_POLICY)
    message["From"] = _address(letter.sender)
    hidden = letter.bcc if letter.is_draft else ()
    for field, persons in (("Reply-To", letter.reply_to), ("To", letter.to), ("Cc", letter.cc), ("Bcc", hidden)):
        if persons:
            message[field] = [_address(person) for person in persons]
    if not letter.to and not letter.cc and not letter.is_draft:
        message["To"] = [Group("undisclosed-recipients", ())]
    message["Subject"] = _line(letter.subject)
    message["Date"], message["Message-ID"] = letter.date, letter.message_id
    for identifier in (*((letter.in_reply_to,) if letter.in_reply_to else ()), *letter.references):
        if not _ID.fullmatch(identifier):
            raise ValueError(f"{identifier[:100]!r} is no Message-ID")
    if letter.in_reply_to:
        message["In-Reply-To"] = letter.in_reply_to
    if letter.references:
        message["References"] = " ".join(letter.references)
    if letter.wants_receipt:
        message["Disposition-Notification-To"] = str(_address(letter.sender))
    enclosed: dict[str, bytes] = {}
    _fill(message, letter, enclosed)
    made = bytes(message)
    for stand_in, content in enclosed.items():
        made = made.replace(stand_in.encode(), content, 1)
    return made


def _fill(message: EmailMessage, letter: Letter, enclosed: dict[str, bytes]) -> None:
    """`enclosed` gets messages that are put in at the end, by what stands for each until then."""
    if "\0" in letter.text or "\0" in letter.html:
        raise ValueError("NUL can not stand in a text")
    stand_ins = _stand_ins(letter)
    inline = [one for one in letter.attachments if one.cid and letter.html]
    message.set_content(letter.text or html_text.read(letter.html).text, charset="utf-8")
    if letter.html:
        message.add_alternative(letter.html, subtype="html", charset="utf-8")
        part = message.get_payload()[-1]  # type: ignore[index]
        assert isinstance(part, EmailMessage)
        for one in inline:
            if not _CID.fullmatch(one.cid):
                raise ValueError(f"{one.cid[:100]!r} is no Content-ID")
            kind, subtype = _kind(one.type)
            part.add_related(
                one.content, kind, subtype, cid=f"<{one.cid}>", filename=_line(one.name), disposition="inline"
            )
    for one in letter.attachments:
        if one not in inline:
            _attach(message, one, enclosed, stand_ins)


def _attach(message: EmailMessage, one: Attachment, enclosed: dict[str, bytes], stand_ins: Iterator[str]) -> None:
    kind, subtype = _kind(one.type)
    if _is_message(one):
        if message.get_content_type() != "multipart/mixed":
            message.make_mixed()
        stand_in = next(stand_ins)  # the generator would write the message anew
        enclosed[stand_in] = one.content
        message.attach(_enclosed(one, stand_in))
    elif kind == "message":
        message.add_attachment(one.content, maintype="application", subtype="octet-stream", filename=_line(one.name))
    else:
        message.add_attachment(one.content, maintype=kind, subtype=subtype, filename=_line(one.name))


def _is_message(one: Attachment) -> bool:
    """One that can stand in another as it is."""
    content = one.content
    if _kind(one.type) != ("message", "rfc822"):
        return False
    return b"\0" not in content and not _BARE.search(content) and max(map(len, content.split(b"\r\n"))) <= _LINE


def _enclosed(one: Attachment, stand_in: str) -> EmailMessage:
    """A message, octet for octet: it must not be base64 (RFC 2046 section 5.2.1)."""
    part = EmailMessage(_PLAIN_POLICY)
    part["Content-Type"] = "message/rfc822"
    part["Content-Transfer-Encoding"] = "7bit" if one.content.isascii() else "8bit"
    part.add_header("Content-Disposition", "attachment", filename=_line(one.name))
    part.set_payload(stand_in)
    return part


def _stand_ins(letter: Letter) -> Iterator[str]:
    """Words that stand nowhere else in the message."""
    people_there = (letter.sender, *letter.to, *letter.cc, *letter.reply_to, *letter.bcc)
    names = [*(one.name for one in people_there), *(one.name for one in letter.attachments)]
    texts = "\n".join((letter.subject, letter.text, letter.html, *names)).encode("utf-8", "replace")
    contents = (texts, *(one.content for one in letter.attachments))
    taken = {found for content in contents for found in _STAND_IN.findall(content)}
    for number in itertools.count():
        digest = hashlib.sha256(f"{number} {letter.message_id}".encode()).hexdigest()
        if digest.encode() not in taken:
            yield f"message {digest}"


def _kind(text: str) -> tuple[str, str]:
    """What can not be sent as octets in base64 goes as octets without a kind."""
    found = _TYPE.fullmatch(text)
    if found is None:
        return "application", "octet-stream"
    kind, subtype = found[1].lower(), found[2].lower()
    return ("application", "octet-stream") if kind == "multipart" else (kind, subtype)


def _address(person: Person) -> Address:
    local, _, domain = person.address.rpartition("@")
    return Address(_line(person.name), local, domain)


def _line(text: str) -> str:
    """Without what ends or bends a line."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
