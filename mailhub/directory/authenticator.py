"""Who may sign in: app passwords first, then each provider in its order; what was right is remembered for a while.

The one object that all protocols ask. A wrong login is answered after `auth.failure_delay`. `Temporary` where it can not be
told: a provider is away and no other said yes, or too many logins wait for a hash.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mailhub.config import schema
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import Exists, NotFound, Permanent, Temporary
from mailhub.store.api import AccountRow, DirectoryStore
from mailhub.wire.sasl import MECHANISMS, Apop

from . import digests, passwords
from .app_passwords import AppPasswords
from .directory import Account, Directory
from .hasher import Hasher
from .keys import kept_key
from .oauth import BadToken
from .providers import Provider
from .recent import Recent
from .signin import APOP, Exchange, Peer, context, withheld
from .watch import Watch

log = logging.getLogger("mailhub.directory")

_FAKES = "scram-fakes"  # a note of the store
_WITH_MAILBOX = ("imap", "pop3", "managesieve", "web", "api")
WEB = "web"  # the service that asks for a second factor itself


class Tokens(Protocol):
    """Who can tell what an OAuth token is good for (directory.oauth)."""

    async def account(self, token: str) -> str:
        """The account's name. BadToken where it opens nothing, Temporary where that can not be told."""
        ...


LoginHook = Callable[[str, str, str], Awaitable[str]]
Factor = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Opened:
    """An account whose password was right. `stored`: what the directory had of it then."""

    account: Account
    stored: str = field(repr=False)


