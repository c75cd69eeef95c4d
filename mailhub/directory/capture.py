"""The directory of capture mode: who is asked for is there, made at that moment. See config.capture."""

from mailhub.config.capture import Capture
from mailhub.model.address import domain_of, split
from mailhub.model.errors import Exists, MailError, Permanent, Temporary
from mailhub.model.reply import Reply
from mailhub.tables import Table

from . import names
from .directory import Account, Directory
from .providers import Secret

_FULL = Reply(452, "4.2.1", "No more mailboxes are made here (capture.mailbox_limit)")


class CapturingDirectory(Directory):
    """Mailboxes are made for every address but those of `capture.strict_domains`."""

    def capture(self, settings: Capture, rules: Table | None = None) -> "CapturingDirectory":
        """To be called before the first look-up."""
        self._rules = rules
        self._capture, self._strict = settings, frozenset(map(str.lower, settings.strict_domains))
        self._made = 0
        return self

    async def domain(self, name: str) -> bool:
        return names.possible(name)

    async def account(self, address: str) -> Account | None:
        found = await super().account(address)
        if found is not None or domain_of(address).lower() in self._strict:
            return found
        return await self._make(address)

    async def alias(self, address: str) -> tuple[str, ...] | None:
        found = await super().alias(address)
        domain, one = domain_of(address).lower(), self._capture.inbox
        if found or domain in self._strict:
            return found
        for key in (address, domain) if self._rules is not None else ():
            inbox = await self._rules.lookup(key) if self._rules is not None else None
            if inbox is not None:
                return None if inbox == address else (inbox,)
        return None if self._capture.mailboxes == "each" or address == one else (one,)

    async def _make(self, address: str) -> Account | None:
        if self._made >= self._capture.mailbox_limit:
            raise Temporary("capture.mailbox_limit is reached", _FULL)
        try:
            self._made += 1
            return await self.add_account(address, None)
        except Exists:
            return await super().account(address)
        except Permanent:  # no name that mail can be kept for
            return None


class AnyPassword:
    """A Provider for which every password is right."""

    name = "capture"

    def __init__(self, directory: CapturingDirectory, settings: Capture) -> None:
        self._directory, self._settings = directory, settings

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        address = login if split(login)[1] else f"{login}@{domain_of(self._settings.inbox)}"
        try:
            account = await self._directory.account(address)
        except MailError as error:
            raise Temporary(f"no mailbox can be made for {login!r}: {error}") from error
        return None if account is None else account.name

    async def secret(self, login: str) -> Secret | None:
        return None
