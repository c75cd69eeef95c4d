"""A message as it is offered to a peer: in which form it can go there, and what MAIL and RCPT say of it.

SIZE RFC 1870, BODY RFC 6152 and RFC 3030, SMTPUTF8 RFC 6531, DSN RFC 3461, BY RFC 2852, MT-PRIORITY RFC 6710, REQUIRETLS RFC 8689.
"""

from collections.abc import Sequence

from mailhub.message import headers
from mailhub.message.downgrade import Limit, Unconvertible
from mailhub.model import ids
from mailhub.model.address import domain_of, split
from mailhub.model.envelope import Notify
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply
from mailhub.net.names import ascii_name
from mailhub.store.api import Content, Fate
from mailhub.wire.smtp import xtext

from ..transport import Job, JobRecipient
from .body import Message
from .client import Client
from .convert import Converter

NO_UTF8 = Reply(553, "5.6.7", "The next mail host cannot take internationalised mail (SMTPUTF8)")
_BLOCK = 65_536
_HEADER_LIMIT = 1_048_576  # octets of a header that are looked at
_BATCH = 100  # recipients of one transaction: what every peer takes (RFC 5321 section 4.5.3.1.8)
_LONGEST = 999_999_999  # seconds in BY


class Offer:
    """`international`: a peer needs SMTPUTF8 for the message itself, or for its sender. `binary`: it holds what DATA can not
    carry (RFC 3030 section 3)."""

    def __init__(self, job: Job, converter: Converter, *, international: bool, binary: bool) -> None:
        self.job, self.international, self.binary = job, international, binary
        self._converter = converter
        self._eight: bool | None = None  # octets above 127; None: not looked at yet
        self._forms: dict[Limit, Message] = {}

    def refusal(self, client: Client, now: float) -> Reply | None:
        """Why that peer can not have the message at all."""
        size, limit = self.job.content.size, client.size_limit
        if 0 < limit < size:
            text = f"The message has {size} octets, and {client.host} takes {limit} (SIZE)"
            return Reply(552, "5.3.4", text)
        if self.international and not client.offers("smtputf8"):
            return NO_UTF8
        by = self.job.parameters.deliver_by
        if by is not None and by.mode == "R" and not client.final:
            # RFC 2852 section 4: what is to be returned is not given to who would not return it
            if not client.offers("deliverby"):
                return Reply(554, "5.4.7", f"{client.host} promises no time of delivery (DELIVERBY)")
            least = client.value("deliverby")
            if least.isascii() and least.isdigit() and by.until - now < int(least[:10]):
                return Reply(554, "5.4.7", f"{client.host} needs {least[:10]} seconds for a delivery (DELIVERBY)")
        return None

    async def message(self, client: Client) -> Message:
        """The content in a form that the peer takes. Permanent where there is none."""
        content, eight = self.job.content, client.offers("8bitmime")
        if self.binary and client.offers("binarymime") and client.offers("chunking"):
            return Message(content.blocks, content.size, "BINARYMIME")
        if not self.binary and (eight or not await self._has_eight()):
            declared = eight and self.job.parameters.body != "7BIT"
            return Message(content.blocks, content.size, "8BITMIME" if declared else "7BIT")
        limit: Limit = "8bit" if eight else "7bit"
        if limit not in self._forms:
            try:
                blocks = await self._converter.blocks(content, limit)
            except Unconvertible as error:
                # RFC 3463 section 3.7, RFC 6152 section 3, RFC 3030 section 3
                kind, code = ("binary", "5.6.1") if self.binary else ("8-bit", "5.6.3")
                text = f"The message holds {kind} content that {client.host} does not take, and {error}"
                raise Permanent(str(error), Reply(554, code, text)) from error
            self._forms[limit] = Message(blocks, None, "8BITMIME" if eight else "7BIT")
        return self._forms[limit]

    async def _has_eight(self) -> bool:
        if self._eight is None:
            self._eight = False
            async for block in self.job.content.blocks():
                if not block.isascii():
                    self._eight = True
                    break
        return self._eight

    # --- the envelope ------------------------------------------------------------------------------------------------

    def mail(self, client: Client, recipients: Sequence[str], message: Message, now: float) -> str:
        """MAIL's argument. `recipients`: addresses of this transaction."""
        job, asked = self.job, self.job.parameters
        utf8 = client.offers("smtputf8") and (
            self.international or not all(map(str.isascii, [job.sender, *recipients]))
        )
        words = [f"<{job.sender if utf8 else plain(job.sender)}>"]
        if message.size is not None and client.offers("size"):
            words.append(f"SIZE={message.size}")
        if message.word != "7BIT":
            words.append(f"BODY={message.word}")
        if utf8:
            words.append("SMTPUTF8")
        if job.parameters.requiretls and client.offers("requiretls"):
            words.append("REQUIRETLS")
        if client.offers("dsn"):
            words += [f"RET={asked.ret}"] if asked.ret else []
            words += [f"ENVID={xtext.encode(asked.envid)}"] if asked.envid else []
        if asked.deliver_by is not None and client.offers("deliverby"):
            by = asked.deliver_by
            left = max(-_LONGEST, min(int(by.until - now), _LONGEST))
            words.append(f"BY={left};{by.mode}{'T' if by.trace else ''}")
        if asked.priority and client.offers("mt-priority"):
            words.append(f"MT-PRIORITY={asked.priority}")
        return " ".join(words)

    def forward(self, client: Client) -> list[bytes]:
        """XFORWARD (Postfix's XFORWARD_README): who brought it, where the peer asks and the configuration lets us tell."""
        asked = client.value("xforward").upper().split() if client.tells_origin else []
        origin = self.job.origin
        known = {
            "NAME": origin.name, "ADDR": f"IPV6:{origin.client}" if ":" in origin.client else origin.client, "HELO": origin.helo,
            "PROTO": "ESMTP" if "SMTP" in origin.protocol and origin.protocol != "SMTP" else "SMTP",
            "IDENT": ids.text(self.job.queue_id), "SOURCE": "LOCAL" if origin.login or not origin.client else "REMOTE",
        }  # fmt: skip
        told = [
            f"{name}={xtext.encode(value[:255]) or '[UNAVAILABLE]'}" for name, value in known.items() if name in asked
        ]
        lines = [" ".join(told[n : n + 2]) for n in range(0, len(told), 2)]  # RFC 5321 section 4.5.3.1.4: 512 octets
        return [f"XFORWARD {line}".encode() for line in lines]

    def rcpt(self, client: Client, recipient: JobRecipient, address: str) -> str:
        """RCPT's argument."""
        words = [f"<{address}>"]
        if client.offers("dsn"):
            if asked := Notify(recipient.notify):
                words.append("NOTIFY=" + ",".join(str(kind.name) for kind in asked))
            if recipient.orcpt:
                words.append("ORCPT=" + _original(recipient.orcpt))
        return " ".join(words)

    def taken(self, client: Client) -> Fate:
        """What became of a recipient whose mail the peer took: DELIVERED where the peer will report itself, else RELAYED,
        for us to report (RFC 3461 section 5.2.2); also where each relay on the way is to be told of, or the peer knows nothing of
        the time that is left (RFC 2852 sections 4.1.4 and 4.1.4.2)."""
        by = self.job.parameters.deliver_by
        told = by is not None and (by.trace or (by.mode == "N" and not client.offers("deliverby")))
        return Fate.DELIVERED if client.offers("dsn") and not told else Fate.RELAYED


