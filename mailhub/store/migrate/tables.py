"""Tables whose rows mean the same in both kinds of store, and how their columns are called in each."""

import json
from collections.abc import Callable

from msgspec import Struct

from ..mysql import bounds
from ..mysql.directory import sole_of
from ..mysql.mailbox_units import entry_key

Row = tuple[object, ...]
ROWS = 200  # of a page


class Column(Struct, frozen=True):
    """`kind`: "t" text, "b" octets, "n" a whole number, "r" a moment or another number with a fraction; or null."""

    name: str
    cluster: str
    kind: str

    def value(self, found: object) -> object:
        """As it is compared, and written again: octets that are text on one side are text here."""
        if found is None:
            return None
        if self.kind == "t":
            return found.decode() if isinstance(found, bytes) else str(found)
        if self.kind == "b":
            return found.encode() if isinstance(found, str) else bytes(found)  # type: ignore[call-overload]
        return int(str(found)) if self.kind == "n" else float(str(found))


class Table(Struct, frozen=True):
    """`key`: so many columns say which row it is. `only`: the rows that are ours to move, embedded. `made`: columns that a cluster has
    besides, made of the others. `order`: the key there, where that is not the columns'. `view`: what is read there in place of the table.
    `junk`: embedded it is in the junk filter's database."""

    name: str
    embedded: str
    cluster: str
    columns: tuple[Column, ...]
    key: int
    only: str = ""
    made: tuple[tuple[str, Callable[[Row], object]], ...] = ()
    order: tuple[str, ...] = ()
    view: str = ""
    junk: bool = False

    def canonical(self, found: Row) -> Row:
        return tuple([column.value(value) for column, value in zip(self.columns, found, strict=True)])

    def keys(self) -> tuple[str, ...]:
        """What rows are ordered by on a cluster."""
        return self.order or tuple([column.cluster for column in self.columns[: self.key]])


def _table(
    name: str, names: str, columns: str, key: int = 1, *, only: str = "", made: Callable[[Row], object] | None = None,
    called: str = "id", order: str = "", view: str = "", junk: bool = False,
) -> Table:  # fmt: skip
    """`names`: of the table, "embedded" or "embedded=cluster". `columns`: "name:kind", "embedded=cluster:kind"."""
    embedded, _, cluster = names.partition("=")
    parsed = []
    for word in columns.split():
        name_, _, kind = word.partition(":")
        here, _, there = name_.partition("=")
        parsed.append(Column(here, there or here, kind))
    besides = () if made is None else ((called, made),)
    keys = tuple(order.split())
    return Table(name, embedded, cluster or embedded, tuple(parsed), key, only, besides, keys, view, junk)


def _digest(*numbers: int) -> Callable[[Row], object]:
    return lambda row: bounds.digest(*[str(row[n]) for n in numbers])


def _sole(row: Row) -> object:
    targets = tuple(json.loads(str(row[1])))
    return sole_of(targets) if len(targets) == 1 else None


_HISTORY = (
    "(select step, at, sum(accepted) accepted, sum(refused) refused, sum(sent) sent, sum(deferred) deferred, sum(bounced) bounced,"
    " sum(delay) delay, max(queued) queued, max(oldest) oldest, sum(sessions) sessions, max(memory) memory, max(lagged) lagged"
    " from history group by step, at) of_all"
)
_JUNK = (
    "(select id, name, coalesce(sum(junk), 0) junk, coalesce(sum(good), 0) good, coalesce(sum(lessons), 0) lessons"
    " from junk_owner left join junk_sum on owner = id group by id, name) of_all"
)
JUNK_OWNERS = _table(
    "junk filter: owners", "owner=junk_owner", "id:n name:t junk:n good:n lessons:n", view=_JUNK, junk=True
)

TABLES = (
    _table("accounts", "account=directory_account", "name:t password:t enabled:n"),
    _table("aliases", "alias=directory_alias", "address:t targets:t", made=_sole, called="sole"),
    _table("domains", "domain=directory_domain", "name:t"),
    _table("administrators", "domain_admin=directory_admin", "domain:t account:t", 2),
    _table("app passwords", "app_password", "account:t name:t digest:t services:t created:r used:r client:t", 2),
    _table("second factors", "second_factor", "account:t secret:t confirmed:n counter:n recovery:t"),
    _table("passkeys", "passkey", "id:t account:t key=public_key:b counter:n name:t created:r used:r"),
    _table("notes", "meta=note", "key=name:t value:t", only="key not in ('last_id', 'in_step', 'uidvalidity', 'left')"),
    _table("DKIM keys", "dkim_key", "domain:t selector:t kind:t pem:b state:t since:r", 2),
    _table("tokens", "api_token", "name:t digest:t scopes:t created:r expires:r used:r client:t"),
    _table(
        "browsers signed in",
        "browser",
        "n:n digest:t id:t account:t stamp:t created:r used:r confirmed:r client:t agent:t",
    ),
    _table("bans", "ban", "network:t cause:t since:r until:r strikes:n note:t"),
    _table("mail that accounts sent", "sent", "account:t day:n messages:n new=fresh:n", 2),
    _table("whom accounts wrote to", "wrote_to", "account:t recipient:b day:n", 2),
    _table("greylist", "greylist", "digest:b first:r passes:n until:r"),
    _table("suppressed addresses", "suppression", "address:t source:t until:r last:r history:t note:t"),
    _table("MTA-STS policies", "sts_policy", "domain:t id:t text:t fetched:r expires:r"),
    _table("TLS sessions", "tls_session",
           "day:n domain:t kind:t policy:t result:t source:t host:t address:t detail:t sessions:n", 9,
           made=_digest(1, 2, 3, 4, 5, 6, 7, 8), order="day id"),
    _table("DMARC counts", "dmarc_count", "day:n domain:t found:t messages:n", 3, made=_digest(1, 2), order="day id"),
    _table("scripts", "sieve_script", "account:t name:t text:b active:n", 2),
    _table("scripts' marks", "sieve_mark", "account:t key=name:t until:r", 2, made=_digest(1), order="account id"),
    _table("history", "history",
           "step:n at:n accepted:n refused:n sent:n deferred:n bounced:n delay:r queued:n oldest:r sessions:n memory:n lag=lagged:r",
           2, made=lambda row: 0, called="node", view=_HISTORY),
    _table("history: delays", "history_delay", "step:n at:n span:n recipients:n", 3, made=lambda row: 0, called="node",
           view="(select step, at, span, sum(recipients) recipients from history_delay group by step, at, span) of_all"),
    _table("webhook events", "webhook_event", "id:n hook:t event:t at:r due:r attempts:n said:t body:b"),
    _table("quota limits", "quota", "name:t storage:n messages:n"),
    _table("subscriptions", "subscription", "account:t name:t", 2),
    _table("access control lists", "acl", "folder:n identifier:t rights:t", 2),
    _table("annotations", "annotation", "holder:t folder:n private:n entry:t value:b", 4,
           made=lambda row: entry_key(str(row[3])), called="place", order="holder folder private place"),
    _table("keys of URLs", "url_key", "folder:n key=secret:b"),
    _table("tombstones", "expunged", "folder:n modseq:n uid:n", 3, only="uid > 0"),
    _table("previews", "glimpse", "folder:n uid:n thread:t preview:t", 2),
    JUNK_OWNERS,
    _table("junk filter: tokens", "token=junk_token", "owner:n token:n junk:n good:n day:n", 2, junk=True),
    _table("junk filter: lessons", "taught=junk_taught", "owner:n message:n junk:n day:n", 2, junk=True),
)  # fmt: skip
