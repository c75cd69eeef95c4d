"""Addresses that are rewritten as mail comes in: canonical(5) and masquerading, in envelopes and headers, as Postfix's cleanup(8)
does."""

from collections.abc import Awaitable, Callable, Iterator

from msgspec.structs import replace

from mailhub.config.aliasing import Canonical
from mailhub.delivery.aliases.mapping import Mapping
from mailhub.message import address_spans, headers
from mailhub.model import address as addresses
from mailhub.model.envelope import Envelope, Recipient
from mailhub.model.errors import Temporary
from mailhub.tables import Tables

ROUNDS = 16  # steps from an address to what it is at last

IsLocal = Callable[[str], Awaitable[bool]]


class Rewriting:
    """`origin`: the domain of addresses in tables that have none; `is_local`: whether a user may stand there without that domain."""

    def __init__(self, config: Canonical, tables: Tables, delimiter: str, origin: str, is_local: IsLocal) -> None:
        self.config, self._delimiter, self._is_local = config, delimiter, is_local
        propagates = config.propagate_unmatched_extensions
        self._tables = [  # in the order in which they are asked: the table, and where it counts
            (Mapping(tables.open(lookup), delimiter, origin, propagates=propagates), classes)
            for lookup, classes in (
                (
                    config.sender_canonical_maps,
                    set(config.sender_canonical_classes) & {"envelope_sender", "header_sender"},
                ),
                (
                    config.recipient_canonical_maps,
                    set(config.recipient_canonical_classes) & {"envelope_recipient", "header_recipient"},
                ),
                (config.canonical_maps, set(config.canonical_classes)),
            )
            if lookup
        ]
        self._hidden = tuple(map(str.lower, config.masquerade_domains))
        self._excepted = frozenset(map(str.lower, config.masquerade_exceptions))

    @property
    def used(self) -> bool:
        """Whether anything is to be rewritten at all."""
        return bool(self._tables or self._hidden)

    async def envelope(self, envelope: Envelope) -> Envelope:
        """With the addresses of now; a recipient that changed keeps what it was as its ORCPT. Temporary."""
        if not self.used:
            return envelope
        sender = await self.sender(envelope.sender)
        recipients = [await self._recipient(recipient) for recipient in envelope.recipients]
        return replace(envelope, sender=sender, recipients=tuple(dict.fromkeys(recipients)))

    async def sender(self, address: str) -> str:
        return await self._rewritten(address, "envelope_sender") if address else ""

    async def recipient(self, address: str) -> str:
        return await self._rewritten(address, "envelope_recipient")

    async def _recipient(self, recipient: Recipient) -> Recipient:
        address = await self.recipient(recipient.address)
        if address == recipient.address:
            return recipient
        kind = "rfc822" if recipient.address.isascii() else "utf-8"
        return replace(recipient, address=address, orcpt=recipient.orcpt or f"{kind};{recipient.address}")

    async def header(self, header: bytes) -> bytes:
        """Lines with CRLF. What is no address of a field that has some stays octet for octet. Temporary."""
        known: dict[tuple[str, str], bytes] = {}
        out, at = [], 0
        for start, span, place in _addresses(header):
            if (span.address, place) not in known:
                known[span.address, place] = (await self._rewritten(span.address, place)).encode()
            out += [header[at : start + span.start], known[span.address, place]]
            at = start + span.end
        return b"".join((*out, header[at:]))

    async def _rewritten(self, address: str, place: str) -> str:
        for mapping, classes in self._tables:
            if place in classes:
                address = await self._mapped(mapping, address)
        return self._masqueraded(address) if place in self.config.masquerade_classes else address

    async def _mapped(self, mapping: Mapping, address: str) -> str:
        """By the table again and again, until it says nothing new."""
        for _ in range(ROUNDS):
            found = await mapping.of(address, local=await self._is_local(addresses.domain_of(address)))
            if not found or addresses.key(found[0]) == addresses.key(address):
                return found[0] if found else address
            address = found[0].removeprefix("\\")
        raise Temporary(f"canonical tables lead nowhere: {address!r} after {ROUNDS} steps")

    def _masqueraded(self, address: str) -> str:
        local, domain = addresses.split(address)
        if addresses.key(local) in self._excepted:
            return address
        for hidden in self._hidden:
            name = hidden.lstrip("!")
            if domain == name:
                break
            if domain.endswith("." + name):
                return address if hidden.startswith("!") else f"{local}@{name}"
        return address


def _addresses(header: bytes) -> Iterator[tuple[int, address_spans.Span, str]]:
    """The offset of a field's value, an address in it, and whose it is."""
    for field in headers.FIELD.finditer(header):
        name = field[1].lower()
        if name in address_spans.SENDERS or name in address_spans.RECIPIENTS:
            place = "header_sender" if name in address_spans.SENDERS else "header_recipient"
            for span in address_spans.spans(field[2]):
                yield field.start(2), span, place
