"""What can be asked about a message that has not come."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Request
from .route_words import Address, Stop

MESSAGE_LIMIT = 10_485_760  # octets


class Rule(Struct, frozen=True, kw_only=True):
    """A rule that was asked. `stage`: the list or "check"; `answer`: "dunno", "permit", a reply, or a check's word."""

    stage: str
    rule: str
    answer: str
    score: float = 0.0
    reason: str = ""


class Said(Struct, frozen=True, kw_only=True):
    """What the client would hear."""

    command: str
    reply: str


class Explained(Struct, frozen=True, kw_only=True):
    """`fate`: what would become of it, in plain words; `way`: where it would go, aliases followed."""

    rules: tuple[Rule, ...]
    replies: tuple[Said, ...]
    verdict: str
    fate: str
    way: tuple[Stop, ...]


class Explain(Request[Explained], frozen=True, kw_only=True, tag="explain"):
    """`message` None: up to the recipients."""

    sender: Address = ""
    recipients: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=50)]
    client: Annotated[str, Meta(max_length=100)]
    helo: Annotated[str, Meta(max_length=255)] = ""
    login: Address = ""
    message: Annotated[bytes, Meta(max_length=MESSAGE_LIMIT)] | None = None
