"""What no type can say about [directory] and [store]."""

from collections.abc import Iterator, Sequence

from .findings import Finding, shown
from .schema import Config


def directory(config: Config) -> Iterator[Finding]:
    """Where the database is, and which queries have to be there."""
    found = config.directory
    if found.kind == "embedded":
        return
    if config.mode == "capture":
        yield Finding(("directory", "kind"), '"mysql" in capture mode', '"embedded": capture makes its own mailboxes')
    if config.demo:
        yield Finding(("demo",), "true with a directory that is only read", 'false, or directory.kind = "embedded"')
    yield from _hosts("directory", found.hosts)
    if found.schema == "queries" and not (found.user_query or found.password_query):
        yield Finding(("directory", "user_query"), "nothing", 'a query, where directory.schema = "queries"')


def store(config: Config) -> Iterator[Finding]:
    """Where the cluster is, and its objects."""
    found = config.store
    if found.kind == "sqlite":
        return
    if config.mode == "capture":
        yield Finding(("store", "kind"), '"mysql" in capture mode', '"sqlite": capture keeps its mail for itself')
    yield from _hosts("store", found.hosts)
    if not found.objects.startswith(("s3://", "/")):
        yield Finding(
            ("store", "objects"),
            shown(found.objects),
            '"s3://BUCKET/PREFIX", or the path of a folder that all nodes share',
        )
    if found.mail_location:
        yield Finding(("store", "mail_location"), shown(found.mail_location), '"": a cluster keeps no Maildirs')


def _hosts(section: str, hosts: Sequence[str]) -> Iterator[Finding]:
    if not hosts:
        yield Finding((section, "hosts"), "an empty list", 'a server, such as "inet:127.0.0.1:3306"')
    for n, host in enumerate(hosts):
        kind, _, place = host.partition(":")
        port = place.rpartition(":")[2] if ":" in place else "3306"
        if kind not in ("inet", "unix") or not place or (kind == "inet" and not (port.isascii() and port.isdigit())):
            yield Finding((section, "hosts", n), repr(host), '"inet:HOST:PORT" or "unix:PATH"')
