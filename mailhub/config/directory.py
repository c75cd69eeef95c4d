"""Where domains, accounts and aliases are looked up: [directory]."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Seconds, Section


class Directory(Section, frozen=True, kw_only=True):
    # Accounts, aliases, domains and right passwords kept in memory, of each kind.
    cache_limit: Count = 10_000
    # "embedded": mailhub's own. "mysql": a MySQL or MariaDB database; those of others are read and never written.
    kind: Literal["embedded", "mysql"] = "embedded"
    # Whose tables they are; "queries": those that the queries below ask; "mailhub": our own, which are written too.
    schema: Literal["postfixadmin", "extmail", "queries", "mailhub"] = "postfixadmin"
    # Servers in the order in which they are tried: "inet:HOST:PORT" or "unix:PATH"; the database, the login, and a file whose
    # first line is its password.
    hosts: tuple[str, ...] = ("unix:/run/mysqld/mysqld.sock",)
    database: str = "postfix"
    user: str = "mailhub"
    password_file: str = ""
    # Of "queries", as Dovecot has them (%u: the whole name, %n and %d: its parts): a row where there is such an account, and a row
    # with its `password`. One of them is enough where it does for both.
    user_query: str = ""
    password_query: str = ""
    # As Postfix has them (%s: the whole name, %u and %d: its parts), asked in turn until one finds something: targets of an address
    # ("@domain": the catch-all), and a row where a domain is ours.
    alias_query: tuple[str, ...] = ()
    domain_query: tuple[str, ...] = ()
    # The scheme of a stored password that names none (Dovecot's default_pass_scheme).
    password_scheme: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9.-]{1,40}\Z")] = "CRYPT"
    # Connections; the time for an answer, with the time in line; how long to leave a database alone that is away.
    connections: Annotated[int, Meta(ge=1, le=100)] = 4
    timeout: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    retry_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 2.0
    # How long it is believed that a name is there, and that it is not; how long known names serve while the database is away.
    cache_seconds: Seconds = 60.0
    negative_seconds: Seconds = 5.0
    stale_seconds: Seconds = 604_800.0
