"""Where mail, queue and directory are kept: [store]."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Octets, Seconds, Section


class Store(Section, frozen=True, kw_only=True):
    # "sqlite": in the data folder, with Maildirs. "mysql": in a MariaDB, Galera or other MySQL-compatible database that several
    # mailhubs share, with large bodies in an object store.
    kind: Literal["sqlite", "mysql"] = "sqlite"
    # Where the Maildirs of accounts lie, if not below the data folder: "/var/vmail/%d/%n" (%d domain, %n local part, %u the whole
    # address). All of them on one file system.
    mail_location: str = ""
    # Bodies up to this size lie in the database, larger ones in spool files.
    inline_limit: Annotated[int, Meta(ge=0, le=1_048_576)] = 65_536
    # Filed mail whose file is not known to be synced: after this time a sync is asked for.
    sync_interval: Seconds = 0.1
    # Octets of free space, and inodes, below which MAIL and APPEND are refused.
    free_space_floor: Octets = 134_217_728
    inode_floor: Octets = 1_000
    # Octets of an account's full-text index, which begins with its first search of text; what finds no room is searched in the
    # messages. 0: no indexes.
    search_index_limit: Annotated[int, Meta(ge=0)] = 1_073_741_824
    # Folders, those selected last, in which other programs' changes are noticed at once; how often they are looked at where the
    # system can not tell.
    watch_limit: Count = 1_000
    watch_interval: Seconds = 30.0
    # Of "mysql", from here on. Servers in the order in which they are tried: "inet:HOST:PORT" or "unix:PATH"; the database, the
    # login, and a file whose first line is its password.
    hosts: tuple[str, ...] = ("unix:/run/mysqld/mysqld.sock",)
    database: str = "mailhub"
    user: str = "mailhub"
    password_file: str = ""
    # Connections of one mailhub; the time for an answer, with the time in line.
    connections: Annotated[int, Meta(ge=2, le=200)] = 16
    timeout: Annotated[float, Meta(ge=0.1, le=600)] = 20.0
    # Where larger bodies lie: "s3://BUCKET/PREFIX" (with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT in the environment), or
    # the path of a folder that all nodes share; octets of them kept in the data folder, so that they are fetched once.
    objects: str = ""
    cache_limit: Octets = 1_073_741_824
    # After this time without a sign of life of a mailhub, others take up what it was delivering.
    lease_seconds: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    # How often mailboxes that somebody looks at are compared with what other mailhubs did.
    poll_seconds: Annotated[float, Meta(ge=0.05, le=60)] = 0.5
