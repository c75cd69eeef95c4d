"""What can be asked of the trace, and what is answered."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Request


class Step(Struct, frozen=True, kw_only=True):
    """One step of a message. `at`: wall time; `stage`: model.trace.Stage."""

    at: float
    stage: str
    text: str


class TracedMessage(Struct, frozen=True, kw_only=True):
    """`id` "": what was refused and has none."""

    id: str
    steps: tuple[Step, ...]


class Traced(Struct, frozen=True, kw_only=True):
    """Messages newest first, each with its steps in their order."""

    messages: tuple[TracedMessage, ...]


class TraceFind(Request[Traced], frozen=True, kw_only=True, tag="trace.find"):
    """`what`: a queue id, a Message-ID or an address."""

    what: Annotated[str, Meta(min_length=1, max_length=1_000)]
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
