"""Any tables, by the queries of the Postfix and Dovecot that read them until now."""

import re
from collections.abc import Sequence

from mailhub.config import schema
from mailhub.model.address import key
from mailhub.model.errors import Permanent
from mailhub.store.api import AccountRow, AliasRow
from mailhub.tables.mysql import Answer
from mailhub.tables.sql import Statement, statement

from .schemas import Ask, Found, password, targets, text

_NAMES = ("user", "username", "email", "address", "source", "mail")  # columns that say whose a row is
_VARIABLE = re.compile(r"%(?:L?([und%])|\{user\}|\{user ?\| ?(username|domain)(?: ?\| ?lower)?\}|(.?[^\s']*))")
_POSTFIX = {"u": "%s", "n": "%u", "d": "%d", "%": "%%", "username": "%u", "domain": "%d"}


class Queries:
    """Permanent where a query can not be used."""

    def __init__(self, config: schema.Directory) -> None:
        self._scheme = config.password_scheme
        self._user = _made("user_query", _dovecot("user_query", config.user_query))
        self._password = _made("password_query", _dovecot("password_query", config.password_query))
        self._aliases = [made for query in config.alias_query if (made := _made("alias_query", query))]
        queries = (query.replace("%d", "%s") for query in config.domain_query)
        self._domains = [made for query in queries if (made := _made("domain_query", query))]

    async def name(self, ask: Ask, name: str) -> Found:
        account = None if name.startswith("@") else await self._account(ask, name)
        for query in self._aliases:
            answer = await _rows(ask, query, name)
            column = _column(answer, ("goto", "destination", "alias", "target"))
            if found := targets(name, [row[column] for row in answer.rows]):
                return Found(account, found)
        return Found(account)

    async def _account(self, ask: Ask, name: str) -> AccountRow | None:
        answer = None
        if self._user is not None and not (answer := await _rows(ask, self._user, name)).rows:
            return None
        if self._password is not None:
            secret = await _rows(ask, self._password, name)
            if answer is None and not secret.rows:
                return None
            answer = secret
        if answer is None or not answer.rows or "password" not in answer.columns:
            return AccountRow(name, "")
        return AccountRow(name, password(answer.rows[0][answer.columns.index("password")], self._scheme))

    async def domain(self, ask: Ask, name: str) -> bool:
        for query in self._domains:
            answer = await ask(query.text, query.bound(name) or [])
            told = [text(row[0]).lower() for row in answer.rows]
            if any(value == name or (value.isdigit() and name.isascii()) for value in told):
                return True
        return False

    async def accounts(self, ask: Ask, after: str, limit: int) -> list[AccountRow]:
        return []

    async def aliases(self, ask: Ask, after: str, limit: int) -> list[AliasRow]:
        return []

    async def domains(self, ask: Ask) -> list[str]:
        return []

    async def admins(self, ask: Ask, domain: str) -> list[str]:
        return []

    async def administered(self, ask: Ask, account: str) -> list[str]:
        return []


async def _rows(ask: Ask, query: Statement, name: str) -> Answer:
    """The rows that are meant: where no column says whose they are, names in ASCII alone are believed, for an accent more or
    less is the same to most tables."""
    values = query.bound(name)
    if values is None:
        return Answer((), ())
    answer = await ask(query.text, values)
    whose = [n for n, column in enumerate(answer.columns) if column in _NAMES]
    if not whose:
        return answer if name.isascii() else Answer(answer.columns, ())
    bare = name.rpartition("@")[0]
    rows = [row for row in answer.rows if any(key(text(row[n])) in (name, bare) for n in whose)]
    return Answer(answer.columns, rows)


def _column(answer: Answer, names: Sequence[str]) -> int:
    """The column of one of these names; else the first that does not say whose the row is."""
    at = [n for n, column in enumerate(answer.columns) if column in names]
    rest = [n for n, column in enumerate(answer.columns) if column not in _NAMES]
    return (at or rest or [0])[0]


def _dovecot(option: str, query: str) -> str:
    """Dovecot's variables as Postfix's."""

    def put(found: "re.Match[str]") -> str:
        if found[3] is not None:
            raise Permanent(f"directory.{option}: %{found[3][:30]} is not known here: %u, %n, %d")
        return _POSTFIX[found[1] or found[2] or "u"]

    return _VARIABLE.sub(put, query)


def _made(option: str, query: str) -> Statement | None:
    if not query:
        return None
    try:
        return statement(query, "%s")
    except Permanent as error:
        raise Permanent(f"directory.{option}: {error}") from None
