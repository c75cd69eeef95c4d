"""What can be asked about webhooks."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request


class WebhookState(Struct, frozen=True, kw_only=True):
    """`waiting`: events that were not taken yet, the oldest of them since `oldest` (wall time, 0: none). `said`: what was last said
    against one of them."""

    name: str
    url: str
    waiting: int
    oldest: float
    said: str


class WebhookList(Request[tuple[WebhookState, ...]], frozen=True, kw_only=True, tag="webhook.list"):
    """By name."""


class WebhookTest(Request[Done], frozen=True, kw_only=True, tag="webhook.test"):
    """An event "test" for it, that goes the way of all others."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
