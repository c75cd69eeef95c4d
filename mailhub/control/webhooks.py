"""Webhooks as the operator sees them."""

import uuid
from collections.abc import Callable, Mapping

import msgspec

from mailhub.config.webhooks import Webhook
from mailhub.model.clock import Clock
from mailhub.store.api import Notice, WebhookStore

from . import webhook_words as words
from .errors import ControlError
from .request import Done


class Webhooks:
    """`hooks`: those that are configured now; `wake` lets them look for new events."""

    def __init__(
        self, hooks: Mapping[str, Webhook], store: WebhookStore, clock: Clock, wake: Callable[[], object]
    ) -> None:
        self._hooks, self._store, self._clock, self._wake = hooks, store, clock, wake

    async def page(self, request: words.WebhookList) -> tuple[words.WebhookState, ...]:
        counts = {count.hook: count for count in await self._store.counts()}
        return tuple(
            words.WebhookState(
                name=name,
                url=hook.url,
                waiting=counts[name].waiting if name in counts else 0,
                oldest=counts[name].oldest if name in counts else 0.0,
                said=counts[name].said if name in counts else "",
            )
            for name, hook in sorted(self._hooks.items())
        )

    async def test(self, request: words.WebhookTest) -> Done:
        if (hook := self._hooks.get(request.name)) is None:
            raise ControlError("not_found", f"no [webhook.{request.name}] in the configuration")
        event, now = f"test-{uuid.uuid4().hex}", self._clock.now()
        body = msgspec.json.encode({"id": event, "event": "test", "at": now})
        await self._store.tell(Notice(0, ((request.name, hook.limit),), event, now, body))
        self._wake()
        return Done()
