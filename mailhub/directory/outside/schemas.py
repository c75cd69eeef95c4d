"""Whose tables they are: what is asked for a name, a domain, and lists. Statements stand here whole; values are bound.

Adding one: a class of the shape of `Schema`, a word of `directory.schema`, a row in `source.opened`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from mailhub.model.address import domain_of, key, split
from mailhub.model.errors import Temporary
from mailhub.store.api import AccountRow, AliasRow
from mailhub.tables.mysql import Answer

TARGETS = 1_000  # of one alias
_OCTETS = re.compile(r"(\d{1,15})S?(?:,|$)")

Ask = Callable[[str, Sequence[str]], Awaitable[Answer]]


class Found(NamedTuple):
    """What there is under a name: an account, targets of an alias, both or neither. `storage`: octets that the account may hold, 0 for no
    limit; None where the tables say nothing of it."""

    account: AccountRow | None = None
    targets: tuple[str, ...] = ()
    storage: int | None = None

    def __bool__(self) -> bool:
        return self.account is not None or bool(self.targets)


class Schema(Protocol):
    """`ask` puts a statement to the database. Names are in key form."""

    async def name(self, ask: Ask, name: str) -> Found:
        """Of an address, or of "@domain": its catch-all."""
        ...

    async def domain(self, ask: Ask, name: str) -> bool:
        """Whether mail for it is ours."""
        ...

    async def accounts(self, ask: Ask, after: str, limit: int) -> list[AccountRow]:
        """Without passwords; none where they can not be listed."""
        ...

    async def aliases(self, ask: Ask, after: str, limit: int) -> list[AliasRow]: ...

    async def domains(self, ask: Ask) -> list[str]: ...

    async def admins(self, ask: Ask, domain: str) -> list[str]:
        """Who may change what lives in the domain, by name; who may change all, where they are kept apart, is in each list."""
        ...

    async def administered(self, ask: Ask, account: str) -> list[str]:
        """Domains that it may change what lives in, by name."""
        ...


def text(value: Any) -> str:
    """A column's value; "" for NULL."""
    return "" if value is None else value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def password(value: Any, scheme: str) -> str:
    """A stored password with its scheme; "" where there is none."""
    stored = text(value)
    return stored if not stored or stored.startswith("{") else f"{{{scheme}}}{stored}"


def targets(name: str, values: Sequence[Any]) -> tuple[str, ...]:
    """Addresses between commas, or on lines of their own. Temporary where there are too many."""
    found = [part.strip() for value in values for part in text(value).replace("\n", ",").split(",")]
    made = tuple(dict.fromkeys(filter(None, found)))
    if len(made) > TARGETS:
        raise Temporary(f"alias {name} has more than {TARGETS} targets")
    return made


def octets(value: Any) -> int:
    """A quota: a number, or as Courier writes it ("20971520S,1000C"); 0 where it is none, or no limit."""
    found = _OCTETS.match(text(value))
    return int(found[1]) if found else 0


