"""The part of a hub that knows who exists and who may sign in: directory, passwords, tokens, made and joined."""

from contextlib import AsyncExitStack
from functools import partial

from msgspec import Struct

from mailhub.config.schema import Config
from mailhub.directory import Authenticator, Directory, Hasher
from mailhub.directory.authenticator import Tokens
from mailhub.directory.capture import AnyPassword, CapturingDirectory
from mailhub.directory.kinds import directory_of
from mailhub.directory.providers import Provider
from mailhub.directory.providers.chain import chain
from mailhub.directory.providers.stored import StoredPasswords
from mailhub.model.clock import Clock
from mailhub.net.https import Https
from mailhub.net.resolver import Resolver
from mailhub.policy import Guard
from mailhub.store.api import Store
from mailhub.tables import Tables


class SigningIn(Struct, frozen=True):
    directory: Directory
    authenticator: Authenticator
    stored: StoredPasswords

    def configure(self, config: Config) -> None:
        """Take over a new configuration."""
        self.directory.configure(config.auth, config.domains)
        self.authenticator.configure(config.auth)
        self.stored.auth = config.auth


async def signing_in(
    config: Config, store: Store, tables: Tables, guard: Guard, resolver: Resolver, clock: Clock, undo: AsyncExitStack
) -> SigningIn:
    """`undo` gets how it is unmade."""
    auth, cached = config.auth, config.directory.cache_limit
    hasher = Hasher(auth.threads, auth.backlog, guard.key, guard.known)
    undo.callback(hasher.close)
    kind = CapturingDirectory if config.mode == "capture" else Directory
    directory = await directory_of(config, store.directory, hasher, clock, kind, partial(_copy_quota, store))
    undo.callback(directory.close)
    stored = StoredPasswords(directory, auth, hasher)
    providers: list[Provider] = chain(auth, stored, tables, hasher, clock)
    if isinstance(directory, CapturingDirectory):
        rules = tables.open(config.capture.rules) if config.capture.rules else None
        providers = [AnyPassword(directory.capture(config.capture, rules), config.capture)]
    authenticator = Authenticator(
        directory,
        store.directory,
        auth,
        clock,
        hasher,
        providers,
        cached,
        guard,
        hostname=config.hostname,
        tokens=_tokens(config, resolver, clock),
    )
    await authenticator.open()
    return SigningIn(directory, authenticator, stored)


async def _copy_quota(store: Store, account: str, storage: int) -> None:
    """What another's tables let an account hold becomes its own limit here; 0 is none, so that the general one holds."""
    mailboxes = store.mailboxes
    if await mailboxes.own_limits(account) != (storage or None, None):
        await mailboxes.set_limits(account, storage or None, None)


def _tokens(config: Config, resolver: Resolver, clock: Clock) -> Tokens | None:
    """Who checks OAuth tokens; what that takes is imported where it is needed."""
    oauth = config.auth.oauth
    if not (oauth.jwks or oauth.introspection):
        return None
    from mailhub.directory.oauth.tokens import IssuedTokens
    from mailhub.net.http import HttpClient

    http = HttpClient(Https(resolver, clock), timeout=oauth.timeout, limit=oauth.request_limit)
    return IssuedTokens(oauth, http, clock)
