"""The embedded directory: accounts, aliases, domains."""

from typing import Protocol

from msgspec import Struct, field


class AccountRow(Struct, frozen=True):
    """An account. `name`: its address in key form (model.address.key). `password`: "{SCHEME}..." or "" (no login)."""

    name: str
    password: str
    enabled: bool = True


class AliasRow(Struct, frozen=True):
    """An alias: `address` in key form ("@domain" is the domain's catch-all) to one or more addresses."""

    address: str
    targets: tuple[str, ...] = field(default=())


class AppPasswordRow(Struct, frozen=True):
    """A password made for one program of an account. `digest`: SHA-256 of it, hex: it has 99 bits, so that no slow hash is
    needed. `services`: where it may be used ("smtp" stands for submission); empty: everywhere. Times are wall times."""

    account: str
    name: str
    digest: str
    services: tuple[str, ...]
    created: float
    used: float = 0.0  # last, to the hour; 0: never
    client: str = ""  # who used it then


class SecondFactorRow(Struct, frozen=True):
    """A second factor of an account's web login (RFC 6238). `secret`: base32. `counter`: the last time step that was taken:
    no code is taken twice. `recovery`: SHA-256, hex, of the codes that are left. Not `confirmed`: not asked for yet."""

    account: str
    secret: str
    confirmed: bool = False
    counter: int = 0
    recovery: tuple[str, ...] = ()


class PasskeyRow(Struct, frozen=True):
    """What signs in to the web by WebAuthn. `id`: of the credential, base64url. `key`: its public key (COSE). `counter`: of its last
    signature. `used`: wall time; 0: never."""

    id: str
    account: str
    key: bytes
    counter: int
    name: str
    created: float
    used: float = 0.0


class DirectoryStore(Protocol):
    """The embedded directory's rows. Reads are one row by key."""

    async def account(self, name: str) -> AccountRow | None: ...

    async def alias(self, address: str) -> AliasRow | None: ...

    async def domain(self, name: str) -> bool: ...

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountRow]: ...

    async def aliases(self, after: str = "", limit: int = 1000) -> list[AliasRow]: ...

    async def aliases_to(self, target: str, limit: int) -> list[str]:
        """Aliases whose one target that is, by address; no catch-alls."""
        ...

    async def domains(self) -> list[str]: ...

    async def put_account(self, row: AccountRow) -> None:
        """A new one; Exists."""
        ...

    async def set_password(self, name: str, password: str, known: str | None = None) -> None:
        """NotFound. `known` not None: only where it is that still, else nothing is changed."""
        ...

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """One that is disabled is signed in with no browser any more. NotFound."""
        ...

    async def delete_account(self, name: str) -> None:
        """With all that opens it, what it may change, and what is remembered of it. NotFound."""
        ...

    async def put_alias(self, row: AliasRow) -> None:
        """Sets the alias's targets, whatever they were."""
        ...

    async def delete_alias(self, address: str) -> None: ...

    async def put_domain(self, name: str) -> None: ...

    async def delete_domain(self, name: str) -> None:
        """NotFound. Nobody is its admin then."""
        ...

    async def admins(self, domain: str) -> list[str]:
        """Accounts that may change what lives in the domain."""
        ...

    async def administers(self, account: str, domain: str) -> bool: ...

    async def administered(self, account: str) -> list[str]:
        """Domains that it may change what lives in."""
        ...

    async def put_admin(self, domain: str, account: str) -> None:
        """NotFound where there is no such account."""
        ...

    async def delete_admin(self, domain: str, account: str) -> None:
        """NotFound."""
        ...

    async def app_password(self, account: str, digest: str) -> AppPasswordRow | None: ...

    async def app_passwords(self, account: str) -> list[AppPasswordRow]:
        """By name."""
        ...

    async def put_app_password(self, row: AppPasswordRow, limit: int) -> None:
        """NotFound where there is no such account, Exists where the name is taken; LimitReached above `limit` of an account."""
        ...

    async def use_app_password(self, account: str, name: str, used: float, client: str) -> None: ...

    async def delete_app_password(self, account: str, name: str) -> None:
        """NotFound where there is none."""
        ...

    async def second_factor(self, account: str) -> SecondFactorRow | None: ...

    async def put_second_factor(self, row: SecondFactorRow) -> None:
        """In place of one that waits for its first code; Exists where there is a confirmed one, NotFound where no account."""
        ...

    async def confirm_second_factor(self, account: str, secret: str, counter: int) -> None:
        """The first code was right, of that time step. NotFound where none of that secret waits for it."""
        ...

    async def spend(self, account: str, counter: int, recovery: str) -> bool:
        """Take a time step above the last one taken, or (`recovery` not "") a recovery code: False where it was taken."""
        ...

    async def delete_second_factor(self, account: str) -> None: ...

    async def delete_factors(self, account: str) -> None:
        """The second factor and all passkeys. NotFound where there is none of both."""
        ...

    async def passkey(self, id: str) -> PasskeyRow | None: ...

    async def passkeys(self, account: str) -> list[PasskeyRow]:
        """Oldest first."""
        ...

    async def put_passkey(self, row: PasskeyRow, limit: int) -> None:
        """Exists where the id is known, LimitReached where the account would have more than `limit`."""
        ...

    async def use_passkey(self, id: str, counter: int, used: float) -> None:
        """The counter never falls."""
        ...

    async def delete_passkey(self, account: str, id: str) -> None:
        """NotFound where the account has none of that id."""
        ...

    async def meta(self, key: str) -> str | None:
        """A small durable note (schema version, whether the demo accounts were made)."""
        ...

    async def set_meta(self, key: str, value: str) -> None: ...

    async def keep_meta(self, key: str, value: str) -> str:
        """Note it, where there is no such note; the one that is there now."""
        ...