class PostfixAdmin:
    """domain, mailbox, alias, alias_domain, admin, domain_admins. What is not active is not there; `backupmx` is a domain of others; ALL is none.
    `active`: of a mailbox, beside its flag; `alias_domains`: whether there is such a table."""

    alias_domains = True
    # Of one domain, and of all: old tables have who may change all as admins of "ALL".
    admins_of_one = (
        "select d.username, d.domain from domain_admins d join admin a on a.username = d.username"
        " where d.active = 1 and a.active = 1"
    )
    admins_of_all = "select username, 'ALL' from admin where superadmin = 1 and active = 1"

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._domains = "select domain from domain where active = 1 and domain <> 'ALL' and backupmx = 0"

    async def name(self, ask: Ask, name: str) -> Found:
        found = await self._named(ask, name)
        if found or not self.alias_domains or (other := await self._target_domain(ask, domain_of(name))) is None:
            return found
        meant = f"{split(name)[0]}@{other}"
        there = await self._named(ask, meant)
        return Found(None, there.targets if name.startswith("@") else (meant,)) if there else found

    async def _named(self, ask: Ask, name: str) -> Found:
        account = storage = None
        if not name.startswith("@"):
            statement = (
                "select m.username, m.password, m.quota from mailbox m join domain d on d.domain = m.domain"
                " where m.username = %s and m.active = 1 and d.active = 1"
            )
            rows = [row for row in (await ask(statement, [name])).rows if key(text(row[0])) == name]
            if rows:
                account, storage = AccountRow(name, password(rows[0][1], self._scheme)), octets(rows[0][2])
        rows = [row for row in (await ask("select address, `goto` from alias where address = %s and active = 1", [name])).rows
                if key(text(row[0])) == name]  # fmt: skip
        return Found(account, targets(name, [row[1] for row in rows]), storage)

    async def _target_domain(self, ask: Ask, name: str) -> str | None:
        statement = (
            "select a.alias_domain, a.target_domain from alias_domain a join domain d on d.domain = a.target_domain"
            " where a.alias_domain = %s and a.active = 1 and d.active = 1"
        )
        rows = [row for row in (await ask(statement, [name])).rows if text(row[0]).lower() == name]
        return text(rows[0][1]).lower() if rows else None

    async def domain(self, ask: Ask, name: str) -> bool:
        rows = (await ask(f"{self._domains} and domain = %s", [name])).rows
        if any(text(row[0]).lower() == name for row in rows):
            return True
        return self.alias_domains and await self._target_domain(ask, name) is not None

    async def accounts(self, ask: Ask, after: str, limit: int) -> list[AccountRow]:
        statement = (
            "select m.username from mailbox m join domain d on d.domain = m.domain"
            " where m.username > %s and m.active = 1 and d.active = 1 order by m.username limit "
        )
        return [AccountRow(key(text(row[0])), "") for row in (await ask(statement + str(int(limit)), [after])).rows]

    async def aliases(self, ask: Ask, after: str, limit: int) -> list[AliasRow]:
        statement = "select address, `goto` from alias where address > %s and active = 1 order by address limit "
        rows = (await ask(statement + str(int(limit)), [after])).rows
        return [AliasRow(key(text(row[0])), targets(text(row[0]), [row[1]])) for row in rows]

    async def domains(self, ask: Ask) -> list[str]:
        statements = [self._domains]
        if self.alias_domains:
            statements.append("select alias_domain from alias_domain where active = 1")
        return [text(row[0]).lower() for statement in statements for row in (await ask(statement, [])).rows]

    async def admins(self, ask: Ask, domain: str) -> list[str]:
        one = await ask(self.admins_of_one + " and d.domain in (%s, 'ALL')", [domain])
        rows = [*one.rows, *(await ask(self.admins_of_all, [])).rows]
        return sorted({key(text(row[0])) for row in rows if text(row[1]).lower() in (domain, "all")})

    async def administered(self, ask: Ask, account: str) -> list[str]:
        one = await ask(self.admins_of_one + " and d.username = %s", [account])
        rows = [*one.rows, *(await ask(self.admins_of_all + " and username = %s", [account])).rows]
        found = {text(row[1]).lower() for row in rows if key(text(row[0])) == account}
        return sorted(await self.domains(ask) if "all" in found else found)


class ExtMail(PostfixAdmin):
    """domain, mailbox, alias, manager and domain_manager of ExtMail and ExtMan: PostfixAdmin's of old, without `backupmx` and alias_domain."""

    alias_domains = False
    admins_of_one = (
        "select d.username, d.domain from domain_manager d join manager m on m.username = d.username"
        " where d.active = 1 and m.active = 1"
    )
    admins_of_all = "select username, 'ALL' from manager where type = 'admin' and active = 1"

    def __init__(self, scheme: str) -> None:
        super().__init__(scheme)
        self._domains = "select domain from domain where active = 1"
