"""Users of the system as people with mail here: asked of NSS by way of the deputy, and remembered for a while.

A user is known by his name in lower case, in the local domains alone.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from mailhub.config import schema
from mailhub.deputy import words
from mailhub.deputy.client import Deputy
from mailhub.message.alias_list import Kind, Target
from mailhub.model.address import split
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary

log = logging.getLogger("mailhub.directory")

_TARGETS = msgspec.json.Decoder(list[tuple[Kind, str]])
_NOUSER, _NOINPUT = 67, 66  # sysexits.h


class SystemUser(msgspec.Struct, frozen=True):
    """`is_root`: somebody whose mail is not written."""

    name: str
    is_root: bool = False


class SystemUsers:
    """`limit`: answers remembered."""

    def __init__(self, deputy: Deputy, config: schema.Local, domains: Iterable[str], clock: Clock, limit: int) -> None:
        self._deputy, self._config, self._clock, self._limit = deputy, config, clock, limit
        self._known: OrderedDict[str, tuple[float, SystemUser | None]] = OrderedDict()  # until when it is believed
        self.configure(domains)

    def configure(self, domains: Iterable[str]) -> None:
        """`domains`: where they have mail."""
        self._domains = frozenset(map(str.lower, domains))

    async def find(self, address: str) -> SystemUser | None:
        """By an address in key form. Temporary where NSS can not tell and never has."""
        name, domain = split(address)
        if domain not in self._domains or not words.is_name(name):
            return None
        until, user = self._known.get(name, (0.0, None))
        now = self._clock.monotonic()
        if name in self._known and now < until:
            return user
        try:
            user = await self._look(name)
        except MailError:
            if user is None:
                raise
            log.warning("NSS does not answer: %s is taken to be there still", name)
        self._known[name] = (now + self._config.cache_seconds, user)
        self._known.move_to_end(name)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return user

    async def forward(self, user: SystemUser, extension: str) -> list[Target] | None:
        """What his .forward says; None where he has none that counts. Temporary where that can not be told."""
        if not self._config.forward or user.is_root:
            return None
        answer = await self._deputy.ask(words.Forward(user.name, extension if words.is_extension(extension) else ""))
        if answer.status == _NOINPUT:
            if answer.said:
                log.warning("%s", answer.said.decode("utf-8", "replace"))
            return None
        if answer.status:
            raise _unknown(answer, f".forward of {user.name}")
        return [Target(kind, text) for kind, text in _TARGETS.decode(answer.said)]

    async def _look(self, name: str) -> SystemUser | None:
        answer = await self._deputy.ask(words.Look(name))
        if answer.status == _NOUSER:
            return None
        if answer.status:
            raise _unknown(answer, f"user {name}")
        return SystemUser(name, is_root=answer.said == b"0")


def _unknown(answer: words.Answer, what: str) -> Temporary:
    why = "no answer in time" if answer.late else answer.said.decode("utf-8", "replace") or f"status {answer.status}"
    return Temporary(f"{what}: {why}")