class Authenticator:
    """One per hub. `providers`: asked in their order until one says yes."""

    def __init__(
        self,
        directory: Directory,
        store: DirectoryStore,
        auth: schema.Auth,
        clock: Clock,
        hasher: Hasher,
        providers: Sequence[Provider],
        cache_limit: int = 10_000,
        watch: Watch | None = None,
        *,
        hostname: str = "",
        tokens: Tokens | None = None,
    ) -> None:
        self._directory, self._store, self._auth, self._clock = directory, store, auth, clock
        self._hasher, self._providers, self._watch = hasher, tuple(providers), watch
        self._decoy = passwords.decoy()
        self._apps = AppPasswords(store, clock)
        self._hostname, self._tokens = hostname, tokens
        self._right: Recent[bytes, tuple[str, float]] = Recent(cache_limit)  # account, until when that is known
        self._derived: Recent[bytes, str] = Recent(cache_limit)
        self._checks: dict[bytes, asyncio.Task[str | None]] = {}  # under way
        self.hook: LoginHook | None = None  # says why an account may not sign in now, "" where it may; Temporary
        self._key = secrets.token_bytes(32)
        self._fakes = self._key  # until `open`

    async def open(self) -> None:
        """Take the key behind made-up SCRAM salts from the store, so that a restart does not tell them from real ones."""
        self._fakes = await kept_key(self._store, _FAKES)

    def configure(self, auth: schema.Auth) -> None:
        """Take over a new configuration."""
        self._auth = auth

    async def authenticate(self, login: str, password: str, *, service: str, client: str) -> Account | None:
        """The account that `login` names, where `password` opens it for `service`; else None, late."""
        opened = await self.opened(login, password, service=service, client=client)
        return None if opened is None else opened.account

    async def opened(
        self, login: str, password: str, *, service: str, client: str, typed: str = "", factor: Factor | None = None
    ) -> Opened | None:
        """The same with what was stored, for what is to last as long as that password.

        `client` (an address) is for the log and for the list of app passwords. `factor` says why what was `typed` beside the password does
        not open that account, "" where it does; what it raises goes on, and nobody has signed in or failed then.
        """
        began = self._clock.monotonic()
        self.admit(login, service=service, client=client)
        login = self._full(login)
        row = await self._directory.stored(login)
        name, why = await self._identify(login, row, password, service, client)
        if name:
            name, why = await self._usable(name, resident=service in _WITH_MAILBOX)
        if name:
            name, why = await self._permitted(name, service, client)
        if name and factor is not None:
            why = await factor(name, typed)
            name = "" if why else name
        if name:
            if row is None or row.name != name:  # another provider's, whose passwords are not ours
                row = await self._directory.stored(name)
            return Opened(self.succeeded(name, service=service, client=client), "" if row is None else row.password)
        attempt = hmac.digest(self._key, f"{password}\0{typed}".encode("utf-8", "surrogatepass"), "sha256")
        await self.failed(login, why or "not enabled", attempt, service=service, client=client, began=began)
        return None

    async def holds(self, opened: Opened, password: str, client: str) -> Opened | None:
        """With what is stored now, where that is the same password, which may have been written anew since; None where it is another."""
        row = await self._directory.stored(opened.account.name)
        if row is None:
            return None
        secret = password.encode("utf-8", "surrogatepass")
        if row.password != opened.stored and not await self._hasher.verify(row.password or self._decoy, secret, client):
            return None
        return Opened(opened.account, row.password)

    def admit(self, login: str, *, service: str, client: str) -> None:
        """To be asked before a secret is looked at: Temporary where that client has tried too much."""
        if self._watch is not None:
            self._watch.admit(client, login, service)

    def succeeded(self, name: str, *, service: str, client: str) -> Account:
        """A right secret. Temporary where the account may have no more sessions."""
        if self._watch is not None:
            self._watch.signed_in(client, name, service)
        log.info("%s: login of %r from %s", service, name, client)
        return Account(name)

    async def failed(
        self, login: str, why: str, attempt: bytes = b"", *, service: str, client: str, began: float | None = None
    ) -> None:
        """A wrong one; returns when it may be answered. `attempt`: a digest under our key, where there is a password. `began`: when
        the attempt came (monotonic); what it took to find out is part of the delay, so that the time of an answer does not tell
        in which scheme a password is stored, nor whether there is one."""
        known = {"postfix": _as_postfix(login, service, client)}
        log.warning("%s: login of %r from %s refused: %s", service, login[:320], client, why, extra=known)
        watch, delay = self._watch, self._auth.failure_delay
        if watch is not None:
            delay = watch.failed_login(client, login, service, attempt)
        if delay:
            spent = 0.0 if began is None else self._clock.monotonic() - began
            await self._clock.sleep(delay - spent % delay)

    # --- SASL ---

    def offered(self, peer: Peer) -> tuple[str, ...]:
        """The mechanisms for such a peer, strongest first."""
        return tuple(name for name in MECHANISMS if not self.withheld(name, peer))

    def withheld(self, name: str, peer: Peer) -> str:
        """Why a mechanism is not offered to such a peer; "" where it is."""
        return withheld(self._auth, name, peer, tokens=self._tokens is not None)

    def begin(self, name: str, peer: Peer) -> Exchange | None:
        """An attempt by that mechanism; None where it is not offered."""
        name = name.upper()
        if name not in MECHANISMS or self.withheld(name, peer):
            return None
        plus = name + "-PLUS" in MECHANISMS and not self.withheld(name + "-PLUS", peer)
        mechanism = MECHANISMS[name].make(context(peer, self._hostname, plus))
        return Exchange(self, name, mechanism, peer)

    def apop(self, timestamp: str, peer: Peer) -> Exchange | None:
        """An attempt by APOP (RFC 1939 section 7), of one step; None where it is not offered."""
        return None if self.withheld(APOP, peer) else Exchange(self, APOP, Apop(timestamp), peer)

    async def accept(self, login: str, peer: Peer, how: str, *, known: bool = False) -> Account | None:
        """Who is there has shown by other means than a password to be `login`: the account, where it may sign in. `known`: no
        provider vouches for the name, so that it has to be an account of the directory, or become one."""
        name, why = await self._usable(login, resident=known or peer.service in _WITH_MAILBOX)
        if name:
            name, why = await self._permitted(name, peer.service, peer.client)
        if not name:
            await self.failed(login, why, service=peer.service, client=peer.client)
            return None
        log.debug("%s: %r by %s", peer.service, name, how)
        return self.succeeded(name, service=peer.service, client=peer.client)

    def _full(self, login: str) -> str:
        """With a domain, where there is one to be taken."""
        domain = self._auth.default_domain
        return f"{login}@{domain}" if domain and login and "@" not in login else login

    async def _usable(self, login: str, *, resident: bool) -> tuple[str, str]:
        """The name of the account that may be used now, or why there is none. `resident`: it has to be one of the directory's, or
        become one now; whom another provider let in needs that for a mailbox alone."""
        login = self._full(login)
        row = await self._directory.stored(login)
        if row is not None:
            return (row.name, "") if row.enabled else ("", "not enabled")
        if not resident:
            return key(login), ""
        if not self._auth.create_accounts:
            return "", "right, but no such account here (auth.create_accounts)"
        try:
            await self._directory.add_account(login, None)
        except Exists:
            pass
        except (NotFound, Permanent) as error:  # a domain that is not ours; no name that mail can be kept for
            return "", str(error)
        return key(login), ""

    async def _permitted(self, name: str, service: str, client: str) -> tuple[str, str]:
        why = await self.hook(name, service, client) if self.hook is not None else ""
        return ("", why) if why else (name, "")

    async def secret(self, login: str) -> str:
        """What is stored for that login by the first provider that shows it; "" where nobody does. A second factor hides it:
        a program that can not ask for a code needs an app password."""
        login = self._full(login)
        for provider in self._providers:
            found = await provider.secret(login)
            if found is not None:
                return "" if await self._needs_app_password(key(found.account)) else found.stored
        return ""

    async def derive(self, scheme: str, login: str, password: str | None, client: str) -> str:
        """SCRAM keys of a password that is stored in the clear, or that nobody has (None): they cost the same, and are remembered
        alike. Their salt is the login's."""
        iterations, told = self._auth.scram_iterations, "" if password is None else f"\0{password}"
        name = f"{scheme}\0{key(self._full(login))}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, name + f"\0{iterations}{told}".encode("utf-8", "surrogatepass"), "sha256")
        made = self._derived.peek(digest, "")
        if not made:
            secret = (password or secrets.token_hex(16)).encode("utf-8", "surrogatepass")
            salt = hmac.digest(self._fakes, name, "sha256")[: digests.SALT]
            made = await self._hasher.scram(scheme, secret, salt, iterations, client)
            self._derived.put(digest, made)
        return made

    async def token(self, token: str, wanted: str) -> str:
        """The account that an OAuth token is good for; it must be `wanted`, where that is not "". BadToken, Temporary."""
        if self._tokens is None:
            raise BadToken("nobody can check it")
        name = self._full(await self._tokens.account(token))
        if wanted and key(self._full(wanted)) != key(name):
            raise BadToken(f"it names {name!r}")
        return name

    # --- passwords ---

    async def _identify(
        self, login: str, row: AccountRow | None, password: str, service: str, client: str
    ) -> tuple[str, str]:
        """The name of the account, and why there is none. `row`: what the directory has of that login."""
        if row is not None and service != WEB and await self._apps.right(row.name, password, service, client):
            return row.name, ""
        secret = password.encode("utf-8", "surrogatepass")
        if not 0 < len(secret) <= passwords.LIMIT or b"\0" in secret:
            await self._hasher.verify(self._decoy, b"x", client)  # as slow as any other; no provider is asked with it
            return "", "no possible password"
        stored = "" if row is None else row.password
        asked = "\0".join((key(login), stored)).encode("utf-8", "surrogatepass") + b"\0" + secret
        name = await self._ask(hmac.digest(self._key, asked, "sha256"), login, password, service, client)
        if not name:
            return "", "no such account, or wrong password" if row is None else "wrong password"
        if service != WEB and await self._needs_app_password(name):
            return "", "it has a second factor: mail programs need an app password"
        return name, ""

    async def _needs_app_password(self, name: str) -> bool:
        if not self._auth.second_factor_closes_protocols:
            return False
        row = await self._store.second_factor(name)
        return (row is not None and row.confirmed) or bool(await self._store.passkeys(name))

    async def _ask(self, digest: bytes, login: str, password: str, service: str, client: str) -> str | None:
        """The digest holds the stored hash: a changed password makes what is remembered of the old one worthless."""
        name, until = self._right.peek(digest, ("", 0.0))
        if until > self._clock.monotonic():
            return name
        check = self._checks.get(digest)
        if check is None:  # one check serves all who ask the same meanwhile: clients open many connections at once
            check = asyncio.create_task(self._verify(login, password, service, client))
            self._checks[digest] = check
            check.add_done_callback(partial(self._checked, digest))
        return await asyncio.shield(check)

    async def _verify(self, login: str, password: str, service: str, client: str) -> str | None:
        away: Temporary | None = None
        for provider in self._providers:
            try:
                name = await provider.verify(login, password, service=service, client=client)
            except Temporary as error:
                log.warning("%s can not tell whether %r may sign in: %s", provider.name, login[:320], error)
                away = error
                continue
            if name is not None:
                return key(name)
        if away is not None:
            raise away
        return None

    def _checked(self, digest: bytes, check: "asyncio.Task[str | None]") -> None:
        del self._checks[digest]
        if (
            not check.cancelled()
            and check.exception() is None
            and (name := check.result())
            and self._auth.cache_seconds
        ):
            self._right.put(digest, (name, self._clock.monotonic() + self._auth.cache_seconds))


def _as_postfix(login: str, service: str, client: str) -> tuple[str, str]:
    """A refused login as Postfix tells it, or for other protocols Dovecot: what those who ban by logs look for. Nothing in a name
    can be taken for another client's address."""
    name = "".join("?" if char in "<>," else char for char in login[:320])
    if service in ("smtp", "submission"):
        return "smtpd", f"warning: unknown[{client}]: SASL PLAIN authentication failed: refused, sasl_username=<{name}>"
    return (
        "dovecot",
        f"{service}-login: Disconnected (auth failed, 1 attempts): user=<{name}>, method=PLAIN, rip={client}",
    )