async def offer(job: Job, converter: Converter) -> Offer:
    """Looks at the header of mail that came as SMTPUTF8; in all other, octets are what they always were. Temporary where it
    can not be read."""
    international = not plain(job.sender).isascii() or (
        job.parameters.smtputf8 and not (await _header(job.content)).isascii()
    )
    binary = job.parameters.body == "BINARYMIME" and not await _is_text(job.content)
    return Offer(job, converter, international=international, binary=binary)


def batch(client: Client, waiting: Sequence[JobRecipient]) -> list[JobRecipient]:
    """Those of one transaction, in their order, within the limits that the peer told (RFC 9422)."""
    most = min(client.limit("RCPTMAX") or _BATCH, client.recipient_limit)
    domains = client.limit("RCPTDOMAINMAX")
    if not domains:
        return list(waiting[:most])
    chosen: list[JobRecipient] = []
    seen: set[str] = set()
    for recipient in waiting:
        domain = domain_of(recipient.address)
        if domain in seen or len(seen) < domains:
            seen.add(domain)
            chosen.append(recipient)
        if len(chosen) == most:
            break
    return chosen


def address_for(client: Client, address: str) -> str | None:
    """A recipient's address in the form that the peer takes; None where it takes none."""
    if client.offers("smtputf8"):
        return address
    return ascii_form if (ascii_form := plain(address)).isascii() else None


def plain(address: str) -> str:
    """An address with its domain as A-labels, where that makes it one of ASCII; else as it is."""
    local, domain = split(address)
    if address.isascii() or not local.isascii():
        return address
    try:
        return f"{local}@{ascii_name(domain)}"
    except ValueError:
        return address


def _original(orcpt: str) -> str:
    """ORCPT's value, in ASCII whatever the address (RFC 3461 section 4.2, RFC 6533 section 3)."""
    kind, _, address = orcpt.partition(";")
    return f"{kind};{xtext.encode_address(address) if kind.lower() == 'utf-8' else xtext.encode(address)}"


async def _is_text(content: Content) -> bool:
    """Whether all of it is lines with CRLF, without NUL: then it goes as any other, whatever it was declared."""
    held = b""
    async for block in content.blocks():
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""
        text = data[: len(data) - len(held)]
        pairs = text.count(b"\r\n")
        if b"\0" in text or text.count(b"\r") != pairs or text.count(b"\n") != pairs:
            return False
    return not held


async def _header(content: Content) -> bytes:
    read = b""
    while len(read) < _HEADER_LIMIT and (block := await content.read(len(read), _BLOCK)):
        read += block
        end = headers.header_end(read)
        if end < len(read):
            return read[:end]
    return read


async def tls_optional(content: Content) -> bool:
    """Whether the header says "TLS-Required: No" (RFC 8689 section 3)."""
    return (headers.first(await _header(content), b"TLS-Required") or b"").lower() == b"no"
