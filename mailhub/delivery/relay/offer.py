"""A message as it is offered to a peer: whether it can go as it is, and what MAIL says of it (RFC 1870, 6152, 6531, 8689).

8-bit mail goes to a peer without 8BITMIME as it is, undeclared: it arrives more often than a bounce is welcome.
"""

from dataclasses import dataclass

from mailhub.message import headers
from mailhub.model.address import split
from mailhub.model.reply import Reply
from mailhub.net.names import ascii_name
from mailhub.store.api import Content

from ..transport import Job
from .body import Message
from .client import Client

NO_UTF8 = Reply(553, "5.6.7", "The next mail host cannot take internationalised mail (SMTPUTF8)")
TOO_BIG = Reply(552, "5.3.4", "The message is larger than the next mail host takes")
NO_BINARY = Reply(554, "5.6.1", "The message holds binary content, which the next host can not be given")
_BLOCK = 65_536
_HEADER_LIMIT = 1_048_576  # octets of a header that are looked at


@dataclass(frozen=True, slots=True)
class Offer:
    """`international`: a peer needs SMTPUTF8 for the message itself, or for its sender. `binary`: it holds what DATA can not
    carry (RFC 3030 section 3)."""

    job: Job
    international: bool
    binary: bool = False

    def refusal(self, client: Client) -> Reply | None:
        """Why that peer can not have the message at all."""
        if self.binary:
            return NO_BINARY
        if 0 < client.size_limit < self.job.content.size:
            return TOO_BIG
        return NO_UTF8 if self.international and not client.offers("smtputf8") else None

    def whole(self) -> Message:
        """The content as it is."""
        return Message(self.job.content.blocks, self.job.content.size)

    def mail(self, client: Client, recipients: list[str]) -> str:
        """MAIL's argument. `recipients`: of this transaction."""
        job = self.job
        utf8 = client.offers("smtputf8") and (
            self.international or not all(map(str.isascii, [job.sender, *recipients]))
        )
        words = [f"<{job.sender if utf8 else plain(job.sender)}>"]
        if client.offers("size"):
            words.append(f"SIZE={job.content.size}")
        if job.parameters.body != "7BIT" and client.offers("8bitmime"):
            words.append("BODY=8BITMIME")
        if utf8:
            words.append("SMTPUTF8")
        if job.parameters.requiretls and client.offers("requiretls"):
            words.append("REQUIRETLS")
        return " ".join(words)


async def offer(job: Job) -> Offer:
    """Looks at the header of mail that came as SMTPUTF8; in all other, octets are what they always were. Temporary where it
    can not be read."""
    international = not plain(job.sender).isascii() or (
        job.parameters.smtputf8 and not (await _header(job.content)).isascii()
    )
    return Offer(job, international, job.parameters.body == "BINARYMIME" and not await _is_text(job.content))


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
